"""The words of `hactl kafka retention`: whose cluster is asked, what is shown, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from provision.errors import Exit, UsageError
from provision.kafka.admin import ask
from provision.kafka.client_file import Login, login
from provision.kafka.reach import administrator, cluster_of
from provision.kafka.retention import show
from provision.kafka.retention.foreseen import foreseen
from provision.kafka.retention.look import Seen, free, look
from provision.kafka.retention.model import Use
from provision.kafka.retention.plan import plan
from provision.project import Project
from provision.show import Screen, print_json

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@dataclass(frozen=True)
class Way:
    """To the cluster: an inventory, or its lab; or bootstrap servers, a client's file, or both."""

    project: Project | None = None
    lab: bool = False
    bootstrap: str = ""
    client: Path | None = None


@contextmanager
def reached(way: Way) -> Iterator[Login]:
    """A login to the cluster.

    Raises:
        UsageError: there is no way, or there are two; or the inventory has no cluster.
        InputError: the client's file, or a certificate, cannot be read.
    """
    if way.project is None:
        if way.lab:
            raise UsageError("--lab goes with --inventory")
        yield login(way.bootstrap, way.client)
        return
    if way.bootstrap or way.client:
        raise UsageError("--inventory goes with neither --bootstrap nor --client")
    from provision.live.sessions import Sessions

    hosts = tuple(node.host for node in cluster_of(way.project).brokers)
    with Sessions(way.project.targets(hosts, way.lab)) as sessions, administrator(way.project, sessions.of) as found:
        yield found


def retention_plan(topics: list[str], use: Use, way: Way, *, json: bool) -> Exit:
    """Show what the topics' parameters come to; of `use` the rate, the keys and the bytes of a record count.

    What the inventory names and the cluster does not have yet is planned as the inventory has it.
    Returns 0, or 1 where a broker has not the room or Kafka would refuse the parameters.

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
        print_json([show.document(each) for each in plans])
    else:
        for made, each in zip(plans, seen, strict=True):
            Screen().show(show.lines(made, each.room))
    holds = all(made.fits(each.room) for made, each in zip(plans, seen, strict=True))
    return Exit.OK if holds else Exit.FAILED


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
