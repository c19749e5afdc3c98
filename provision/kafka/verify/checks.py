"""Which checks follow from an inventory and from what there is in the cluster. Pure.

Of users, topics and groups only those that the inventory names, and names that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from provision.formats import endpoint
from provision.inventory.kafka import KafkaCluster
from provision.inventory.model.kafka_user import Acl
from provision.kafka.client_file import MECHANISMS
from provision.kafka.raw_client import (
    ALERT,
    CLOSED,
    SASL_AUTHENTICATION_FAILED,
    UNSUPPORTED_SASL_MECHANISM,
    Address,
)
from provision.kafka.resources.authorizer import Kind, is_allowed, named
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.zookeeper import NEEDS_LOGIN

LOGGED_IN, ACKNOWLEDGED, READ = "logged in", "acknowledged", "read"
TOPIC_DENIED, GROUP_DENIED = "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"
MADE_UP = "hactl-verify"
"""A topic and a group that nobody has; a name of its own in a group whose name may begin as the user likes."""

OPEN = "an ACL, `allow.everyone.if.no.acl.found` or no authorizer at all lets it: see `hactl kafka plan`"


@dataclass(frozen=True)
class VerifyFacts:
    """What there is: the topics, and the groups that have members; None where that is not known."""

    topics: frozenset[str] | None = None
    busy: frozenset[str] | None = None


def checks(
    cluster: KafkaCluster, ways: Sequence[Address], facts: VerifyFacts
) -> tuple[KafkaCheckResult, ...]:
    """All checks, in the order in which they are shown; `ways` are where clients bootstrap."""
    found = [*_cluster_checks(cluster)]
    for user in cluster.model.users:
        found += _login_checks(cluster, user, ways)
        if user not in cluster.model.all_super_users:  # a super user, whom no ACL binds
            found += _allowed(cluster, user, facts)
            found += _denied(cluster, user)
    return tuple(found)


def written(address: Address) -> str:
    """`HOST:PORT`, an IPv6 address in brackets."""
    host, port = address
    return endpoint.join(host, port)


def _cluster_checks(cluster: KafkaCluster) -> Iterator[KafkaCheckResult]:
    """Each broker: who it is, and that its listener takes nobody unknown; each member of the ensemble."""
    for node in cluster.brokers:
        address = (node.endpoint, cluster.model.port)
        hint = "does each broker advertise itself alone, with a certificate that names it, and run with its `kafka_id`?"
        yield KafkaCheckResult(
            "node", "", written(address), (f"node {node.id}",), hint, address=address
        )
        yield from _listener_checks(cluster, address)
    hint = "`sessionRequireClientSASLAuth=true` (3.6 and later) is not in force on this member"
    for member in cluster.members:
        address = (member.endpoint, cluster.model.zookeeper.port if cluster.model.zookeeper else 0)
        yield KafkaCheckResult(
            "zookeeper-write", "", written(address), (NEEDS_LOGIN, CLOSED), hint, address=address
        )


def _listener_checks(cluster: KafkaCluster, address: Address) -> Iterator[KafkaCheckResult]:
    """What a listener must refuse: mechanisms that are not enabled, requests without a login, and without TLS."""
    off = tuple(each for each in MECHANISMS if each not in cluster.model.mechanisms)
    skipped = "" if off else "the inventory enables all that there are"
    hint = "`sasl.enabled.mechanisms` of the listener is not the inventory's: deploy"
    yield KafkaCheckResult(
        "mechanism-off",
        "",
        written(address),
        (UNSUPPORTED_SASL_MECHANISM,),
        hint,
        off,
        address,
        skipped,
    )
    hint = "`listener.security.protocol.map` is not the inventory's: deploy"
    yield KafkaCheckResult("no-login", "", written(address), (CLOSED,), hint, address=address)
    if cluster.certificates is not None:
        yield KafkaCheckResult(
            "no-tls", "", written(address), (ALERT, CLOSED), hint, address=address
        )


def _login_checks(
    cluster: KafkaCluster, user: str, ways: Sequence[Address]
) -> Iterator[KafkaCheckResult]:
    """The user logs in wherever clients come to, and nobody without its password does."""
    places = [*ways, *((node.endpoint, cluster.model.port) for node in cluster.brokers)]
    hint = "is the password the inventory's (`hactl kafka plan`), and does the certificate name the address?"
    for mechanism in cluster.model.mechanisms:
        for place in places:
            about = f"{written(place)} {mechanism}"
            yield KafkaCheckResult("login", user, about, (LOGGED_IN,), hint, (mechanism,), place)
        for place in ways[:1]:
            about, wrong = (
                f"{written(place)} {mechanism}",
                "somebody who does not know the password is let in",
            )
            yield KafkaCheckResult(
                "wrong-password",
                user,
                about,
                (SASL_AUTHENTICATION_FAILED,),
                wrong,
                (mechanism,),
                place,
            )


def _allowed(cluster: KafkaCluster, user: str, facts: VerifyFacts) -> Iterator[KafkaCheckResult]:
    """What its ACLs let the user do, done."""
    acls = cluster.model.users[user].acls
    for topic in _topics(cluster, acls, "Write"):
        hint = "is the ACL there (`hactl kafka plan`), and are enough replicas in sync (`hactl kafka replicas`)?"
        missing = _missing(topic, cluster, facts)
        yield KafkaCheckResult(
            "produce", user, topic, (ACKNOWLEDGED,), hint, (topic,), skipped=missing
        )
    readable = _topics(cluster, acls, "Read")
    there = tuple(topic for topic in readable if not _missing(topic, cluster, facts))
    hint = "are the ACLs on the topics and on the group there (`hactl kafka plan`)?"
    for group in _groups(acls) if readable else ():
        about = (
            f"{', '.join(there or readable)} in group {group}"
            if group
            else ", ".join(there or readable)
        )
        missing = "" if there else f"there is no topic {', '.join(readable)}"
        yield KafkaCheckResult(
            "consume", user, about, (READ,), hint, (group, *there), skipped=missing
        )


def _topics(cluster: KafkaCluster, acls: Sequence[Acl], operation: str) -> tuple[str, ...]:
    """The inventory's topics that the user may so use, and those that its ACLs name."""
    exact = [pattern for pattern in named(acls, "topics", operation) if not pattern.endswith("*")]
    known = dict.fromkeys([*cluster.model.topics, *exact])
    return tuple(
        name
        for name in known
        if is_allowed(acls, "topics", operation, name) and not name.startswith("__")
    )


def _missing(topic: str, cluster: KafkaCluster, facts: VerifyFacts) -> str:
    """Why a topic that only an ACL names is left out; the inventory's own must be there."""
    absent = (
        facts.topics is not None and topic not in facts.topics and topic not in cluster.model.topics
    )
    return f"there is no topic {topic}" if absent else ""


def _groups(acls: Sequence[Acl]) -> tuple[str, ...]:
    """A group for each name in the ACLs, of our own where a name may begin so; without any an empty name."""
    patterns = named(acls, "groups", "Read")
    names = (f"{each[:-1]}{MADE_UP}" if each.endswith("*") else each for each in patterns)
    return tuple(name for name in names if is_allowed(acls, "groups", "Read", name)) or ("",)


def _denied(cluster: KafkaCluster, user: str) -> Iterator[KafkaCheckResult]:
    """What its ACLs do not let the user do, tried."""
    acls, users = cluster.model.users[user].acls, cluster.model.users.values()
    topics = (*cluster.model.topics, MADE_UP)
    others = [
        name
        for other in users
        for name in named(other.acls, "groups", "Read")
        if not name.endswith("*")
    ]
    asked: tuple[tuple[str, Kind, str, str, Iterable[str]], ...] = (
        ("write-denied", "topics", "Write", TOPIC_DENIED, topics),
        ("read-denied", "topics", "Read", TOPIC_DENIED, topics),
        ("group-denied", "groups", "Read", GROUP_DENIED, dict.fromkeys([*others, MADE_UP])),
    )
    for id_, kind, operation, refusal, all_names in asked:
        names = tuple(
            name for name in all_names if is_allowed(acls, kind, operation, name) is False
        )
        skipped = (
            ""
            if names
            else f"its ACLs let it {operation.lower()} all {kind}, at least from some address"
        )
        yield KafkaCheckResult(
            id_, user, ", ".join(names), (refusal,), OPEN, names, skipped=skipped
        )
