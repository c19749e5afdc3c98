"""`hactl kafka retention verify`: a probe topic shows on the brokers what a topic keeps and loses."""

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


def retention_verify(topics: list[str], way: ConnectionOptions, *, wait: float, json: bool) -> Exit:
    """Watch a probe beside each topic and judge it by its plan; without names all topics but internal ones.

    Returns 0 when all is as planned, 1 when not.

    Raises:
        UsageError: no such topic, or it would take longer than `wait` seconds.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
        HactlError: there is nothing to verify, or the probe cannot be removed.
    """
    from provision.kafka.retention.probe import show as probe_show
    from provision.kafka.retention.probe.run import longest, run

    with cluster_login(way) as found, connected(found) as admin:
        probes = _probes(admin, topics)
        for each in probes:
            if each.design.longest > wait * 1000:
                takes = (
                    f"{each.design.original.name} takes {math.ceil(each.design.longest / 1000)} s"
                )
                raise UsageError(
                    f"kafka retention verify: {takes}, longer than {wait:g} s: {probe_show.waits(each.design)}",
                    "--wait SECONDS sets another limit",
                )
        _clear(found, admin, [each.design.original.name for each in probes])
        told = Screen(sys.stderr) if json else Screen()
        for each in probes:
            told.show(probe_show.header(each))
        with _waiting(longest(probes) / 1000) as progress:
            verdicts = run(found, admin, probes, progress)
    if json:
        print_json([probe_show.document(each) for each in verdicts])
    else:
        for verdict in verdicts:
            Screen().show(probe_show.verdict(verdict))
    return Exit.OK if all(each.ok for each in verdicts) else Exit.FAILED


def _probes(admin: KafkaAdminClient, topics: list[str]) -> list[Probe]:
    """A probe for each topic; a topic that cannot be verified is an error where it was named, else left out."""
    from provision.kafka.retention.probe.design import design
    from provision.kafka.retention.probe.topic import PREFIX, probe

    seen, missing = look(admin, topics)
    if missing:
        raise UsageError(f"kafka retention verify: the cluster has no topic {', '.join(missing)}")
    probes = []
    for each in (
        seen if topics else [each for each in seen if not each.topic.name.startswith(PREFIX)]
    ):
        if not each.first:
            raise HactlError(
                f"{each.topic.name}: nobody leads its first partition", "see `hactl kafka replicas`"
            )
        if not each.removable:
            raise HactlError(
                "delete.topic.enable is false on the brokers: a probe could not be removed"
            )
        try:
            probes.append(probe(design(each.topic, each.cleaner), each))
        except HactlError as error:
            if topics:
                raise
            sys.stderr.write(f"{error.line()}\n")
    if not probes:
        raise HactlError("the cluster has no topic to verify")
    return probes


def _clear(found: Login, admin: KafkaAdminClient, topics: list[str]) -> None:
    """Remove what killed runs left."""
    from provision.kafka.retention.probe.topic import leftovers, remove

    if names := leftovers(admin, topics):
        remove(found, names)
        sys.stderr.write(f"removed {', '.join(names)}, which a killed run had left\n")


@contextmanager
def _waiting(longest: float) -> Iterator[Callable[[float], None]]:
    """Says on a terminal, on one line, for how long has been waited."""
    shown = sys.stderr.isatty()

    def say(seconds: float) -> None:
        if shown:
            sys.stderr.write(f"\r\x1b[K  {seconds:.0f} s of {longest:.0f} s at most")
            sys.stderr.flush()

    try:
        yield say
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def command(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    wait: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Refuse what would take longer.")
    ] = 600,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Show on the brokers that a topic keeps and loses what its plan says. The topic itself is not touched.

    A probe topic beside it, with its parameters and the times among them shortened, is written to, watched and removed.
    Exit 0, 1 where it is otherwise than planned, 4 when the cluster cannot be reached, 64 where it would take longer
    than --wait."""

    way = ConnectionOptions(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_verify(topics or [], way, wait=wait, json=json))
