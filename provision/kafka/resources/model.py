"""Users, topics, ACLs and quotas of a cluster, as they are to be and as they were found, as values. Pure.

Users are called by their bare name where they log in, and by their principal (`User:NAME`) where rights are about them.
No password is in any of these values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTER = "kafka-cluster"
"""The name of the one resource of type CLUSTER (org.apache.kafka.common.resource.Resource.CLUSTER_NAME)."""

ANYWHERE = "*"
"""An ACL's host that is any, and a resource's name that is all there are (AclEntry, ResourcePattern)."""


@dataclass(frozen=True, order=True)
class AclBinding:
    """One entry of access control. `kind` is topic, group, transactional_id, cluster or another of Kafka's."""

    principal: str
    kind: str
    name: str
    prefix: bool
    operation: str
    allow: bool = True
    host: str = ANYWHERE


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it is to be; `replicas` None leaves the number to the brokers' default and to what there is."""

    partitions: int
    replicas: int | None
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenTopic:
    """A topic as it is: how many replicas its partitions have, all parameters in force, and which of them are its own.

    `config` and `own` are empty where nobody asked for the parameters.
    """

    partitions: int
    replicas: frozenset[int]
    config: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DesiredCluster:
    """What the inventory wants.

    `users` are SCRAM's, with their iterations; `replication` is what a topic gets that names no number; `brokers` are
    hosts by broker id. Rights of `super_users` are never asked for, so that nothing is changed about them.
    """

    mechanisms: tuple[str, ...]
    users: Mapping[str, int]
    topics: Mapping[str, TopicSpec]
    acls: frozenset[AclBinding]
    quotas: Mapping[str, Mapping[str, float]]
    super_users: frozenset[str]
    brokers: Mapping[int, str]
    replication: int
    version: tuple[int, ...]


@dataclass(frozen=True)
class ObservedCluster:
    """What the cluster has: SCRAM iterations by user and mechanism, topics that are not Kafka's own, ACLs, quotas.

    `refused` are the users and mechanisms that do not let the inventory's password in; `brokers` those that are alive.
    """

    users: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    refused: frozenset[tuple[str, str]] = frozenset()
    topics: Mapping[str, SeenTopic] = field(default_factory=dict)
    acls: frozenset[AclBinding] = frozenset()
    quotas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    brokers: frozenset[int] = frozenset()
