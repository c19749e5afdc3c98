"""A transaction's payload and its endings. Other tests of this folder run real transactions."""

from __future__ import annotations

import io
import tarfile
import time

import pytest

from provision.core.errors import Exit, HactlError, Locked
from provision.hosts.agent import transaction as transaction_module
from provision.hosts.agent.payload import Op, Payload, build_payload
from provision.hosts.agent.transaction import ApplyFailed, Keepalive, TransactionStep, prepare
from provision.hosts.protocol import ProtocolError
from tests.memory import MemorySession


def test_a_payload_holds_the_ops_and_the_numbered_files() -> None:
    ops = [
        Op("sysctl", ("net.ipv4.ip_forward", "1")),
        Op("unit", ("k.service", "stamp", "/etc/a", "/etc/b")),
    ]
    payload = build_payload(ops, [b"one", b"\x00two"]).archive
    with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
        held = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
        assert {entry.mode for entry in archive} == {0o600}
    assert held == {
        "ops": b"sysctl\x1fnet.ipv4.ip_forward\x1f1\x1f/proc/sys/net/ipv4/ip_forward\n"
        b"unit\x1fk.service\x1fstamp\x1f/etc/a\x1f/etc/b\n",
        "files/1": b"one",
        "files/2": b"\x00two",
    }


def test_the_same_ops_make_the_same_payload() -> None:
    assert build_payload([Op("module", ("x",))], [b"a"]) == build_payload(
        [Op("module", ("x",))], [b"a"]
    )


def test_what_the_agent_does_not_know_is_never_sent() -> None:
    for op in (Op("dance", ("x",)), Op("stage", ("1", "/etc/x"))):
        with pytest.raises(ValueError, match="not an operation"):
            build_payload([op])
    with pytest.raises(ProtocolError):
        build_payload([Op("module", ("x\nremove\x1f/etc/passwd",))])


def transaction(*answers: str) -> MemorySession:
    return MemorySession("step|1|ok", "alive", "ready", *answers)


def test_prepare_apply_confirm() -> None:
    session = transaction("step|2|ok", "applied", "alive", "confirmed")
    begun = prepare(session, Payload((), b"payload"), "kim@ops", "digest", 60)
    assert session.channel.told == b"kim@ops\x1fdigest\x1f60\x1f\x1f\n7\npayload"
    begun.apply()
    begun.confirm()
    assert begun.steps == (TransactionStep(1, True), TransactionStep(2, True))
    assert session.channel.told.endswith(b"payloadgo\nconfirm\n") and session.channel.closed
    with pytest.raises(ValueError, match="ended already"):
        begun.confirm()


@pytest.mark.parametrize(
    ("answers", "outcome", "words"),
    [
        (
            ["failed|2|no space left", "rolled_back|"],
            "rolled_back",
            "no space left\n  rolled back: the host is as it was",
        ),
        (
            ["failed|2|bad", "rolled_back|nginx curl"],
            "rolled_back",
            "installed packages stay: nginx curl",
        ),
        (
            ["failed|2|bad", "rollback_failed|late start k"],
            "rollback_failed",
            "look at the host: late start k",
        ),
        (["failed|2|bad"], "unknown", "rolls them back"),
        (["confirmed"], "unknown", "the agent answered 'confirmed'"),
    ],
)
def test_how_a_transaction_can_fail(answers: list[str], outcome: str, words: str) -> None:
    session = transaction(*answers)
    begun = prepare(session, Payload((), b""), "kim", "d", 60)
    with pytest.raises(ApplyFailed) as failure:
        begun.apply()
    assert failure.value.outcome == outcome and words in str(failure.value)
    assert session.channel.closed


def test_a_confirmation_without_an_answer_is_not_called_a_rollback() -> None:
    begun = prepare(transaction("applied"), Payload((), b""), "kim", "d", 60)
    begun.apply()
    with pytest.raises(ApplyFailed, match="either kept the changes or rolled them back") as failure:
        begun.confirm()
    assert failure.value.outcome == "unknown"


@pytest.mark.parametrize(
    ("alive", "hint"), [("yes", "wait for it"), ("no", "ssh web1 rm -r /run/hactl/lock")]
)
def test_a_locked_host(alive: str, hint: str) -> None:
    session = MemorySession(f"locked|kim@ops|2026-01-01T00:00:00Z|{alive}")
    with pytest.raises(Locked, match=r"locked by kim@ops since 2026-01-01T00:00:00Z") as failure:
        prepare(session, Payload((), b""), "lee", "d", 60)
    assert hint in failure.value.hint and failure.value.exit_code == Exit.LOCKED


def test_every_ending_is_an_error_of_this_host() -> None:
    with pytest.raises(HactlError, match=r"^web1: "):
        prepare(
            MemorySession("failed|0|the tool tar is missing", "rolled_back|"),
            Payload((), b""),
            "kim",
            "d",
            60,
        )


def test_who_waits_is_told_that_somebody_is_there_until_it_may_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction_module, "HEARTBEAT_INTERVAL", 0.01)
    session = transaction("step|2|ok", "applied", "confirmed")
    with Keepalive() as waiting:
        begun = prepare(session, Payload((), b""), "kim@ops", "digest", 60)
        waiting.add(begun)
        while session.channel.told.count(b"wait\n") < 3:
            time.sleep(0.01)
        begun.apply()
        told = session.channel.told
        assert told.endswith(b"wait\ngo\n")
        time.sleep(0.05)
        assert session.channel.told == told
