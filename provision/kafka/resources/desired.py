"""What a cluster is to have, from the inventory's model; roles expanded as Kafka's own kafka-acls does. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from provision.desired.kafka_variables import broker_settings
from provision.inventory.kafka import KafkaCluster
from provision.inventory.kafka_topics import written
from provision.inventory.model import kafka_user
from provision.kafka.resources.model import (
    ANYWHERE,
    CLUSTER,
    AclBinding,
    DesiredCluster,
    ObservedCluster,
    TopicSpec,
)

KINDS = {
    "topics": "topic",
    "groups": "group",
    "transactional_ids": "transactional_id",
    "cluster": "cluster",
}
"""The inventory's words for what Kafka calls resource types."""

ROLES = {
    "producer": {
        "topics": ("Write", "Describe", "Create"),
        "transactional_ids": ("Write", "Describe"),
        "idempotent": ("IdempotentWrite",),
    },
    "consumer": {"topics": ("Read", "Describe"), "groups": ("Read",)},
    "admin": {
        "topics": ("Create", "Delete", "Alter", "AlterConfigs", "Describe", "DescribeConfigs"),
        "groups": ("Describe", "Read", "Delete"),
        "cluster": ("Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs"),
    },
}
"""The operations of a role on each kind: producer and consumer are AclCommand's `--producer` and `--consumer` (3.9.1,
getProducerResourceFilterToAcls, getConsumerResourceFilterToAcls). An admin manages topics that it can
neither read nor write, groups with their offsets, and with `cluster` users, rights and quotas."""


def desired(cluster: KafkaCluster) -> DesiredCluster:
    """All that the inventory says about a cluster's users, topics, rights and quotas."""
    model = cluster.model
    settings = broker_settings(cluster, cluster.brokers[0])
    quotas = {name: _quotas(user.quotas) for name, user in model.users.items()}
    return DesiredCluster(
        mechanisms=model.scram,
        users={name: user.iterations for name, user in model.users.items()} if model.scram else {},
        topics={
            name: TopicSpec(
                topic.partitions,
                topic.replicas,
                {key: written(each) for key, each in topic.config.items()},
            )
            for name, topic in model.topics.items()
        },
        acls=frozenset(
            acl
            for name, user in model.users.items()
            for entry in user.acls
            for acl in acls(name, entry)
        ),
        quotas={name: found for name, found in quotas.items() if found},
        super_users=frozenset(f"User:{name}" for name in model.all_super_users),
        brokers={node.id: node.host for node in cluster.brokers},
        replication=int(str(settings["default.replication.factor"])),
        version=model.numbers,
    )


def fresh_cluster(wanted: DesiredCluster, first_users: Iterable[str]) -> ObservedCluster:
    """A cluster that was only just formatted: all its brokers, and the first users."""
    users = {
        user: dict.fromkeys(wanted.mechanisms, iterations)
        for user, iterations in wanted.users.items()
        if user in first_users
    }
    return ObservedCluster(users=users, brokers=frozenset(wanted.brokers))


def _quotas(quotas: kafka_user.Quotas) -> dict[str, float]:
    return {key: float(value) for key, value in quotas.model_dump(exclude_none=True).items()}


def acls(user: str, entry: kafka_user.Acl) -> Iterator[AclBinding]:
    """The entries of access control that one entry of the inventory stands for, perhaps one of them twice."""
    role = ROLES[entry.role] if entry.role else {}
    for field, kind in KINDS.items():
        operations = role.get(field, entry.operations)
        for name, prefix in _names(entry, field):
            yield from _each(user, entry, kind, name, prefix, operations)
    if entry.idempotent:
        yield from _each(user, entry, "cluster", CLUSTER, False, role["idempotent"])


def _names(entry: kafka_user.Acl, field: str) -> Iterator[tuple[str, bool]]:
    """Names without the `*` at their end, and whether they had one; `*` alone is Kafka's own word for all."""
    if field == "cluster":
        yield from [(CLUSTER, False)] if entry.cluster else []
        return
    for name in getattr(entry, field):
        prefix = name.endswith("*") and name != ANYWHERE
        yield (name[:-1] if prefix else name), prefix


def _each(
    user: str,
    entry: kafka_user.Acl,
    kind: str,
    name: str,
    prefix: bool,
    operations: tuple[str, ...],
) -> Iterator[AclBinding]:
    for operation in operations:
        for host in entry.hosts:
            yield AclBinding(
                f"User:{user}",
                kind,
                name,
                prefix,
                operation,
                entry.permission == "allow",
                _host(host),
            )


def _host(host: str) -> str:
    """An address as brokers compare it: as Java's InetAddress.getHostAddress has it, which shortens no IPv6 address."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
