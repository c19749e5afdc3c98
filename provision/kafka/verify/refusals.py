"""The questions that one connection answers: who is there, whom it lets in, what it refuses.

Each returns a word to compare with what is expected, and a text; where the other side refuses earlier, `Refused` tells.
No record is written and no group is touched: a broker judges the right before it looks whether the partition or the
member exists (KafkaApis.handleProduceRequest, handleFetchRequest, handleHeartbeatRequest), and these never do.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import Login
from provision.kafka.raw_client import (
    CONNECTION_TIMEOUT,
    Address,
    BrokerConnection,
    at,
    logged_in,
    name_of,
)
from provision.kafka.verify import zookeeper
from provision.kafka.verify.checks import LOGGED_IN, MADE_UP
from provision.kafka.verify.model import KafkaCheckResult

ANSWERED = "answered"
NOWHERE = 2**31 - 1
"""A partition that no topic has."""

BROKER = 4
"""A broker as a resource whose settings are asked for (ConfigResource.Type)."""

Seen = tuple[str, str]


@dataclass(frozen=True)
class VerifyEnvironment:
    """Where to ask: a login as the admin from where clients are, and a connection to a member of the ensemble."""

    cluster: KafkaCluster
    admin: Login
    member: Callable[[Address], socket.socket]

    def login(self, check: KafkaCheckResult) -> Login:
        """The check's user, by the inventory's password, at the check's address or else where clients bootstrap."""
        asked = at(self.admin, check.address) if check.address[0] else self.admin
        if not check.user:
            return asked
        return replace(
            asked, user=check.user, password=self.cluster.model.users[check.user].password
        )


def node(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """Which node answers here, and whether it advertises this address.

    A broker tells its own number to nobody but who asks for its settings by another one (ConfigHelper.describeConfigs).
    """
    from kafka.protocol.admin import DescribeConfigsRequest
    from kafka.protocol.metadata import MetadataRequest

    wanted = next(each.id for each in site.cluster.brokers if each.endpoint == check.address[0])
    with logged_in(site.login(check)) as connection:
        (answer,) = connection.ask(
            DescribeConfigsRequest(version=1, resources=[(BROKER, str(wanted), [])])
        ).results
        known = connection.ask(MetadataRequest(version=1, topics=[])).brokers
    other = re.search(r"expected (\d+)", answer.error_message or "") if answer.error_code else None
    if answer.error_code and not other:
        return name_of(answer.error_code), answer.error_message or ""
    found = int(other[1]) if other else wanted
    places = [(each.host, each.port) for each in known if each.node_id == found]
    if places != [check.address]:
        said = ", ".join(f"{host}:{port}" for host, port in places) or "nothing"
        return f"node {found} elsewhere", f"it advertises {said}"
    return f"node {found}", ""


def login(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """Whether the user is let in."""
    logged_in(replace(site.login(check), mechanism=check.names[0])).close()
    return LOGGED_IN, ""


def wrong_password(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """Whether somebody is let in who knows the user's name alone."""
    stranger = replace(site.login(check), mechanism=check.names[0], password=secrets.token_hex(16))
    logged_in(stranger).close()
    return LOGGED_IN, "with a password made up for this check"


def mechanism_off(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What a broker says to mechanisms that it is not to have, and which it says that it has."""
    wanted, error = tuple(sorted(site.cluster.model.mechanisms)), ""
    for mechanism in check.names:
        with BrokerConnection(site.login(check)) as connection:
            error, enabled = connection.handshake(mechanism)
        if error != check.accepts[0]:
            return error or ANSWERED, f"it takes {mechanism}"
        if enabled != wanted:
            return (
                "other mechanisms",
                f"it has {', '.join(enabled)}, the inventory {', '.join(wanted)}",
            )
    return error, ""


def no_login(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What a broker answers to somebody who has not logged in."""
    from kafka.protocol.metadata import MetadataRequest

    with BrokerConnection(site.login(check)) as connection:
        answer = connection.ask(MetadataRequest(version=1, topics=[]))
    return ANSWERED, f"it names its {len(answer.brokers)} brokers to anybody"


def no_tls(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What a broker answers in the clear."""
    from kafka.protocol.metadata import ApiVersionsRequest

    with BrokerConnection(replace(site.login(check), tls=None)) as connection:
        connection.ask(ApiVersionsRequest(version=0))
    return ANSWERED, "it speaks Kafka without TLS"


def write_denied(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What becomes of records for topics that the user has no right to write to."""
    from kafka.protocol.producer import ProduceRequest
    from kafka.record.memory_records import MemoryRecordsBuilder

    builder = MemoryRecordsBuilder(2, 0, 1024)
    builder.append(None, MADE_UP.encode(), b"")
    builder.close()
    topics = [(name, [(NOWHERE, bytes(builder.buffer()))]) for name in check.names]
    request = ProduceRequest(
        version=7, transactional_id=None, acks=-1, timeout_ms=1000, topic_data=topics
    )
    with logged_in(site.login(check)) as connection:
        answers = connection.ask(request).responses
    return _judged(
        check,
        {each.name: name_of(each.partition_responses[0].error_code) for each in answers},
        "write",
    )


def read_denied(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What becomes of a look into topics that the user has no right to read."""
    from kafka.protocol.consumer import FetchRequest

    part = FetchRequest.FetchTopic.FetchPartition(
        version=11, partition=NOWHERE, fetch_offset=0, log_start_offset=-1, partition_max_bytes=1
    )
    topics = [
        FetchRequest.FetchTopic(version=11, topic=name, partitions=[part]) for name in check.names
    ]
    asked = FetchRequest(version=11, max_wait_ms=0, min_bytes=0, max_bytes=1, topics=topics)
    with logged_in(site.login(check)) as connection:
        answers = connection.ask(asked).responses
    return _judged(
        check, {each.topic: name_of(each.partitions[0].error_code) for each in answers}, "read"
    )


def group_denied(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What becomes of a sign of life in groups that the user has no right to read with."""
    return _judged(check, heartbeat(site.login(check), check.names), "read with")


def heartbeat(login: Login, groups: Sequence[str]) -> dict[str, str]:
    """What a broker says to a sign of life of nobody in these groups: a word for each, empty if it took it."""
    from kafka.protocol.consumer import HeartbeatRequest

    with logged_in(login) as connection:
        beats = {
            name: HeartbeatRequest(version=3, group_id=name, generation_id=0, member_id=MADE_UP)
            for name in groups
        }
        return {name: name_of(connection.ask(beat).error_code) for name, beat in beats.items()}


def _judged(check: KafkaCheckResult, words: dict[str, str], what: str) -> Seen:
    """The refusal, or the first other answer: a broker that looks for the thing has allowed it."""
    others = {
        name: words.get(name) or ANSWERED
        for name in check.names
        if words.get(name) != check.accepts[0]
    }
    if others:
        return next(iter(others.values())), f"the user may {what} {', '.join(others)}"
    return check.accepts[0], ""


def zookeeper_write(site: VerifyEnvironment, check: KafkaCheckResult) -> Seen:
    """What becomes of a node that somebody without a login makes in ZooKeeper."""
    with site.member(check.address) as connection:
        seen, path = zookeeper.write(connection, CONNECTION_TIMEOUT)
    return seen, f"{path}, taken away again" if seen == zookeeper.CREATED else ""


PROBES: dict[str, Callable[[VerifyEnvironment, KafkaCheckResult], Seen]] = {
    "node": node,
    "mechanism-off": mechanism_off,
    "no-login": no_login,
    "no-tls": no_tls,
    "zookeeper-write": zookeeper_write,
    "login": login,
    "wrong-password": wrong_password,
    "write-denied": write_denied,
    "read-denied": read_denied,
    "group-denied": group_denied,
}
"""By the id of the check."""
