"""The plan: what separates a cluster's users, topics, rights and quotas from what the inventory wants. Pure.

Steps come in the order in which they are safe: users, topics, rights, quotas; then what goes, the other way round. Only
`prune` takes away what the inventory does not name; without it that is told. What cannot be is a refusal.
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
    SeenTopic,
    TopicSpec,
)


@dataclass(frozen=True)
class SetCredential:
    """Write a user's SCRAM credential, made of the inventory's password."""

    user: str
    mechanism: str
    iterations: int


@dataclass(frozen=True)
class DropCredential:
    """Take a user's SCRAM credential away."""

    user: str
    mechanism: str


@dataclass(frozen=True)
class CreateTopic:
    """Make a topic."""

    name: str
    topic: TopicSpec


@dataclass(frozen=True)
class AddPartitions:
    """Have a topic have so many partitions, more than now."""

    name: str
    partitions: int


@dataclass(frozen=True)
class SetConfig:
    """Set parameters of a topic, and put others back to what the brokers have."""

    name: str
    values: Mapping[str, str]
    reset: tuple[str, ...] = ()


@dataclass(frozen=True)
class DropTopic:
    """Delete a topic with all that is in it."""

    name: str


@dataclass(frozen=True)
class AddAcls:
    """Add entries of access control."""

    acls: tuple[AclBinding, ...]


@dataclass(frozen=True)
class DropAcls:
    """Take entries of access control away."""

    acls: tuple[AclBinding, ...]


@dataclass(frozen=True)
class SetQuota:
    """Set quotas of a user, and take others away."""

    user: str
    values: Mapping[str, float]
    reset: tuple[str, ...] = ()


Deed = (
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
    """One change, as it is shown and as it is done."""

    change: Change
    deed: Deed


@dataclass(frozen=True)
class PlanRefusal:
    """What cannot be: `path` leads to its place below `kafka`; one that is `passing` may be possible later."""

    rule: str
    path: tuple[str, ...]
    what: str
    why: str
    fix: str
    passing: bool = False


@dataclass(frozen=True)
class ClusterPlan:
    """All steps in their order, what stands against them, and what is not the inventory's and stays."""

    steps: tuple[PlanStep, ...]
    refusals: tuple[PlanRefusal, ...] = ()
    left_alone: tuple[str, ...] = ()


def plan(desired: DesiredCluster, observed: ObservedCluster, prune: bool = False) -> ClusterPlan:
    """What makes the observed cluster the desired one."""
    additions = [
        *_users(desired, observed),
        *_topics(desired, observed),
        *_rights(desired, observed),
        *_quotas(desired, observed),
    ]
    removals = list(_removals(desired, observed))
    gone = tuple(
        f"{step.change.kind} {step.change.name} {step.change.detail}".strip() for step in removals
    )
    return ClusterPlan(
        tuple([*additions, *removals] if prune else additions),
        tuple(_refusals(desired, observed)),
        () if prune else gone,
    )


def remains(deed: Deed, observed: ObservedCluster) -> bool:
    """Whether a step that may have been done already is to be done again; one that can be done twice always is."""
    match deed:
        case CreateTopic(name):
            return name not in observed.topics
        case DropTopic(name):
            return name in observed.topics
        case AddPartitions(name, partitions):
            return name in observed.topics and observed.topics[name].partitions < partitions
        case DropCredential(user, mechanism):
            return mechanism in observed.users.get(user, {})
    return True


def partitions(deed: Deed) -> Iterator[tuple[str, int]]:
    """The topic that a step makes or grows, if it does, and how many partitions it then has."""
    match deed:
        case CreateTopic(name, topic):
            yield name, topic.partitions
        case AddPartitions(name, count):
            yield name, count


def _users(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for user, iterations in desired.users.items():
        has = observed.users.get(user, {})
        for mechanism in desired.mechanisms:
            deed = SetCredential(user, mechanism, iterations)
            if mechanism not in has:
                detail = f"{mechanism}, {iterations} iterations"
                yield PlanStep(Change("user", user, "update" if has else "create", detail), deed)
            elif has[mechanism] != iterations:
                detail = f"{mechanism}: {has[mechanism]} to {iterations} iterations"
                yield PlanStep(Change("user", user, "update", detail), deed)
            elif (user, mechanism) in observed.refused:
                yield PlanStep(
                    Change("user", user, "update", f"{mechanism}: another password"), deed
                )


def _topics(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for name, topic in desired.topics.items():
        seen = observed.topics.get(name)
        if seen is None:
            detail = f"{_count(topic.partitions, 'partition')}, {_count(_replicas(desired, topic), 'replica')}"
            diff = tuple(f"+{key}: {value}" for key, value in topic.config.items())
            yield PlanStep(Change("topic", name, "create", detail, diff), CreateTopic(name, topic))
            continue
        if topic.partitions > seen.partitions:
            detail = (
                f"{seen.partitions} to {topic.partitions} partitions: most keys go to another one"
            )
            yield PlanStep(
                Change("topic", name, "update", detail), AddPartitions(name, topic.partitions)
            )
        if values := {
            key: value
            for key, value in topic.config.items()
            if not _same(desired, key, value, seen)
        }:
            diff = tuple(
                line for key, value in values.items() for line in _config_diff(key, value, seen)
            )
            yield PlanStep(Change("topic", name, "update", "", diff), SetConfig(name, values))


def _replicas(desired: DesiredCluster, topic: TopicSpec) -> int:
    return topic.replicas or desired.replication


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _same(desired: DesiredCluster, key: str, value: str, seen: SeenTopic) -> bool:
    """Whether a parameter's value is in force already: lists in any order, numbers however written."""
    has = seen.config.get(key)
    if has is None:
        return False
    kind = topic_parameters(desired.version)[key].type
    if kind == "list":
        return set(has.split(",")) == set(value.split(","))
    if kind == "double":
        return float(has) == float(value)
    return has.lower() == value.lower() if kind == "boolean" else has == value


def _config_diff(key: str, value: str, seen: SeenTopic) -> Iterator[str]:
    if key in seen.config:
        yield f"-{key}: {seen.config[key]}" + ("" if key in seen.own else "  (the brokers')")
    yield f"+{key}: {value}"


def _rights(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for acls in _together(desired.acls - observed.acls):
        yield PlanStep(_acl_change(acls, "create"), AddAcls(acls))


def _together(acls: Iterable[AclBinding]) -> list[tuple[AclBinding, ...]]:
    """Entries that differ in their operation only, sorted."""
    found: dict[tuple[object, ...], list[AclBinding]] = defaultdict(list)
    for acl in sorted(acls):
        found[(acl.principal, acl.kind, acl.name, acl.prefix, acl.allow, acl.host)].append(acl)
    return [tuple(each) for each in found.values()]


def _acl_change(acls: tuple[AclBinding, ...], action: str) -> Change:
    first = acls[0]
    operations = ", ".join(acl.operation for acl in acls)
    where = f" from {first.host}" if first.host != ANYWHERE else ""
    detail = f"{'allow' if first.allow else 'deny'} {operations} on {_resource(first)}{where}"
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


def _quotas(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for user, quotas in desired.quotas.items():
        has = observed.quotas.get(user, {})
        values = {key: value for key, value in quotas.items() if has.get(key) != value}
        if values:
            old = (f"-{key}: {has[key]:.15g}" for key in values if key in has)
            diff = (*old, *(f"+{key}: {value:.15g}" for key, value in values.items()))
            yield PlanStep(
                Change("quota", user, "update" if has else "create", "", diff),
                SetQuota(user, values),
            )


def _removals(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    """What the inventory does not name: quotas, rights, parameters and topics, users. Nothing about super users."""
    mortal = {
        user
        for user in {*observed.users, *observed.quotas}
        if f"User:{user}" not in desired.super_users
    }
    for user in sorted(mortal & observed.quotas.keys()):
        if reset := tuple(
            sorted(observed.quotas[user].keys() - desired.quotas.get(user, {}).keys())
        ):
            whole = user not in desired.quotas
            change = Change("quota", user, "remove" if whole else "update", ", ".join(reset))
            yield PlanStep(change, SetQuota(user, {}, reset))
    extra = (
        acl for acl in observed.acls - desired.acls if acl.principal not in desired.super_users
    )
    for acls in _together(extra):
        yield PlanStep(_acl_change(acls, "remove"), DropAcls(acls))
    yield from _topic_removals(desired, observed)
    for user in sorted(mortal & observed.users.keys()):
        wanted = desired.mechanisms if user in desired.users else ()
        for mechanism in sorted(observed.users[user].keys() - set(wanted)):
            action = "update" if wanted else "remove"
            yield PlanStep(Change("user", user, action, mechanism), DropCredential(user, mechanism))


def _topic_removals(desired: DesiredCluster, observed: ObservedCluster) -> Iterator[PlanStep]:
    for name, topic in desired.topics.items():
        seen = observed.topics.get(name)
        if seen and (reset := tuple(sorted(seen.own - topic.config.keys()))):
            diff = tuple(f"-{key}: {seen.config.get(key, '')}" for key in reset)
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
        seen = observed.topics.get(name)
        copies = max(seen.replicas) if seen else _replicas(desired, topic)
        if seen and topic.partitions < seen.partitions:
            what = f"{name} has {seen.partitions} partitions and is to have {topic.partitions}"
            why = "Kafka takes none away, since records would go with it"
            fix = f"write {seen.partitions}, or make another topic and copy what counts"
            yield PlanRefusal("kafka-topic-shrink", ("topics", name, "partitions"), what, why, fix)
        if seen and topic.replicas and seen.replicas != {topic.replicas}:
            has = " and ".join(map(str, sorted(seen.replicas)))
            what = f"{name} has {has} replicas and is to have {topic.replicas}"
            why = "that moves data between brokers, which takes a plan and time of its own"
            fix = f"move them with kafka-reassign-partitions, or write {max(seen.replicas)}"
            yield PlanRefusal("kafka-topic-replicas", ("topics", name, "replicas"), what, why, fix)
        grows = seen is None or topic.partitions > seen.partitions
        if grows and copies > len(observed.brokers):
            yield _down(desired, observed, name, copies)


def _down(
    desired: DesiredCluster, observed: ObservedCluster, name: str, copies: int
) -> PlanRefusal:
    down = [
        f"{host} ({number})"
        for number, host in desired.brokers.items()
        if number not in observed.brokers
    ]
    what = f"{name} needs {_count(copies, 'broker')}, and {len(observed.brokers)} are alive"
    why = f"down: {', '.join(down)}" if down else "the cluster has no more"
    return PlanRefusal(
        "kafka-brokers-down", ("topics", name), what, why, "start them first", passing=True
    )
