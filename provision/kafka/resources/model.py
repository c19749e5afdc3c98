"""Users, topics, ACLs and quotas of a cluster, desired and observed, as values. Pure.

Logins have a user's bare name; ACLs have the principal (`User:NAME`). No value contains a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTER = "kafka-cluster"
"""The name of the resource of type CLUSTER (org.apache.kafka.common.resource.Resource)."""

ANYWHERE = "*"
"""Any host of an ACL, and any name of a resource (AclEntry, ResourcePattern)."""


@dataclass(frozen=True, order=True)
class AclBinding:
    """An ACL. `kind` is topic, group, transactional_id, cluster or another of Kafka's kinds."""

    principal: str
    kind: str
    name: str
    prefix: bool
    operation: str
    allow: bool = True
    host: str = ANYWHERE


@dataclass(frozen=True)
class TopicSpec:
    """A desired topic; with `replicas` None, a new topic gets the brokers' default."""

    partitions: int
    replicas: int | None
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedTopic:
    """An observed topic: its partitions, the replica counts of these, and the parameters in force.

    `overrides` are the parameters that are set for the topic itself. `config` and `overrides` are
    empty if the parameters were not fetched.
    """

    partitions: int
    replicas: frozenset[int]
    config: Mapping[str, str] = field(default_factory=dict)
    overrides: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DesiredCluster:
    """The desired state from the inventory.

    `users` are the SCRAM users with their iterations. `replication` is the brokers' default
    replication factor. `brokers` are hosts by broker id. A plan does not change `super_users`.
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
    """The observed state: SCRAM iterations by user and mechanism, topics, ACLs and quotas.

    `topics` are without Kafka's internal ones. `refused` are the users and mechanisms for which the
    brokers refuse the inventory's password. `brokers` are the ids of live brokers.
    """

    users: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    refused: frozenset[tuple[str, str]] = frozenset()
    topics: Mapping[str, ObservedTopic] = field(default_factory=dict)
    acls: frozenset[AclBinding] = frozenset()
    quotas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    brokers: frozenset[int] = frozenset()
