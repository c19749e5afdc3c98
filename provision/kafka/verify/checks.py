"""The checks that follow from an inventory and from the cluster's topics and groups. Pure.

They use only users, topics and groups of the inventory, and a name that nothing else has.
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
from provision.kafka.resources.authorizer import Kind, allowed_patterns, is_allowed
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.zookeeper import NEEDS_LOGIN

LOGGED_IN, ACKNOWLEDGED, READ = "logged in", "acknowledged", "read"
TOPIC_DENIED, GROUP_DENIED = "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"
PROBE_NAME = "hactl-verify"
"""A topic and a group that do not exist; also the end of a group's name where an ACL has a prefix.
"""

OPEN_HINT = (
    "an ACL, `allow.everyone.if.no.acl.found` or a missing authorizer allows it: "
    "see `hactl kafka plan`"
)


@dataclass(frozen=True)
class VerifyFacts:
    """The cluster's topics, and the groups that have members (`busy`); None if unknown."""

    topics: frozenset[str] | None = None
    busy: frozenset[str] | None = None


def checks(
    cluster: KafkaCluster, bootstrap: Sequence[Address], facts: VerifyFacts
) -> tuple[KafkaCheckResult, ...]:
    """Return all checks in their order; `bootstrap` are the clients' bootstrap addresses."""
    planned = [*_cluster_checks(cluster)]
    for user in cluster.model.users:
        planned += _login_checks(cluster, user, bootstrap)
        if user not in cluster.model.all_super_users:  # ACLs do not apply to super users
            planned += _permitted_checks(cluster, user, facts)
            planned += _denied_checks(cluster, user)
    return tuple(planned)


def address_text(address: Address) -> str:
    """Return `HOST:PORT`, with an IPv6 address in brackets."""
    host, port = address
    return endpoint.join(host, port)


def _cluster_checks(cluster: KafkaCluster) -> Iterator[KafkaCheckResult]:
    """Yield the checks of every broker's identity and listener, and of every ZooKeeper member."""
    for node in cluster.brokers:
        address = (node.endpoint, cluster.model.port)
        hint = (
            "does every broker advertise its own address, with a certificate for it, "
            "and run with its `kafka_id`?"
        )
        yield KafkaCheckResult(
            "node", "", address_text(address), (f"node {node.id}",), hint, address=address
        )
        yield from _listener_checks(cluster, address)
    hint = "`sessionRequireClientSASLAuth=true` (3.6 and later) is not in force on this member"
    for member in cluster.members:
        address = (member.endpoint, cluster.model.zookeeper.port if cluster.model.zookeeper else 0)
        yield KafkaCheckResult(
            "zookeeper-write",
            "",
            address_text(address),
            (NEEDS_LOGIN, CLOSED),
            hint,
            address=address,
        )


def _listener_checks(cluster: KafkaCluster, address: Address) -> Iterator[KafkaCheckResult]:
    """Yield the checks of what a listener must refuse.

    These are disabled mechanisms, requests without a login, and connections without TLS.
    """
    off = tuple(mechanism for mechanism in MECHANISMS if mechanism not in cluster.model.mechanisms)
    skipped = "" if off else "the inventory enables all mechanisms"
    hint = "`sasl.enabled.mechanisms` of the listener is not the inventory's: deploy"
    yield KafkaCheckResult(
        "mechanism-off",
        "",
        address_text(address),
        (UNSUPPORTED_SASL_MECHANISM,),
        hint,
        off,
        address,
        skipped,
    )
    hint = "`listener.security.protocol.map` is not the inventory's: deploy"
    yield KafkaCheckResult("no-login", "", address_text(address), (CLOSED,), hint, address=address)
    if cluster.certificates is not None:
        yield KafkaCheckResult(
            "no-tls", "", address_text(address), (ALERT, CLOSED), hint, address=address
        )


def _login_checks(
    cluster: KafkaCluster, user: str, bootstrap: Sequence[Address]
) -> Iterator[KafkaCheckResult]:
    """Yield the user's logins at all addresses, and a login with a wrong password."""
    addresses = [*bootstrap, *((node.endpoint, cluster.model.port) for node in cluster.brokers)]
    hint = (
        "is the password the inventory's (`hactl kafka plan`), "
        "and does the certificate name the address?"
    )
    for mechanism in cluster.model.mechanisms:
        for address in addresses:
            about = f"{address_text(address)} {mechanism}"
            yield KafkaCheckResult("login", user, about, (LOGGED_IN,), hint, (mechanism,), address)
        for address in bootstrap[:1]:
            yield KafkaCheckResult(
                "wrong-password",
                user,
                f"{address_text(address)} {mechanism}",
                (SASL_AUTHENTICATION_FAILED,),
                "the broker accepts a login with a wrong password",
                (mechanism,),
                address,
            )


def _permitted_checks(
    cluster: KafkaCluster, user: str, facts: VerifyFacts
) -> Iterator[KafkaCheckResult]:
    """Yield the checks of operations that the user's ACLs allow."""
    acls = cluster.model.users[user].acls
    hint = (
        "is the ACL there (`hactl kafka plan`), "
        "and are enough replicas in sync (`hactl kafka replicas`)?"
    )
    for topic in _usable_topics(cluster, acls, "Write"):
        missing = _missing_reason(topic, cluster, facts)
        yield KafkaCheckResult(
            "produce", user, topic, (ACKNOWLEDGED,), hint, (topic,), skipped=missing
        )
    readable = _usable_topics(cluster, acls, "Read")
    existing = tuple(topic for topic in readable if not _missing_reason(topic, cluster, facts))
    hint = "are the ACLs on the topics and on the group there (`hactl kafka plan`)?"
    missing = "" if existing else f"there is no topic {', '.join(readable)}"
    for group in _usable_groups(acls) if readable else ():
        names = ", ".join(existing or readable)
        about = f"{names} in group {group}" if group else names
        yield KafkaCheckResult(
            "consume", user, about, (READ,), hint, (group, *existing), skipped=missing
        )


def _usable_topics(cluster: KafkaCluster, acls: Sequence[Acl], operation: str) -> tuple[str, ...]:
    """Return the topics of the inventory, and of the user's ACLs, that the user may so use."""
    exact = [
        pattern
        for pattern in allowed_patterns(acls, "topics", operation)
        if not pattern.endswith("*")
    ]
    known = dict.fromkeys([*cluster.model.topics, *exact])
    return tuple(
        name
        for name in known
        if is_allowed(acls, "topics", operation, name) and not name.startswith("__")
    )


def _missing_reason(topic: str, cluster: KafkaCluster, facts: VerifyFacts) -> str:
    """Return why a topic is skipped: only an ACL names it, and it does not exist."""
    absent = (
        facts.topics is not None and topic not in facts.topics and topic not in cluster.model.topics
    )
    return f"there is no topic {topic}" if absent else ""


def _usable_groups(acls: Sequence[Acl]) -> tuple[str, ...]:
    """Return a group for every name in the ACLs; an empty name if there is none.

    For a prefix it is a group of hactl's.
    """
    patterns = allowed_patterns(acls, "groups", "Read")
    names = (
        f"{pattern[:-1]}{PROBE_NAME}" if pattern.endswith("*") else pattern for pattern in patterns
    )
    return tuple(name for name in names if is_allowed(acls, "groups", "Read", name)) or ("",)


def _denied_checks(cluster: KafkaCluster, user: str) -> Iterator[KafkaCheckResult]:
    """Yield the checks of operations that the user's ACLs do not allow."""
    acls, users = cluster.model.users[user].acls, cluster.model.users.values()
    topics = (*cluster.model.topics, PROBE_NAME)
    others = [
        name
        for other in users
        for name in allowed_patterns(other.acls, "groups", "Read")
        if not name.endswith("*")
    ]
    specifications: tuple[tuple[str, Kind, str, str, Iterable[str]], ...] = (
        ("write-denied", "topics", "Write", TOPIC_DENIED, topics),
        ("read-denied", "topics", "Read", TOPIC_DENIED, topics),
        ("group-denied", "groups", "Read", GROUP_DENIED, dict.fromkeys([*others, PROBE_NAME])),
    )
    for id_, kind, operation, refusal, all_names in specifications:
        names = tuple(
            name for name in all_names if is_allowed(acls, kind, operation, name) is False
        )
        skipped = (
            ""
            if names
            else f"its ACLs allow it to {operation.lower()} all {kind}, at least from an address"
        )
        yield KafkaCheckResult(
            id_, user, ", ".join(names), (refusal,), OPEN_HINT, names, skipped=skipped
        )
