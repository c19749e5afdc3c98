"""`hactl kafka retention plan`: show how long records are kept and how much disk they need."""

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


def retention_plan(
    topics: list[str], use: Use, connection: ConnectionOptions, *, json: bool
) -> Exit:
    """Show the retention plan of the topics; `use` has the rate, the keys and the record size.

    A topic that only the inventory has is planned from the inventory. Returns 0; 1 where a broker
    has too little disk or Kafka would refuse a parameter; 4 where a broker of the topic is silent.

    Raises:
        UsageError: there is no such topic.
        Unreachable: the cluster cannot be logged in to.
        HostError: the cluster does not answer.
    """
    with cluster_login(connection) as login:
        infos = ask(login, lambda admin: _topic_infos(admin, topics, connection.project))
    plans = [
        (
            plan(
                info.topic,
                info.cleaner,
                replace(use, partitions=info.partitions, replicas=info.replicas),
            ),
            info.room,
        )
        for info in infos
    ]
    if json:
        print_json([show.document(topic_plan, disk) for topic_plan, disk in plans])
    else:
        for topic_plan, disk in plans:
            Screen().show(show.lines(topic_plan, disk))
    if not all(topic_plan.fits(disk) for topic_plan, disk in plans):
        return Exit.FAILED
    unseen = any(topic_plan.unseen(disk) for topic_plan, disk in plans)
    return Exit.UNREACHABLE if unseen else Exit.OK


def _topic_infos(
    admin: KafkaAdminClient, topics: list[str], project: Project | None
) -> list[TopicInfo]:
    """The topics of the cluster, and the topics that only the inventory has."""
    infos, missing = look(admin, topics)
    in_inventory = cluster_of(project).model.topics if project else {}
    in_cluster = {info.topic.name for info in infos}
    candidates = missing if topics else in_inventory
    planned = [name for name in candidates if name in in_inventory and name not in in_cluster]
    if unknown := [name for name in missing if name not in in_inventory]:
        raise UsageError(f"kafka retention plan: there is no topic {', '.join(unknown)}")
    if project is None or not planned:
        return infos
    free_bytes = free(admin)
    return infos + [planned_topic(cluster_of(project), name, free_bytes) for name in planned]


def command(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Bytes written into the topic per second.")
    ] = None,
    keys: Annotated[int | None, typer.Option(min=1, help="Number of keys in the topic.")] = None,
    record_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes of a stored record.")
    ] = None,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Show how much disk a topic needs, and when records go.

    The plan also shows how many keys the cleaner takes in a pass, and parameters
    that contradict each other. Exit 0 when all fits, 1 when a broker has too little
    disk or Kafka would refuse a parameter, 4 when the cluster or a broker of the
    topic cannot be reached."""
    use = Use(1, rate=rate, keys=keys, record_bytes=record_bytes)
    connection = ConnectionOptions(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_plan(topics or [], use, connection, json=json))
