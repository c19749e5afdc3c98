"""The desired state of a cluster, from the inventory; roles expand as in kafka-acls. Pure."""

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
"""Kafka's resource types by the inventory's field."""

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
"""The operations of a role on every kind of resource.

producer and consumer are AclCommand's `--producer` and `--consumer` (3.9.1,
getProducerResourceFilterToAcls, getConsumerResourceFilterToAcls). An admin manages topics, which it
can neither read nor write, and groups with their offsets. With `cluster` it also manages users,
ACLs and quotas."""


def desired(cluster: KafkaCluster) -> DesiredCluster:
    """Return the inventory's users, topics, ACLs and quotas of a cluster."""
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
                {key: written(value) for key, value in topic.config.items()},
            )
            for name, topic in model.topics.items()
        },
        acls=frozenset(
            acl
            for name, user in model.users.items()
            for entry in user.acls
            for acl in acls(name, entry)
        ),
        quotas={name: limits for name, limits in quotas.items() if limits},
        super_users=frozenset(f"User:{name}" for name in model.all_super_users),
        brokers={node.id: node.host for node in cluster.brokers},
        replication=int(str(settings["default.replication.factor"])),
        version=model.numbers,
    )


def fresh_cluster(target: DesiredCluster, first_users: Iterable[str]) -> ObservedCluster:
    """Return the state of a cluster after its format: all its brokers, and the first users."""
    users = {
        user: dict.fromkeys(target.mechanisms, iterations)
        for user, iterations in target.users.items()
        if user in first_users
    }
    return ObservedCluster(users=users, brokers=frozenset(target.brokers))


def _quotas(quotas: kafka_user.Quotas) -> dict[str, float]:
    return {key: float(value) for key, value in quotas.model_dump(exclude_none=True).items()}


def acls(user: str, entry: kafka_user.Acl) -> Iterator[AclBinding]:
    """Yield the ACLs of an inventory entry; an ACL may come twice."""
    role = ROLES[entry.role] if entry.role else {}
    for field, kind in KINDS.items():
        operations = role.get(field, entry.operations)
        for name, prefix in _names(entry, field):
            yield from _expand(user, entry, kind, name, prefix, operations)
    if entry.idempotent:
        yield from _expand(user, entry, "cluster", CLUSTER, False, role["idempotent"])


def _names(entry: kafka_user.Acl, field: str) -> Iterator[tuple[str, bool]]:
    """Yield names without a `*` at the end, and whether they had it; `*` alone is Kafka's any."""
    if field == "cluster":
        yield from [(CLUSTER, False)] if entry.cluster else []
        return
    for name in getattr(entry, field):
        prefix = name.endswith("*") and name != ANYWHERE
        yield (name[:-1] if prefix else name), prefix


def _expand(
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
    """Return an address as brokers compare it.

    Java's InetAddress.getHostAddress does not abbreviate IPv6 addresses.
    """
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
