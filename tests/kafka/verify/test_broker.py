"""`hactl kafka verify` against real brokers: a good cluster, and for every check a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from provision.core.errors import Exit
from provision.kafka.admin import connected, settings
from provision.kafka.raw_client import Refused
from provision.kafka.resources.model import AclBinding
from provision.kafka.resources.plan import AddAcls, DropAcls, DropTopic, SetCredential
from provision.kafka.verify.checks import PROBE_NAME
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.refusals import no_login, no_tls
from tests.kafka.cluster import free_ports
from tests.kafka.verify.site import RunningBroker, changed, failed, prepared, results_of, serving

pytestmark = pytest.mark.kafka

VERSION = "3.9.1"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the certificates in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def extra() -> tuple[int, int]:
    """Return the ports of two extra listeners: one without TLS, one without a login."""
    clear, bare = free_ports(2)
    return clear, bare


@pytest.fixture(scope="module")
def broker(
    state: Path, extra: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    """Yield a broker with its inventory, and with two extra listeners."""
    assert state
    clear, bare = extra
    listeners = f"CLEAR://127.0.0.1:{clear},BARE://127.0.0.1:{bare}"
    more = {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLEAR:PLAINTEXT,BARE:SSL",
    }
    prepared_broker = prepared(
        tmp_path_factory.mktemp("broker"), VERSION, more, mechanisms=["SCRAM-SHA-512", "PLAIN"]
    )
    with serving(prepared_broker) as running:
        yield running


def records(broker: RunningBroker, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """Return the keys and values of all records of a topic."""
    import kafka

    with kafka.KafkaConsumer(
        **settings(broker.admin), auto_offset_reset="earliest", consumer_timeout_ms=3000
    ) as consumer:
        parts = [
            kafka.TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(parts)
        return [(record.key, record.value) for record in consumer]


@contextmanager
def with_acls(broker: RunningBroker, *acls: AclBinding, present: bool = True) -> Iterator[None]:
    """Add these ACLs during the block; without `present`, delete them instead."""
    add, drop = AddAcls(acls), DropAcls(acls)
    broker.do(add if present else drop)
    try:
        yield
    finally:
        broker.do(drop if present else add)


def test_all_checks_pass_and_every_topic_has_one_more_record(broker: RunningBroker) -> None:
    before = {topic: len(records(broker, topic)) for topic in ("orders", "audit-log", "payments")}
    verification = broker.verify()
    assert failed(verification) == []
    assert verification.exit == Exit.OK
    assert {result.check.id for result in verification.results} == {
        "node",
        "mechanism-off",
        "no-login",
        "no-tls",
        "login",
        "wrong-password",
        "produce",
        "consume",
        "write-denied",
        "read-denied",
        "group-denied",
    }
    assert not any(result.check.skipped for result in verification.results)
    for topic, more in (("orders", 1), ("audit-log", 1), ("payments", 0)):
        now = records(broker, topic)
        assert len(now) == before[topic] + more
        assert all(key == PROBE_NAME.encode() and value for key, value in now[before[topic] :])


def test_afterwards_no_group_has_an_offset_or_a_member(broker: RunningBroker) -> None:
    broker.verify()
    with connected(broker.admin) as admin:
        states = {group["group_id"]: group["group_state"] for group in admin.list_groups()}
        assert set(states.values()) <= {"Empty", "Dead"}
        assert set(states) == {"billing", f"audit-{PROBE_NAME}"}
        assert admin.list_group_offsets({"billing": None})["billing"] == {}


def test_a_group_with_a_member_keeps_its_partitions(broker: RunningBroker) -> None:
    import kafka

    orders = replace(broker.admin, user="orders", password="0rd;e'rs=")  # noqa: S106
    with kafka.KafkaConsumer(
        **settings(orders), group_id="billing", enable_auto_commit=False
    ) as consumer:
        consumer.subscribe(["orders"])
        while len(consumer.assignment()) < 2:
            consumer.poll(timeout_ms=300)
        before = consumer.group_metadata().generation_id
        verification = broker.verify()
        consumer.poll(timeout_ms=300)
        assert (consumer.group_metadata().generation_id, len(consumer.assignment())) == (before, 2)
    assert failed(verification) == []
    (read,) = results_of(verification, "consume", "orders")
    assert read.text == "the group was not joined: it has members"


@pytest.mark.parametrize(
    ("acl", "id_", "text"),
    [
        (
            AclBinding("User:orders", "topic", "payments", False, "Write"),
            "write-denied",
            "the user may write payments",
        ),
        (
            AclBinding("User:orders", "topic", "pay", True, "Read"),
            "read-denied",
            "the user may read payments",
        ),
        (
            AclBinding("User:audit", "group", "billing", False, "Read"),
            "group-denied",
            "the user may read with billing",
        ),
        (
            AclBinding("User:*", "topic", "*", False, "Write"),
            "write-denied",
            "the user may write audit-log, payments, hactl-verify",
        ),
    ],
)
def test_an_extra_acl_is_a_failure(
    acl: AclBinding, id_: str, text: str, broker: RunningBroker
) -> None:
    before = len(records(broker, "payments"))
    with with_acls(broker, acl):
        verification = broker.verify()
    assert id_ in {check_id for check_id, _, _ in failed(verification)}
    assert text in {result.text for result in verification.results if not result.ok}
    assert verification.exit == Exit.FAILED
    assert len(records(broker, "payments")) == before, "a check of a denial writes no record"


@pytest.mark.parametrize(
    ("acl", "expected"),
    [
        (
            AclBinding("User:orders", "topic", "orders", False, "Write"),
            ("produce", "orders", "TOPIC_AUTHORIZATION_FAILED"),
        ),
        (
            AclBinding("User:audit", "topic", "audit-log", False, "Read"),
            ("consume", "audit", "TOPIC_AUTHORIZATION_FAILED"),
        ),
        (
            AclBinding("User:orders", "group", "billing", False, "Read"),
            ("consume", "orders", "GROUP_AUTHORIZATION_FAILED"),
        ),
    ],
)
def test_a_missing_acl_is_a_failure(
    acl: AclBinding, expected: tuple[str, str, str], broker: RunningBroker
) -> None:
    with with_acls(broker, acl, present=False):
        assert failed(broker.verify()) == [expected]


def test_a_missing_topic_of_the_inventory_is_a_failure(broker: RunningBroker) -> None:
    broker.do(DropTopic("orders"))
    try:
        assert {(id_, user) for id_, user, _ in failed(broker.verify())} == {
            ("produce", "orders"),
            ("consume", "orders"),
        }
    finally:
        broker.apply()


def test_another_password_is_a_failure(broker: RunningBroker) -> None:
    broker.do(SetCredential("audit", "SCRAM-SHA-512", 4096), passwords={"audit": "an0ther"})
    try:
        verification = broker.verify()
    finally:
        broker.do(SetCredential("audit", "SCRAM-SHA-512", 4096), passwords={"audit": "4udit"})
    refused = {
        (result.check.names, result.answer)
        for result in results_of(verification, "login", "audit")
        if not result.ok
    }
    assert refused == {(("SCRAM-SHA-512",), "SASL_AUTHENTICATION_FAILED")}
    assert ("consume", "audit", "SASL_AUTHENTICATION_FAILED") in failed(verification)
    assert all(result.ok for result in results_of(verification, "login", "orders"))


def test_a_login_with_a_guessed_password_is_a_failure(
    broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "provision.kafka.verify.refusals.secrets.token_hex", lambda _count=0: "4udit"
    )
    (wrong, _) = results_of(broker.verify(), "wrong-password", "audit")
    assert (wrong.ok, wrong.answer) == (False, "logged in")


def test_a_mechanism_that_the_inventory_does_not_enable_is_a_failure(broker: RunningBroker) -> None:
    verification = broker.verify(changed(broker.cluster, mechanisms=("SCRAM-SHA-512",)))
    (result,) = results_of(verification, "mechanism-off")
    assert (result.ok, result.answer, result.text) == (False, "answered", "it accepts PLAIN")


def test_another_node_than_expected_is_a_failure(broker: RunningBroker) -> None:
    other = replace(
        broker.cluster, nodes=tuple(replace(node, id=8) for node in broker.cluster.nodes)
    )
    (result,) = results_of(broker.verify(other), "node")
    assert (result.ok, result.answer) == (False, "node 7")


def test_a_certificate_for_another_address_is_a_failure(broker: RunningBroker) -> None:
    other = replace(
        broker.cluster,
        nodes=tuple(replace(node, endpoint="localhost") for node in broker.cluster.nodes),
    )
    verification = broker.verify(other)
    (result,) = results_of(verification, "node")
    assert (result.ok, result.answer) == (False, "certificate refused")
    assert "localhost" in result.text


def test_a_listener_without_tls_is_a_failure(broker: RunningBroker, extra: tuple[int, int]) -> None:
    check = KafkaCheckResult(
        "no-tls", "", "", ("connection closed",), "", address=("127.0.0.1", extra[0])
    )
    assert no_tls(broker.environment(), check) == ("answered", "it speaks Kafka without TLS")
    with pytest.raises(Refused, match="TLS alert"):
        no_tls(broker.environment(), replace(check, address=broker.address))


def test_a_listener_without_a_login_is_a_failure(
    broker: RunningBroker, extra: tuple[int, int]
) -> None:
    check = KafkaCheckResult(
        "no-login", "", "", ("connection closed",), "", address=("127.0.0.1", extra[1])
    )
    answer = no_login(broker.environment(), check)
    assert answer == ("answered", "it names its 1 brokers without a login")
    with pytest.raises(Refused, match="connection closed"):
        no_login(broker.environment(), replace(check, address=broker.address))


def test_a_port_without_a_broker_is_exit_code_4(broker: RunningBroker) -> None:
    (port,) = free_ports(1)
    nowhere = changed(broker.cluster, port=port)
    away = RunningBroker(
        broker.broker, broker.project, replace(broker.admin, bootstrap=(("127.0.0.1", port),))
    )
    verification = away.verify(nowhere)
    assert verification.exit == Exit.UNREACHABLE
    assert {result.answer for result in verification.results if not result.check.skipped} == {
        "unreachable"
    }
