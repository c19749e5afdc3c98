"""`hactl kafka verify` against real brokers: all is well, and, for each check, a cluster that is not as it must be."""

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
from provision.kafka.verify import refusals
from provision.kafka.verify.checks import MADE_UP
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.refusals import no_login, no_tls
from tests.kafka.cluster import free_ports
from tests.kafka.verify.site import Asked, changed, failed, of, prepared, serving

pytestmark = pytest.mark.kafka

VERSION = "3.9.1"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Certificates go with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def extra() -> tuple[int, int]:
    """Ports of two listeners that nobody asked for: one in the clear, one without a login."""
    clear, bare = free_ports(2)
    return clear, bare


@pytest.fixture(scope="module")
def one(
    state: Path, extra: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """A broker as the inventory wants it, with two listeners besides."""
    assert state
    clear, bare = extra
    listeners = f"CLEAR://127.0.0.1:{clear},BARE://127.0.0.1:{bare}"
    more = {
        "listeners": listeners, "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLEAR:PLAINTEXT,BARE:SSL",
    }  # fmt: skip
    made = prepared(
        tmp_path_factory.mktemp("broker"), VERSION, more, mechanisms=["SCRAM-SHA-512", "PLAIN"]
    )
    with serving(made) as found:
        yield found


def records(one: Asked, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of all records of a topic."""
    import kafka

    with kafka.KafkaConsumer(
        **settings(one.admin), auto_offset_reset="earliest", consumer_timeout_ms=3000
    ) as consumer:
        parts = [
            kafka.TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(parts)
        return [(each.key, each.value) for each in consumer]


@contextmanager
def with_acls(one: Asked, *acls: AclBinding, there: bool = True) -> Iterator[None]:
    """For as long as the block the cluster has these entries, or has them not."""
    add, drop = AddAcls(acls), DropAcls(acls)
    one.do(add if there else drop)
    try:
        yield
    finally:
        one.do(drop if there else add)


def test_all_is_as_it_must_be_and_one_record_is_in_each_topic(one: Asked) -> None:
    before = {topic: len(records(one, topic)) for topic in ("orders", "audit-log", "payments")}
    found = one.verify()
    assert failed(found) == []
    assert found.exit == Exit.OK
    assert {each.check.id for each in found.results} == {
        "node", "mechanism-off", "no-login", "no-tls", "login", "wrong-password", "produce", "consume",
        "write-denied", "read-denied", "group-denied",
    }  # fmt: skip
    assert not any(each.check.skipped for each in found.results)
    for topic, more in (("orders", 1), ("audit-log", 1), ("payments", 0)):
        now = records(one, topic)
        assert len(now) == before[topic] + more
        assert all(key == MADE_UP.encode() and value for key, value in now[before[topic] :])


def test_no_group_has_a_position_or_a_member_afterwards(one: Asked) -> None:
    one.verify()
    with connected(one.admin) as admin:
        states = {each["group_id"]: each["group_state"] for each in admin.list_groups()}
        assert set(states.values()) <= {"Empty", "Dead"}
        assert set(states) == {"billing", f"audit-{MADE_UP}"}
        assert admin.list_group_offsets({"billing": None})["billing"] == {}


def test_a_group_with_a_member_keeps_its_partitions(one: Asked) -> None:
    import kafka

    mine = replace(one.admin, user="orders", password="0rd;e'rs=")  # noqa: S106
    with kafka.KafkaConsumer(
        **settings(mine), group_id="billing", enable_auto_commit=False
    ) as consumer:
        consumer.subscribe(["orders"])
        while len(consumer.assignment()) < 2:
            consumer.poll(timeout_ms=300)
        before = consumer.group_metadata().generation_id
        found = one.verify()
        consumer.poll(timeout_ms=300)
        assert (consumer.group_metadata().generation_id, len(consumer.assignment())) == (before, 2)
    assert failed(found) == []
    (read,) = of(found, "consume", "orders")
    assert read.text == "the group was not joined: it has members"


@pytest.mark.parametrize(
    ("acl", "id_", "told"),
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
def test_an_acl_too_many_is_told(acl: AclBinding, id_: str, told: str, one: Asked) -> None:
    before = len(records(one, "payments"))
    with with_acls(one, acl):
        found = one.verify()
    assert id_ in {each for each, _, _ in failed(found)}
    assert told in {each.text for each in found.results if not each.ok}
    assert found.exit == Exit.FAILED
    assert len(records(one, "payments")) == before, "a denial is tried without a record"


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
def test_a_missing_acl_is_told(acl: AclBinding, expected: tuple[str, str, str], one: Asked) -> None:
    with with_acls(one, acl, there=False):
        assert failed(one.verify()) == [expected]


def test_a_topic_of_the_inventory_that_is_not_there_is_told(one: Asked) -> None:
    one.do(DropTopic("orders"))
    try:
        assert {(id_, user) for id_, user, _ in failed(one.verify())} == {
            ("produce", "orders"),
            ("consume", "orders"),
        }
    finally:
        one.apply()


def test_another_password_is_told(one: Asked) -> None:
    one.do(SetCredential("audit", "SCRAM-SHA-512", 4096), passwords={"audit": "an0ther"})
    try:
        found = one.verify()
    finally:
        one.do(SetCredential("audit", "SCRAM-SHA-512", 4096), passwords={"audit": "4udit"})
    told = {(each.check.names, each.seen) for each in of(found, "login", "audit") if not each.ok}
    assert told == {(("SCRAM-SHA-512",), "SASL_AUTHENTICATION_FAILED")}
    assert ("consume", "audit", "SASL_AUTHENTICATION_FAILED") in failed(found)
    assert all(each.ok for each in of(found, "login", "orders"))


def test_a_password_that_anybody_guesses_is_told(
    one: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals.secrets, "token_hex", lambda _count=0: "4udit")
    (wrong, _) = of(one.verify(), "wrong-password", "audit")
    assert (wrong.ok, wrong.seen) == (False, "logged in")


def test_a_mechanism_that_the_inventory_does_not_enable_is_told(one: Asked) -> None:
    found = one.verify(changed(one.cluster, mechanisms=("SCRAM-SHA-512",)))
    (told,) = of(found, "mechanism-off")
    assert (told.ok, told.seen, told.text) == (False, "answered", "it takes PLAIN")


def test_another_node_than_expected_is_told(one: Asked) -> None:
    other = replace(one.cluster, nodes=tuple(replace(node, id=8) for node in one.cluster.nodes))
    (told,) = of(one.verify(other), "node")
    assert (told.ok, told.seen) == (False, "node 7")


def test_a_certificate_that_does_not_name_the_address_is_told(one: Asked) -> None:
    other = replace(
        one.cluster, nodes=tuple(replace(node, endpoint="localhost") for node in one.cluster.nodes)
    )
    found = one.verify(other)
    (told,) = of(found, "node")
    assert (told.ok, told.seen) == (False, "certificate refused")
    assert "localhost" in told.text


def test_a_listener_without_tls_is_told(one: Asked, extra: tuple[int, int]) -> None:
    check = KafkaCheckResult(
        "no-tls", "", "", ("connection closed",), "", address=("127.0.0.1", extra[0])
    )
    assert no_tls(one.site(), check) == ("answered", "it speaks Kafka without TLS")
    with pytest.raises(Refused, match="TLS alert"):
        no_tls(one.site(), replace(check, address=one.address))


def test_a_listener_without_a_login_is_told(one: Asked, extra: tuple[int, int]) -> None:
    check = KafkaCheckResult(
        "no-login", "", "", ("connection closed",), "", address=("127.0.0.1", extra[1])
    )
    assert no_login(one.site(), check) == ("answered", "it names its 1 brokers to anybody")
    with pytest.raises(Refused, match="connection closed"):
        no_login(one.site(), replace(check, address=one.address))


def test_nobody_there_is_exit_code_4(one: Asked) -> None:
    (port,) = free_ports(1)
    nowhere = changed(one.cluster, port=port)
    away = Asked(one.broker, one.project, replace(one.admin, bootstrap=(("127.0.0.1", port),)))
    found = away.verify(nowhere)
    assert found.exit == Exit.UNREACHABLE
    assert {each.seen for each in found.results if not each.check.skipped} == {"unreachable"}
