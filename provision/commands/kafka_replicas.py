"""The words of `hactl kafka` that ask a running cluster."""

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
"""Seconds between two looks of a watch."""

MAX_CHANGES_SHOWN = 8
"""How many of the latest changes a watched screen shows."""

MAX_REASONS = 10
"""How many reasons against a broker's going down are shown; as JSON all of them."""


def replicas(way: ConnectionOptions, *, watch: bool, broker: int | None, json: bool) -> Exit:
    """Show every replica's state, or answer whether a broker may go down.

    Returns 0 when all partitions are whole (the broker may go), 1 when not; a watch ends with 1 where it saw a
    transition that cannot be.

    Raises:
        UsageError: options that exclude each other, no cluster, or a broker that it does not have.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
    """
    if watch and (json or broker is not None):
        raise UsageError("kafka replicas: --watch goes with neither --json nor --gate")
    with cluster_login(way) as asked:
        if watch:
            return _watch(asked)
        cluster = _once(asked)
    if broker is not None:
        return _gate(cluster, broker, json)
    if json:
        print_json(show.document(cluster, states(cluster)))
    else:
        Screen().show(show.lines(cluster, states(cluster)))
    return Exit.FAILED if troubles(cluster) else Exit.OK


def _once(asked: Login) -> Cluster:
    from provision.kafka.replicas.fetch import look

    return ask(asked, look)


def _gate(cluster: Cluster, broker: int, json: bool) -> Exit:
    known = {*cluster.brokers, *(id_ for each in cluster.partitions for id_ in each.replicas)}
    known |= set(cluster.quorum.voters) if cluster.quorum else set()
    if broker not in known:
        raise UsageError(
            f"kafka replicas: there is no broker {broker}",
            f"there are {', '.join(map(str, sorted(known)))}",
        )
    verdict = gate(cluster, broker)
    if json:
        refusals = [
            {"rule": each.rule, "about": each.about, "why": each.why} for each in verdict.refusals
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
        more = (
            f" and {len(verdict.stalled) - MAX_REASONS} more"
            if len(verdict.stalled) > MAX_REASONS
            else ""
        )
        yield f"  Without it stall, since they have no replica to spare: {names}{more}", YELLOW


def _watch(asked: Login) -> Exit:
    """A new screen at each look until Ctrl-C; a look that fails is said, and the next one made."""
    screen, news = Screen(), deque[Transition](maxlen=MAX_CHANGES_SHOWN)
    before: Cluster | None = None
    impossible = False
    try:
        for now in _looks(asked):
            if isinstance(now, HostError):
                if before is None and not isinstance(now, ClusterTimeout):
                    raise now
                screen.show([(now.line(), RED)])
                continue
            now = remembered(before, now) if before else now
            found = check(states(before), states(now), machine(now.version)) if before else ()
            impossible = impossible or not all(each.legal for each in found)
            news.extend(found)
            screen.clear()
            screen.show(show.lines(now, states(now), news))
            before = now
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return Exit.FAILED if impossible else Exit.OK


def _looks(asked: Login) -> Iterator[Cluster | HostError]:
    """What is seen every two seconds, for ever, over one connection until it fails and then over the next."""
    from provision.kafka.replicas.fetch import look

    while True:
        try:
            with connected(asked) as admin:
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
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    gate: Annotated[
        int | None, typer.Option(metavar="BROKER", help="May this broker go down now?")
    ] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Show the state of every replica, and what is wrong; or answer whether a broker may go down.

    Asks the inventory's cluster, or another by --bootstrap or --client. Exit 0 when all is whole (or the broker may
    go), 1 when not, 4 when the cluster cannot be reached."""

    project = load(inventory) if inventory or not (bootstrap or client) else None
    raise typer.Exit(
        replicas(
            ConnectionOptions(project, lab, bootstrap, client), watch=watch, broker=gate, json=json
        )
    )
