"""`hactl kafka roll`: the nodes of a cluster restarted, one at a time, with nothing lost."""

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
from provision.kafka.rolling.poller import Poller
from provision.kafka.rolling.roller import NodeResult, Roller
from provision.kafka.rolling.safety import order
from provision.kafka.ssh_tunnel import administrator, cluster_of

COLOURS = {"rolled": GREEN, "untouched": "", "stopped": RED}


def roll(project: Project, *, limit: str, yes: bool, json: bool, lab: bool) -> Exit:
    """Restart the nodes on the hosts of `limit` (all by default), each when the cluster can spare it.

    Returns 0 when all were, 1 when the roll ended before, 130 after Ctrl-C.

    Raises:
        UsageError: no cluster, no node in `limit`, or nobody agreed; nothing was changed.
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
        _held(cluster, sessions) as held,
    ):
        pool = DirectorDrains(project.topology, sessions, operator_id(), project.digest(), console)
        plan = _plan(cluster, scope, held, pool, ask(login, look))
        console.done()
        Screen(sys.stderr if json else sys.stdout).show(plan.lines())
        if not yes and not confirm("Restart them?"):
            raise UsageError("not confirmed; nothing was changed")
        fates, code = _carry_out(plan, cluster, held, pool, login, console)
    console.done()
    if json:
        print_json(
            {
                "ok": code == Exit.OK,
                "resumed": plan.resumed,
                "nodes": [fate.json() for fate in fates],
            }
        )
    else:
        Screen().show(result_lines(fates, code))
    return code


def _scope(project: Project, cluster: KafkaCluster, limit: str) -> tuple[KafkaNode, ...]:
    chosen = project.managed(limit)
    found = tuple(node for node in cluster.nodes if node.host in chosen)
    if not found:
        hosts = ", ".join(node.host for node in cluster.nodes)
        raise UsageError(f"kafka roll: {limit} has no node of the cluster", f"there are {hosts}")
    return found


@contextmanager
def _held(cluster: KafkaCluster, sessions: Sessions) -> Iterator[dict[str, LockedHost]]:
    """All nodes' hosts, locked in the order of the inventory: also those that stay as they are keep still meanwhile."""
    for one in sessions.all().values():
        if isinstance(one, HostError):
            raise one
    with ExitStack() as stack:
        yield {
            node.host: stack.enter_context(
                LockedHost(sessions.of(node.host), f"{operator_id()} (kafka roll)")
            )
            for node in cluster.nodes
        }


@dataclass(frozen=True)
class RollPlan:
    """What a roll is about to do: whom it restarts, in which order by now, and whom a roll before left drained.

    `done` are the hosts that a roll before has restarted, `mark` tells of that roll. `stalled` names partitions.
    """

    todo: tuple[KafkaNode, ...]
    left: tuple[KafkaNode, ...]
    done: tuple[str, ...]
    mark: RollMarker | None
    stalled: tuple[str, ...]

    @property
    def resumed(self) -> dict[str, str] | None:
        """Which roll this one goes on with, as JSON."""
        return {"who": self.mark.who, "when": self.mark.when} if self.mark else None

    def lines(self) -> Iterator[Line]:
        """The plan as it is shown."""
        if self.mark:
            done = f"; {', '.join(self.done)} restarted already" if self.done else ""
            yield f"Going on with what {self.mark.who} began {self.mark.when}{done}.", YELLOW
        if self.left:
            yield (
                f"Drained by it, and given back first: {', '.join(node.host for node in self.left)}.",
                YELLOW,
            )
        if self.stalled:
            yield (
                f"These stall meanwhile, having no replica to spare: {', '.join(self.stalled)}.",
                YELLOW,
            )
        hosts = ", ".join(node.host for node in self.todo)
        yield (
            (f"Restarted one at a time: {hosts}." if self.todo else "Nothing is left to restart."),
            "",
        )


def _plan(
    cluster: KafkaCluster,
    scope: Sequence[KafkaNode],
    held: Mapping[str, LockedHost],
    pool: DirectorDrains,
    seen: Cluster,
) -> RollPlan:
    pool.look(*(node.host for node in cluster.nodes))
    todo = [node for node in scope if not held[node.host].unit.rolled]
    marks = [mark for node in scope if (mark := held[node.host].unit.mark)]
    stalled = {str(name) for node in todo for name in gate(seen, node.id).stalled}
    return RollPlan(
        order(seen, todo),
        tuple(
            node for node in cluster.nodes if node.host in pool.drained_by_roll and node not in todo
        ),
        tuple(node.host for node in scope if node not in todo),
        min(marks, key=lambda mark: mark.when, default=None),
        tuple(sorted(stalled)),
    )


def _carry_out(
    plan: RollPlan,
    cluster: KafkaCluster,
    held: Mapping[str, LockedHost],
    pool: DirectorDrains,
    login: Login,
    console: Console,
) -> tuple[list[NodeResult], Exit]:
    """Mark, roll, and forget the marks when there is nothing left to do."""
    for node in plan.todo:
        if held[node.host].unit.mark is None:
            held[node.host].mark()
    sight = Poller(cluster.nodes, lambda: ask(login, look), console)
    course = Roller(sight, held, pool, console, plan.done)
    well = course.run(plan.todo, plan.left)
    if well:
        for host in (*plan.done, *(node.host for node in plan.todo)):
            with suppress(
                HostError
            ):  # what is marked and restarted counts as rolled: the next run forgets it
                held[host].unmark()
    code = Exit.INTERRUPTED if course.interrupted else Exit.OK if well else Exit.FAILED
    return list(course.results.values()), code


def result_lines(fates: Sequence[NodeResult], code: Exit) -> Iterator[Line]:
    """A line a node, what there is to say of it below, the counts."""
    width = max(len(fate.host) for fate in fates)
    for fate in fates:
        seconds = f"{fate.seconds:7.1f} s" if fate.seconds else ""
        yield f"{fate.host:<{width}}  {fate.outcome:<9}{seconds}".rstrip(), COLOURS[fate.outcome]
        yield from ((f"{'':<{width}}  {line}", "") for line in fate.message.splitlines())
    outcomes = [fate.outcome for fate in fates]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in COLOURS if kind in outcomes)
    yield f"Roll: {counts}." + (" Run it again to go on." if code != Exit.OK else ""), "1"


def command(
    inventory: InventoryPath = None,
    limit: Limit = "",
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Restart a cluster's nodes one at a time, each drained, and the next when all is in sync again.

    A run that was cut off is gone on with. Exit 1 where it ended before all were restarted."""
    raise typer.Exit(roll(load(inventory), limit=limit, yes=yes, json=json, lab=lab))
