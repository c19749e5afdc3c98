"""The plan: the steps from a cluster's users, topics, ACLs and quotas to the inventory's. Pure.

The order of steps is safe: users, topics, ACLs, quotas; then the removals in the reverse order.
Only `prune` removes resources that the inventory does not name; without it the plan lists them.
A change that Kafka cannot make is a refusal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provision.deploy.change import Change
from provision.formats.parameters import topic as topic_parameters
from provision.kafka.resources.model import (
    ANYWHERE,
    AclBinding,
    DesiredCluster,
    ObservedCluster,
    ObservedTopic,
    TopicSpec,
)


@dataclass(frozen=True)
class SetCredential:
    """Write a user's SCRAM credential, from the inventory's password."""

    user: str
    mechanism: str
    iterations: int


@dataclass(frozen=True)
class DropCredential:
    """Delete a user's SCRAM credential."""

    user: str
    mechanism: str


@dataclass(frozen=True)
class CreateTopic:
    """Create a topic."""

    name: str
    topic: TopicSpec


@dataclass(frozen=True)
class AddPartitions:
    """Raise a topic's number of partitions to `partitions`."""

    name: str
    partitions: int


@dataclass(frozen=True)
class SetConfig:
    """Set parameters of a topic, and reset others to the brokers' values."""

    name: str
    values: Mapping[str, str]
    reset: tuple[str, ...] = ()


@dataclass(frozen=True)
class DropTopic:
    """Delete a topic with all its records."""

    name: str


@dataclass(frozen=True)
class AddAcls:
    """Add ACLs."""

    acls: tuple[AclBinding, ...]


@dataclass(frozen=True)
class DropAcls:
    """Delete ACLs."""

    acls: tuple[AclBinding, ...]


@dataclass(frozen=True)
class SetQuota:
    """Set quotas of a user, and delete others."""

    user: str
    values: Mapping[str, float]
    reset: tuple[str, ...] = ()


Operation = (
    SetCredential
    | DropCredential
    | CreateTopic
    | AddPartitions
    | SetConfig
    | DropTopic
    | AddAcls
    | DropAcls
    | SetQuota
)


@dataclass(frozen=True)
class PlanStep:
    """One step: the change for the output, and the operation that makes it."""

    change: Change
    operation: Operation


@dataclass(frozen=True)
class PlanRefusal:
    """A change that Kafka cannot make; `path` is its place in the inventory below `kafka`.

    A `temporary` refusal may become possible later.
    """

    rule: str
    path: tuple[str, ...]
    what: str
    why: str
    fix: str
    temporary: bool = False


@dataclass(frozen=True)
class ClusterPlan:
    """The steps in their order, the refusals, and the resources that are not in the inventory."""

    steps: tuple[PlanStep, ...]
    refusals: tuple[PlanRefusal, ...] = ()
    unmanaged: tuple[str, ...] = ()


def plan(desired: DesiredCluster, observed: ObservedCluster, prune: bool = False) -> ClusterPlan:
    """Return the plan from the observed to the desired cluster."""
    additions = [
        *_user_steps(desired, observed),
        *_topic_steps(desired, observed),
        *_acl_steps(desired, observed),
        *_quota_steps(desired, observed),
    ]
    removals = list(_removal_steps(desired, observed))
    unmanaged = tuple(
        f"{step.change.kind} {step.change.name} {step.change.detail}".strip() for step in removals
    )
    return ClusterPlan(
        tuple([*additions, *removals] if prune else additions),
        tuple(_refusals(desired, observed)),
        () if prune else unmanaged,
    )


def remains(operation: Operation, observed: ObservedCluster) -> bool:
    """Return whether an operation that may be done already must be done again.

    True for all operations that can be done twice.
    """
    match operation:
        case CreateTopic(name):
            return name not in observed.topics
        case DropTopic(name):
            return name in observed.topics
        case AddPartitions(name, partitions):
            return name in observed.topics and observed.topics[name].partitions < partitions
        case DropCredential(user, mechanism):
            return mechanism in observed.users.get(user, {})
    return True


def partitions(operation: Operation) -> Iterator[tuple[str, int]]:
    """Yield the topic that an operation creates or extends, with its new number of partitions."""
    match operation:
        case CreateTopic(name, topic):
            yield name, topic.partitions
        case AddPartitions(name, count):
            yield name, count


def _user_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for user, iterations in desired.users.items():
        current = observed.users.get(user, {})
        for mechanism in desired.mechanisms:
            operation = SetCredential(user, mechanism, iterations)
            if mechanism not in current:
                detail = f"{mechanism}, {iterations} iterations"
                yield PlanStep(
                    Change("user", user, "update" if current else "create", detail), operation
                )
            elif current[mechanism] != iterations:
                detail = f"{mechanism}: {current[mechanism]} to {iterations} iterations"
                yield PlanStep(Change("user", user, "update", detail), operation)
            elif (user, mechanism) in observed.refused:
                yield PlanStep(
                    Change("user", user, "update", f"{mechanism}: another password"), operation
                )


def _topic_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for name, topic in desired.topics.items():
        current = observed.topics.get(name)
        if current is None:
            replicas = _count(_replicas(desired, topic), "replica")
            detail = f"{_count(topic.partitions, 'partition')}, {replicas}"
            diff = tuple(f"+{key}: {value}" for key, value in topic.config.items())
            yield PlanStep(Change("topic", name, "create", detail, diff), CreateTopic(name, topic))
            continue
        if topic.partitions > current.partitions:
            numbers = f"{current.partitions} to {topic.partitions} partitions"
            detail = f"{numbers}: most keys move to another one"
            yield PlanStep(
                Change("topic", name, "update", detail), AddPartitions(name, topic.partitions)
            )
        if values := {
            key: value
            for key, value in topic.config.items()
            if not _is_in_force(desired, key, value, current)
        }:
            diff = tuple(
                line for key, value in values.items() for line in _config_diff(key, value, current)
            )
            yield PlanStep(Change("topic", name, "update", "", diff), SetConfig(name, values))


def _replicas(desired: DesiredCluster, topic: TopicSpec) -> int:
    return topic.replicas or desired.replication


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _is_in_force(desired: DesiredCluster, key: str, value: str, topic: ObservedTopic) -> bool:
    """Return whether a parameter has this value: lists in any order, numbers in any notation."""
    current = topic.config.get(key)
    if current is None:
        return False
    kind = topic_parameters(desired.version)[key].type
    if kind == "list":
        return set(current.split(",")) == set(value.split(","))
    if kind == "double":
        return float(current) == float(value)
    return current.lower() == value.lower() if kind == "boolean" else current == value


def _config_diff(key: str, value: str, current: ObservedTopic) -> Iterator[str]:
    if key in current.config:
        source = "" if key in current.overrides else "  (the brokers')"
        yield f"-{key}: {current.config[key]}{source}"
    yield f"+{key}: {value}"


def _acl_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for acls in _group_by_resource(desired.acls - observed.acls):
        yield PlanStep(_acl_change(acls, "create"), AddAcls(acls))


def _group_by_resource(acls: Iterable[AclBinding]) -> list[tuple[AclBinding, ...]]:
    """Return ACLs in groups that differ only in their operation, sorted."""
    groups: dict[tuple[object, ...], list[AclBinding]] = defaultdict(list)
    for acl in sorted(acls):
        groups[(acl.principal, acl.kind, acl.name, acl.prefix, acl.allow, acl.host)].append(acl)
    return [tuple(group) for group in groups.values()]


def _acl_change(acls: tuple[AclBinding, ...], action: str) -> Change:
    first = acls[0]
    operations = ", ".join(acl.operation for acl in acls)
    source = f" from {first.host}" if first.host != ANYWHERE else ""
    detail = f"{'allow' if first.allow else 'deny'} {operations} on {_resource(first)}{source}"
    return Change("acl", first.principal.removeprefix("User:"), action, detail)


def _resource(acl: AclBinding) -> str:
    if acl.kind == "cluster":
        return "the cluster"
    kind = acl.kind.replace("transactional_id", "transactional.id")
    return (
        f"every {kind}"
        if acl.name == ANYWHERE and not acl.prefix
        else f"{kind} {acl.name}{'*' * acl.prefix}"
    )


def _quota_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for user, quotas in desired.quotas.items():
        current = observed.quotas.get(user, {})
        values = {key: value for key, value in quotas.items() if current.get(key) != value}
        if values:
            old = (f"-{key}: {current[key]:.15g}" for key in values if key in current)
            diff = (*old, *(f"+{key}: {value:.15g}" for key, value in values.items()))
            yield PlanStep(
                Change("quota", user, "update" if current else "create", "", diff),
                SetQuota(user, values),
            )


def _removal_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    """Yield the removals of quotas, ACLs, parameters, topics and users that are not desired.

    Super users keep theirs.
    """
    removable = {
        user
        for user in {*observed.users, *observed.quotas}
        if f"User:{user}" not in desired.super_users
    }
    for user in sorted(removable & observed.quotas.keys()):
        if reset := tuple(
            sorted(observed.quotas[user].keys() - desired.quotas.get(user, {}).keys())
        ):
            whole = user not in desired.quotas
            change = Change("quota", user, "remove" if whole else "update", ", ".join(reset))
            yield PlanStep(change, SetQuota(user, {}, reset))
    extra = (
        acl for acl in observed.acls - desired.acls if acl.principal not in desired.super_users
    )
    for acls in _group_by_resource(extra):
        yield PlanStep(_acl_change(acls, "remove"), DropAcls(acls))
    yield from _topic_removal_steps(desired, observed)
    for user in sorted(removable & observed.users.keys()):
        mechanisms = desired.mechanisms if user in desired.users else ()
        for mechanism in sorted(observed.users[user].keys() - set(mechanisms)):
            action = "update" if mechanisms else "remove"
            yield PlanStep(Change("user", user, action, mechanism), DropCredential(user, mechanism))


def _topic_removal_steps(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for name, topic in desired.topics.items():
        current = observed.topics.get(name)
        if current and (reset := tuple(sorted(current.overrides - topic.config.keys()))):
            diff = tuple(f"-{key}: {current.config.get(key, '')}" for key in reset)
            yield PlanStep(
                Change("topic", name, "update", ", ".join(reset), diff), SetConfig(name, {}, reset)
            )
    for name in sorted(observed.topics.keys() - desired.topics.keys()):
        partitions = _count(observed.topics[name].partitions, "partition")
        yield PlanStep(
            Change("topic", name, "remove", f"{partitions}, with all records"), DropTopic(name)
        )


def _refusals(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanRefusal]:
    for name, topic in desired.topics.items():
        current = observed.topics.get(name)
        copies = max(current.replicas) if current else _replicas(desired, topic)
        if current and topic.partitions < current.partitions:
            problem = (
                f"{name} has {current.partitions} partitions, the inventory {topic.partitions}"
            )
            why = "Kafka removes no partition, because its records would be lost"
            fix = f"write {current.partitions}, or create another topic and copy the records"
            yield PlanRefusal(
                "kafka-topic-shrink", ("topics", name, "partitions"), problem, why, fix
            )
        if current and topic.replicas and current.replicas != {topic.replicas}:
            numbers = " and ".join(map(str, sorted(current.replicas)))
            problem = f"{name} has {numbers} replicas, the inventory {topic.replicas}"
            why = "the change moves data between brokers: it needs a separate plan, and time"
            fix = f"move them with kafka-reassign-partitions, or write {max(current.replicas)}"
            yield PlanRefusal(
                "kafka-topic-replicas", ("topics", name, "replicas"), problem, why, fix
            )
        grows = current is None or topic.partitions > current.partitions
        if grows and copies > len(observed.brokers):
            yield _brokers_down(desired, observed, name, copies)


def _brokers_down(
    desired: DesiredCluster, observed: ObservedCluster, name: str, copies: int
) -> PlanRefusal:
    down = [
        f"{host} ({number})"
        for number, host in desired.brokers.items()
        if number not in observed.brokers
    ]
    problem = f"{name} needs {_count(copies, 'broker')}, and {len(observed.brokers)} are alive"
    why = f"down: {', '.join(down)}" if down else "the cluster has no more brokers"
    return PlanRefusal(
        "kafka-brokers-down", ("topics", name), problem, why, "start them first", temporary=True
    )
