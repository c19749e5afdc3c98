"""`hactl kafka replicas`: show the state of every replica, or whether a broker may go down."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import typer

from provision.commands.options import (
    Bootstrap,
    ClientFile,
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit, HostError, UsageError
from provision.core.terminal import BOLD, RED, YELLOW, Line, Screen, print_json, wrapped
from provision.kafka.admin import ClusterTimeout, ask, connected
from provision.kafka.client_file import Login
from provision.kafka.connection import ConnectionOptions, cluster_login
from provision.kafka.replicas import show
from provision.kafka.replicas.availability import GateVerdict, gate
from provision.kafka.replicas.check import Transition, check
from provision.kafka.replicas.derive import remembered, states
from provision.kafka.replicas.model import Cluster
from provision.kafka.replicas.problems import troubles
from provision.kafka.replicas.state_machine import machine

POLL_INTERVAL = 2.0
"""Seconds between two screens of `--watch`."""

MAX_CHANGES_SHOWN = 8
"""How many of the latest changes `--watch` shows."""

MAX_REASONS = 10
"""How many reasons against a shutdown are shown; JSON has all of them."""


def replicas(connection: ConnectionOptions, *, watch: bool, broker: int | None, json: bool) -> Exit:
    """Show the state of every replica, or whether a broker may go down.

    Returns 0 when every partition is healthy, or the broker may go down; 1 otherwise. A watch
    returns 1 when it saw an impossible transition.

    Raises:
        UsageError: options exclude each other, or there is no cluster, or no such broker.
        Unreachable: the cluster cannot be logged in to.
        HostError: the cluster does not answer.
    """
    if watch and (json or broker is not None):
        raise UsageError("kafka replicas: --watch goes with neither --json nor --gate")
    with cluster_login(connection) as login:
        if watch:
            return _watch(login)
        cluster = _fetch(login)
    if broker is not None:
        return _gate(cluster, broker, json)
    if json:
        print_json(show.document(cluster, states(cluster)))
    else:
        Screen().show(show.lines(cluster, states(cluster)))
    return Exit.FAILED if troubles(cluster) else Exit.OK


def _fetch(login: Login) -> Cluster:
    from provision.kafka.replicas.fetch import look

    return ask(login, look)


def _gate(cluster: Cluster, broker: int, json: bool) -> Exit:
    """Print whether a broker may go down, and the reasons against it."""
    known = {*cluster.brokers}
    known |= {id_ for partition in cluster.partitions for id_ in partition.replicas}
    known |= set(cluster.quorum.voters) if cluster.quorum else set()
    if broker not in known:
        raise UsageError(
            f"kafka replicas: there is no broker {broker}",
            f"the brokers are {', '.join(map(str, sorted(known)))}",
        )
    verdict = gate(cluster, broker)
    if json:
        refusals = [
            {"rule": refusal.rule, "about": refusal.about, "why": refusal.why}
            for refusal in verdict.refusals
        ]
        stalled = [str(name) for name in verdict.stalled]
        print_json(
            {"broker": broker, "may": verdict.is_allowed, "refusals": refusals, "stalled": stalled}
        )
    else:
        Screen().show(_verdict_lines(verdict))
    return Exit.OK if verdict.is_allowed else Exit.FAILED


def _verdict_lines(verdict: GateVerdict) -> Iterator[Line]:
    yield f"Broker {verdict.broker} {'may' if verdict.is_allowed else 'may not'} go down.", BOLD
    for refusal in verdict.refusals[:MAX_REASONS]:
        yield from wrapped(str(refusal), RED, first="  ", rest="    ")
    if len(verdict.refusals) > MAX_REASONS:
        yield f"  and {len(verdict.refusals) - MAX_REASONS} more", RED
    if verdict.stalled:
        names = ", ".join(map(str, verdict.stalled[:MAX_REASONS]))
        others = len(verdict.stalled) - MAX_REASONS
        more = f" and {others} more" if others > 0 else ""
        yield (
            f"  These partitions stop while it is down, without a spare replica: {names}{more}",
            YELLOW,
        )


def _watch(login: Login) -> Exit:
    """Show a new screen every `POLL_INTERVAL` until Ctrl-C; show an error and try again."""
    screen, latest = Screen(), deque[Transition](maxlen=MAX_CHANGES_SHOWN)
    before: Cluster | None = None
    impossible = False
    try:
        for now in _polls(login):
            if isinstance(now, HostError):
                if before is None and not isinstance(now, ClusterTimeout):
                    raise now
                screen.show([(now.line(), RED)])
                continue
            now = remembered(before, now) if before else now
            transitions = check(states(before), states(now), machine(now.version)) if before else ()
            impossible = impossible or not all(transition.legal for transition in transitions)
            latest.extend(transitions)
            screen.clear()
            screen.show(show.lines(now, states(now), latest))
            before = now
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return Exit.FAILED if impossible else Exit.OK


def _polls(login: Login) -> Iterator[Cluster | HostError]:
    """The cluster or an error every `POLL_INTERVAL`, without end; opens failed logins again."""
    from provision.kafka.replicas.fetch import look

    while True:
        try:
            with connected(login) as admin:
                while True:
                    yield look(admin)
                    time.sleep(POLL_INTERVAL)
        except HostError as error:
            yield error
        time.sleep(POLL_INTERVAL)


def command(
    inventory: InventoryPath = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show a new screen every two seconds, until Ctrl-C.")
    ] = False,
    gate: Annotated[
        int | None, typer.Option(metavar="BROKER", help="Show whether this broker may go down now.")
    ] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Show the state of every replica.

    With --gate, show whether a broker may go down. The cluster is that of the
    inventory, or of --bootstrap or --client. Exit 0 when every partition is healthy
    (or the broker may go down), 1 otherwise, 4 when the cluster cannot be reached."""
    project = load(inventory) if inventory or not (bootstrap or client) else None
    raise typer.Exit(
        replicas(
            ConnectionOptions(project, lab, bootstrap, client), watch=watch, broker=gate, json=json
        )
    )
