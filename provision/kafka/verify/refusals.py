"""The checks over one connection: the broker's identity, logins and refusals.

Each check returns a word to compare with the expected ones, and a text; an earlier refusal raises
`Refused`. No check writes a record or changes a group. A broker checks the ACLs before it looks for
the partition or the member (KafkaApis.handleProduceRequest, handleFetchRequest,
handleHeartbeatRequest), and these do not exist.
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
    error_name,
    logged_in,
    with_address,
)
from provision.kafka.verify import zookeeper
from provision.kafka.verify.checks import LOGGED_IN, PROBE_NAME
from provision.kafka.verify.model import KafkaCheckResult

ANSWERED = "answered"
MISSING_PARTITION = 2**31 - 1
"""A partition that no topic has."""

BROKER = 4
"""The resource type of a broker in a request for its settings (ConfigResource.Type)."""

Answer = tuple[str, str]
"""A word to compare with the expected ones, and a text."""


@dataclass(frozen=True)
class VerifyEnvironment:
    """The admin's login from the clients' side; `member` connects to a ZooKeeper member."""

    cluster: KafkaCluster
    admin: Login
    member: Callable[[Address], socket.socket]

    def login(self, check: KafkaCheckResult) -> Login:
        """Return the login of the check's user at its address, else at the bootstrap addresses."""
        login_at_address = (
            with_address(self.admin, check.address) if check.address[0] else self.admin
        )
        if not check.user:
            return login_at_address
        return replace(
            login_at_address,
            user=check.user,
            password=self.cluster.model.users[check.user].password,
        )


def node(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Check which node answers at this address, and whether the node advertises the address.

    A broker names its own id only in its refusal of a request for another broker's settings
    (ConfigHelper.describeConfigs).
    """
    from kafka.protocol.admin import DescribeConfigsRequest
    from kafka.protocol.metadata import MetadataRequest

    expected = next(
        broker.id for broker in environment.cluster.brokers if broker.endpoint == check.address[0]
    )
    with logged_in(environment.login(check)) as connection:
        (answer,) = connection.ask(
            DescribeConfigsRequest(version=1, resources=[(BROKER, str(expected), [])])
        ).results
        brokers = connection.ask(MetadataRequest(version=1, topics=[])).brokers
    other = re.search(r"expected (\d+)", answer.error_message or "") if answer.error_code else None
    if answer.error_code and not other:
        return error_name(answer.error_code), answer.error_message or ""
    node_id = int(other[1]) if other else expected
    addresses = [(broker.host, broker.port) for broker in brokers if broker.node_id == node_id]
    if addresses != [check.address]:
        advertised = ", ".join(f"{host}:{port}" for host, port in addresses) or "nothing"
        return f"node {node_id} elsewhere", f"it advertises {advertised}"
    return f"node {node_id}", ""


def login(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Log in as the user."""
    logged_in(replace(environment.login(check), mechanism=check.names[0])).close()
    return LOGGED_IN, ""


def wrong_password(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Log in as the user with a wrong password."""
    stranger = replace(
        environment.login(check), mechanism=check.names[0], password=secrets.token_hex(16)
    )
    logged_in(stranger).close()
    return LOGGED_IN, "with a password made up for this check"


def mechanism_off(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Ask for mechanisms that must be disabled, and compare the enabled ones."""
    expected, error = tuple(sorted(environment.cluster.model.mechanisms)), ""
    for mechanism in check.names:
        with BrokerConnection(environment.login(check)) as connection:
            error, enabled = connection.handshake(mechanism)
        if error != check.accepts[0]:
            return error or ANSWERED, f"it accepts {mechanism}"
        if enabled != expected:
            return (
                "other mechanisms",
                f"it has {', '.join(enabled)}, the inventory {', '.join(expected)}",
            )
    return error, ""


def no_login(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Ask for metadata without a login."""
    from kafka.protocol.metadata import MetadataRequest

    with BrokerConnection(environment.login(check)) as connection:
        answer = connection.ask(MetadataRequest(version=1, topics=[]))
    return ANSWERED, f"it names its {len(answer.brokers)} brokers without a login"


def no_tls(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Ask for the API versions without TLS."""
    from kafka.protocol.metadata import ApiVersionsRequest

    with BrokerConnection(replace(environment.login(check), tls=None)) as connection:
        connection.ask(ApiVersionsRequest(version=0))
    return ANSWERED, "it speaks Kafka without TLS"


def write_denied(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Send records to topics that the user may not write to."""
    from kafka.protocol.producer import ProduceRequest
    from kafka.record.memory_records import MemoryRecordsBuilder

    builder = MemoryRecordsBuilder(2, 0, 1024)
    builder.append(None, PROBE_NAME.encode(), b"")
    builder.close()
    topics = [(name, [(MISSING_PARTITION, bytes(builder.buffer()))]) for name in check.names]
    request = ProduceRequest(
        version=7, transactional_id=None, acks=-1, timeout_ms=1000, topic_data=topics
    )
    with logged_in(environment.login(check)) as connection:
        answers = connection.ask(request).responses
    return _authorization_answer(
        check,
        {topic.name: error_name(topic.partition_responses[0].error_code) for topic in answers},
        "write",
    )


def read_denied(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Fetch from topics that the user may not read."""
    from kafka.protocol.consumer import FetchRequest

    part = FetchRequest.FetchTopic.FetchPartition(
        version=11,
        partition=MISSING_PARTITION,
        fetch_offset=0,
        log_start_offset=-1,
        partition_max_bytes=1,
    )
    topics = [
        FetchRequest.FetchTopic(version=11, topic=name, partitions=[part]) for name in check.names
    ]
    request = FetchRequest(version=11, max_wait_ms=0, min_bytes=0, max_bytes=1, topics=topics)
    with logged_in(environment.login(check)) as connection:
        answers = connection.ask(request).responses
    return _authorization_answer(
        check,
        {topic.topic: error_name(topic.partitions[0].error_code) for topic in answers},
        "read",
    )


def group_denied(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Send heartbeats to groups that the user may not read with."""
    return _authorization_answer(
        check, heartbeat(environment.login(check), check.names), "read with"
    )


def heartbeat(login: Login, groups: Sequence[str]) -> dict[str, str]:
    """Send a heartbeat of an unknown member; return the error's name by group, "" for none."""
    from kafka.protocol.consumer import HeartbeatRequest

    with logged_in(login) as connection:
        requests = {
            name: HeartbeatRequest(version=3, group_id=name, generation_id=0, member_id=PROBE_NAME)
            for name in groups
        }
        return {
            name: error_name(connection.ask(request).error_code)
            for name, request in requests.items()
        }


def _authorization_answer(check: KafkaCheckResult, errors: dict[str, str], action: str) -> Answer:
    """Return the refusal, or the first other answer: any other answer means "authorized"."""
    others = {
        name: errors.get(name) or ANSWERED
        for name in check.names
        if errors.get(name) != check.accepts[0]
    }
    if others:
        return next(iter(others.values())), f"the user may {action} {', '.join(others)}"
    return check.accepts[0], ""


def zookeeper_write(environment: VerifyEnvironment, check: KafkaCheckResult) -> Answer:
    """Create a node in ZooKeeper without a login."""
    with environment.member(check.address) as connection:
        answer, path = zookeeper.write(connection, CONNECTION_TIMEOUT)
    return answer, f"{path}, deleted again" if answer == zookeeper.CREATED else ""


PROBES: dict[str, Callable[[VerifyEnvironment, KafkaCheckResult], Answer]] = {
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
"""The probes by the id of their check."""
