"""`hactl kafka retention verify`: prove a topic's retention on the brokers with a probe topic."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from provision.commands.options import (
    Bootstrap,
    ClientFile,
    InventoryOption,
    Json,
    Lab,
    Topics,
    load,
)
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.terminal import Screen, print_json
from provision.kafka.admin import connected
from provision.kafka.client_file import Login
from provision.kafka.connection import ConnectionOptions, cluster_login
from provision.kafka.retention.fetch import look

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from provision.kafka.retention.probe.topic import Probe


def retention_verify(
    topics: list[str], connection: ConnectionOptions, *, wait: float, json: bool
) -> Exit:
    """Compare a probe of each topic with the topic's plan; default: all topics but internal topics.

    Returns 0 when every probe follows its plan, 1 otherwise.

    Raises:
        UsageError: there is no such topic, or a probe takes longer than `wait` seconds.
        Unreachable: the cluster cannot be logged in to.
        HostError: the cluster does not answer.
        HactlError: there is nothing to verify, or the probe cannot be removed.
    """
    from provision.kafka.retention.probe import show as probe_show
    from provision.kafka.retention.probe.run import longest, run

    with cluster_login(connection) as login, connected(login) as admin:
        probes = _probes(admin, topics)
        for probe in probes:
            if probe.design.longest > wait * 1000:
                seconds = math.ceil(probe.design.longest / 1000)
                takes = f"{probe.design.original.name} takes {seconds} s, longer than {wait:g} s"
                raise UsageError(
                    f"kafka retention verify: {takes}: {probe_show.waits(probe.design)}",
                    "--wait SECONDS sets another limit",
                )
        _remove_leftovers(login, admin, [probe.design.original.name for probe in probes])
        screen = Screen(sys.stderr) if json else Screen()
        for probe in probes:
            screen.show(probe_show.header(probe))
        with _progress(longest(probes) / 1000) as progress:
            verdicts = run(login, admin, probes, progress)
    if json:
        print_json([probe_show.document(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            Screen().show(probe_show.verdict(verdict))
    return Exit.OK if all(verdict.ok for verdict in verdicts) else Exit.FAILED


def _probes(admin: KafkaAdminClient, topics: list[str]) -> list[Probe]:
    """A probe for each topic.

    A topic that cannot be verified is an error where the operator named it; else it is skipped.
    """
    from provision.kafka.retention.probe.design import design
    from provision.kafka.retention.probe.topic import PREFIX, probe

    infos, missing = look(admin, topics)
    if missing:
        raise UsageError(f"kafka retention verify: the cluster has no topic {', '.join(missing)}")
    probes = []
    for info in infos:
        if not topics and info.topic.name.startswith(PREFIX):
            continue
        if not info.first:
            raise HactlError(
                f"{info.topic.name}: its first partition has no leader",
                "see `hactl kafka replicas`",
            )
        if not info.removable:
            raise HactlError(
                "delete.topic.enable is false on the brokers: a probe could not be removed"
            )
        try:
            probes.append(probe(design(info.topic, info.cleaner), info))
        except HactlError as error:
            if topics:
                raise
            sys.stderr.write(f"{error.line()}\n")
    if not probes:
        raise HactlError("the cluster has no topic to verify")
    return probes


def _remove_leftovers(login: Login, admin: KafkaAdminClient, topics: list[str]) -> None:
    """Remove the probes of killed runs."""
    from provision.kafka.retention.probe.topic import leftovers, remove

    if names := leftovers(admin, topics):
        remove(login, names)
        sys.stderr.write(f"removed {', '.join(names)}, the leftovers of a killed run\n")


@contextmanager
def _progress(limit: float) -> Iterator[Callable[[float], None]]:
    """A function that shows the seconds of the wait on one line of a terminal."""
    is_terminal = sys.stderr.isatty()

    def show(seconds: float) -> None:
        if is_terminal:
            sys.stderr.write(f"\r\x1b[K  {seconds:.0f} s of {limit:.0f} s at most")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def command(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    wait: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Refuse a probe that would take longer.")
    ] = 600,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Prove on the brokers that a topic keeps what its plan says.

    The topic itself is not touched. A probe topic gets its parameters, with shorter
    times; hactl writes records into the probe, watches them go, and removes it.
    Exit 0 when the probe follows the plan, 1 otherwise, 4 when the cluster cannot
    be reached, 64 when the probe would take longer than --wait."""
    connection = ConnectionOptions(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_verify(topics or [], connection, wait=wait, json=json))
