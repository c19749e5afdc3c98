"""`hactl kafka retention plan`: what a topic's parameters come to."""

from __future__ import annotations

from dataclasses import replace
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
from provision.core.errors import Exit, UsageError
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.kafka.admin import ask
from provision.kafka.connection import ConnectionOptions, cluster_login
from provision.kafka.retention import show
from provision.kafka.retention.fetch import TopicInfo, free, look
from provision.kafka.retention.from_inventory import planned_topic
from provision.kafka.retention.model import Use
from provision.kafka.retention.plan import plan
from provision.kafka.ssh_tunnel import cluster_of

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


def retention_plan(topics: list[str], use: Use, way: ConnectionOptions, *, json: bool) -> Exit:
    """Show what the topics' parameters come to; of `use` the rate, the keys and the bytes of a record count.

    What the inventory names and the cluster does not have yet is planned as the inventory has it.
    Returns 0, 1 where a broker has not the room or Kafka would refuse the parameters, 4 where a broker that is to keep
    it did not answer.

    Raises:
        UsageError: no such topic.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
    """
    with cluster_login(way) as found:
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


def _seen(admin: KafkaAdminClient, topics: list[str], project: Project | None) -> list[TopicInfo]:
    """The topics as they are or, where there are none yet, as the inventory has them."""
    seen, missing = look(admin, topics)
    named = cluster_of(project).model.topics if project else {}
    there = {each.topic.name for each in seen}
    coming = [
        name for name in (missing if topics else named) if name in named and name not in there
    ]
    if unknown := [name for name in missing if name not in named]:
        raise UsageError(f"kafka retention plan: there is no topic {', '.join(unknown)}")
    if project is None or not coming:
        return seen
    room = free(admin)
    return seen + [planned_topic(cluster_of(project), name, room) for name in coming]


def command(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Bytes a second that are written into the topic.")
    ] = None,
    keys: Annotated[int | None, typer.Option(min=1, help="Different keys in the topic.")] = None,
    record_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes of a record, as it is stored.")
    ] = None,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Show what a topic's parameters come to: bytes, deadlines, keys a pass, contradictions.

    Exit 0, 1 where a broker has not the room or Kafka would refuse it, 4 when the cluster or such a broker cannot be
    reached."""

    use = Use(1, rate=rate, keys=keys, record_bytes=record_bytes)
    way = ConnectionOptions(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_plan(topics or [], use, way, json=json))
