"""`hactl kafka roll`: restart the nodes of a cluster one at a time, without a lost record."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import typer

from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Limit,
    Yes,
    load,
)
from provision.core.errors import Exit, HostError, UsageError
from provision.core.events import Console
from provision.core.terminal import GREEN, RED, YELLOW, Line, Screen, confirm, print_json
from provision.deploy.operator import operator_id
from provision.deploy.project import Project
from provision.hosts.agent.locked_host import LockedHost, RollMarker
from provision.hosts.sessions import Sessions
from provision.inventory.kafka import KafkaCluster, KafkaNode
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.replicas.availability import gate
from provision.kafka.replicas.fetch import look
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling.drains import DirectorDrains, senders
from provision.kafka.rolling.poller import ClusterPoller
from provision.kafka.rolling.roller import NodeResult, Roller
from provision.kafka.rolling.safety import order
from provision.kafka.ssh_tunnel import administrator, cluster_of

COLOURS = {"rolled": GREEN, "untouched": "", "stopped": RED}


def roll(project: Project, *, limit: str, yes: bool, json: bool, lab: bool) -> Exit:
    """Restart the nodes on the hosts of `limit` (default: all), each when the cluster can spare it.

    Returns 0 when all nodes were restarted, 1 when the roll ended before, 130 after Ctrl-C.

    Raises:
        UsageError: there is no cluster, `limit` has no node, or the operator did not confirm;
            nothing was changed.
        Locked: a deploy or another roll holds a host; nothing was changed.
        HostError: the cluster, a host or a director does not answer; nothing was changed.
    """
    cluster = cluster_of(project)
    scope = _scope(project, cluster, limit)
    console = Console()
    nodes = [node.host for node in cluster.nodes]
    hosts = tuple(dict.fromkeys((*nodes, *senders(project.topology, *nodes))))
    with (
        Sessions(project.targets(hosts, lab)) as sessions,
        administrator(project, sessions.of) as login,
        _locked_hosts(cluster, sessions) as locked,
    ):
        drains = DirectorDrains(
            project.topology, sessions, operator_id(), project.digest(), console
        )
        plan = _plan(cluster, scope, locked, drains, ask(login, look))
        console.done()
        Screen(sys.stderr if json else sys.stdout).show(plan.lines())
        if not yes and not confirm("Restart them?"):
            raise UsageError("not confirmed; nothing was changed")
        results, code = _carry_out(plan, cluster, locked, drains, login, console)
    console.done()
    if json:
        entries = [result.json() for result in results]
        print_json({"ok": code == Exit.OK, "resumed": plan.resumed, "nodes": entries})
    else:
        Screen().show(result_lines(results, code))
    return code


def _scope(project: Project, cluster: KafkaCluster, limit: str) -> tuple[KafkaNode, ...]:
    """The nodes on the hosts of `limit`.

    Raises:
        UsageError: there are none.
    """
    hosts_in_limit = project.managed(limit)
    nodes = tuple(node for node in cluster.nodes if node.host in hosts_in_limit)
    if not nodes:
        hosts = ", ".join(node.host for node in cluster.nodes)
        raise UsageError(
            f"kafka roll: {limit} has no node of the cluster", f"the nodes are on {hosts}"
        )
    return nodes


@contextmanager
def _locked_hosts(cluster: KafkaCluster, sessions: Sessions) -> Iterator[dict[str, LockedHost]]:
    """All nodes' hosts, locked in inventory order: no deploy may touch them during the roll."""
    for session in sessions.all().values():
        if isinstance(session, HostError):
            raise session
    with ExitStack() as stack:
        yield {
            node.host: stack.enter_context(
                LockedHost(sessions.of(node.host), f"{operator_id()} (kafka roll)")
            )
            for node in cluster.nodes
        }


@dataclass(frozen=True)
class RollPlan:
    """The plan of a roll: the nodes to restart, in order.

    An interrupted roll is resumed: `mark` describes it, `done` are the hosts that it restarted,
    `drained` the nodes that it left drained. `stalled` are the partitions that stop meanwhile.
    """

    todo: tuple[KafkaNode, ...]
    drained: tuple[KafkaNode, ...]
    done: tuple[str, ...]
    mark: RollMarker | None
    stalled: tuple[str, ...]

    @property
    def resumed(self) -> dict[str, str] | None:
        """The resumed roll, as JSON."""
        return {"who": self.mark.who, "when": self.mark.when} if self.mark else None

    def lines(self) -> Iterator[Line]:
        """The lines of the plan."""
        if self.mark:
            done = f"; {', '.join(self.done)} restarted already" if self.done else ""
            yield f"Resuming the roll of {self.mark.who} from {self.mark.when}{done}.", YELLOW
        if self.drained:
            hosts = ", ".join(node.host for node in self.drained)
            yield f"It left these drained; they return to service first: {hosts}.", YELLOW
        if self.stalled:
            names = ", ".join(self.stalled)
            yield f"These partitions stop meanwhile, without a spare replica: {names}.", YELLOW
        hosts = ", ".join(node.host for node in self.todo)
        yield f"Restart one at a time: {hosts}." if self.todo else "No node is left to restart.", ""


def _plan(
    cluster: KafkaCluster,
    scope: Sequence[KafkaNode],
    locked: Mapping[str, LockedHost],
    drains: DirectorDrains,
    state: Cluster,
) -> RollPlan:
    """The plan, from the marks of an interrupted roll on the hosts and the state of the cluster."""
    drains.look(*(node.host for node in cluster.nodes))
    todo = [node for node in scope if not locked[node.host].unit.rolled]
    marks = [mark for node in scope if (mark := locked[node.host].unit.mark)]
    stalled = {str(name) for node in todo for name in gate(state, node.id).stalled}
    return RollPlan(
        order(state, todo),
        tuple(
            node
            for node in cluster.nodes
            if node.host in drains.drained_by_roll and node not in todo
        ),
        tuple(node.host for node in scope if node not in todo),
        min(marks, key=lambda mark: mark.when, default=None),
        tuple(sorted(stalled)),
    )


def _carry_out(
    plan: RollPlan,
    cluster: KafkaCluster,
    locked: Mapping[str, LockedHost],
    drains: DirectorDrains,
    login: Login,
    console: Console,
) -> tuple[list[NodeResult], Exit]:
    """Mark the hosts, restart their nodes, and remove the marks when all are restarted."""
    for node in plan.todo:
        if locked[node.host].unit.mark is None:
            locked[node.host].mark()
    poller = ClusterPoller(cluster.nodes, lambda: ask(login, look), console)
    roller = Roller(poller, locked, drains, console, plan.done)
    finished = roller.run(plan.todo, plan.drained)
    if finished:
        for host in (*plan.done, *(node.host for node in plan.todo)):
            # A mark may stay: its node counts as restarted, and the next run removes the mark.
            with suppress(HostError):
                locked[host].unmark()
    code = Exit.INTERRUPTED if roller.interrupted else Exit.OK if finished else Exit.FAILED
    return list(roller.results.values()), code


def result_lines(results: Sequence[NodeResult], code: Exit) -> Iterator[Line]:
    """A line for each node with its messages below it, then the counts."""
    width = max(len(result.host) for result in results)
    for result in results:
        seconds = f"{result.seconds:7.1f} s" if result.seconds else ""
        line = f"{result.host:<{width}}  {result.outcome:<9}{seconds}".rstrip()
        yield line, COLOURS[result.outcome]
        yield from ((f"{'':<{width}}  {text}", "") for text in result.message.splitlines())
    outcomes = [result.outcome for result in results]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in COLOURS if kind in outcomes)
    yield f"Roll: {counts}." + (" Run it again to resume." if code != Exit.OK else ""), "1"


def command(
    inventory: InventoryPath = None,
    limit: Limit = "",
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Restart the cluster's nodes one at a time.

    Each node is drained first. The next node follows when all replicas are in sync
    again. An interrupted run is resumed. Exit 1 when the run ended before all nodes
    were restarted."""
    raise typer.Exit(roll(load(inventory), limit=limit, yes=yes, json=json, lab=lab))
