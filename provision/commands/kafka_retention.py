"""The words of `hactl kafka retention`: whose cluster is asked, what is shown, and how it ends."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.core.errors import Exit, HactlError, UsageError
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.kafka.admin import ask, connected
from provision.kafka.client_file import Login
from provision.kafka.connection import Way, reached
from provision.kafka.retention import show
from provision.kafka.retention.fetch import Seen, free, look
from provision.kafka.retention.from_inventory import foreseen
from provision.kafka.retention.model import Use
from provision.kafka.retention.plan import plan
from provision.kafka.ssh_tunnel import cluster_of

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from provision.kafka.retention.probe.topic import Probe


def retention_plan(topics: list[str], use: Use, way: Way, *, json: bool) -> Exit:
    """Show what the topics' parameters come to; of `use` the rate, the keys and the bytes of a record count.

    What the inventory names and the cluster does not have yet is planned as the inventory has it.
    Returns 0, 1 where a broker has not the room or Kafka would refuse the parameters, 4 where a broker that is to keep
    it did not answer.

    Raises:
        UsageError: no such topic.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
    """
    with reached(way) as found:
        seen = ask(found, lambda admin: _seen(admin, topics, way.project))
    used = [replace(use, partitions=each.partitions, replicas=each.replicas) for each in seen]
    plans = [plan(each.topic, each.cleaner, use) for each, use in zip(seen, used, strict=True)]
    if json:
        print_json([show.document(made, each.room) for made, each in zip(plans, seen, strict=True)])
    else:
        for made, each in zip(plans, seen, strict=True):
            Screen().show(show.lines(made, each.room))
    holds = all(made.fits(each.room) for made, each in zip(plans, seen, strict=True))
    unseen = any(made.unseen(each.room) for made, each in zip(plans, seen, strict=True))
    return Exit.FAILED if not holds else Exit.UNREACHABLE if unseen else Exit.OK


def _seen(admin: KafkaAdminClient, topics: list[str], project: Project | None) -> list[Seen]:
    """The topics as they are or, where there are none yet, as the inventory has them."""
    seen, missing = look(admin, topics)
    named = cluster_of(project).model.topics if project else {}
    there = {each.topic.name for each in seen}
    coming = [name for name in (missing if topics else named) if name in named and name not in there]
    if unknown := [name for name in missing if name not in named]:
        raise UsageError(f"kafka retention plan: there is no topic {', '.join(unknown)}")
    if project is None or not coming:
        return seen
    room = free(admin)
    return seen + [foreseen(cluster_of(project), name, room) for name in coming]


def retention_verify(topics: list[str], way: Way, *, wait: float, json: bool) -> Exit:
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

    with reached(way) as found, connected(found) as admin:
        probes = _probes(admin, topics)
        for each in probes:
            if each.design.longest > wait * 1000:
                takes = f"{each.design.original.name} takes {math.ceil(each.design.longest / 1000)} s"
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
    return Exit.OK if all(each.well for each in verdicts) else Exit.FAILED


def _probes(admin: KafkaAdminClient, topics: list[str]) -> list[Probe]:
    """A probe for each topic; a topic that cannot be verified is an error where it was named, else left out."""
    from provision.kafka.retention.probe.design import design
    from provision.kafka.retention.probe.topic import PREFIX, probe

    seen, missing = look(admin, topics)
    if missing:
        raise UsageError(f"kafka retention verify: the cluster has no topic {', '.join(missing)}")
    probes = []
    for each in seen if topics else [each for each in seen if not each.topic.name.startswith(PREFIX)]:
        if not each.first:
            raise HactlError(f"{each.topic.name}: nobody leads its first partition", "see `hactl kafka replicas`")
        if not each.removable:
            raise HactlError("delete.topic.enable is false on the brokers: a probe could not be removed")
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
