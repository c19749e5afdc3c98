"""The output of a run, and its exit code."""

from __future__ import annotations

from provision.core.errors import Exit
from provision.kafka.verify.model import KafkaCheckResult, KafkaVerification, Result
from provision.kafka.verify.show import lines

LOGIN = KafkaCheckResult(
    "login",
    "orders",
    "192.0.2.10:9092 SCRAM-SHA-512",
    ("logged in",),
    "is the password the inventory's?",
)
DENIED = KafkaCheckResult(
    "write-denied",
    "orders",
    "payments",
    ("TOPIC_AUTHORIZATION_FAILED",),
    "an ACL lets it",
    ("payments",),
)
NODE = KafkaCheckResult("node", "", "192.0.2.11:9092", ("node 1",), "does each advertise itself?")
SKIPPED = KafkaCheckResult(
    "mechanism-off",
    "",
    "192.0.2.11:9092",
    ("UNSUPPORTED_SASL_MECHANISM",),
    "",
    skipped="all are enabled",
)

GOOD = (Result(NODE, "node 1"), Result(SKIPPED), Result(LOGIN, "logged in"))


def text(*results: Result) -> str:
    """Return the output of a run with these results."""
    return "\n".join(line for line, _ in lines(KafkaVerification(results, 1.25)))


def test_a_line_for_the_brokers_and_each_user_and_the_totals() -> None:
    assert text(*GOOD, Result(DENIED, "TOPIC_AUTHORIZATION_FAILED")).splitlines() == [
        "brokers    1 ok, 1 skipped",
        "orders     2 ok",
        "",
        "brokers mechanism-off: all are enabled",
        "Kafka verify: 3 checks passed, 0 failed, 1 skipped in 1.2 s.",
    ]


def test_a_failure_says_what_was_expected_what_was_seen_and_where_to_look() -> None:
    output = text(
        *GOOD, Result(DENIED, "UNKNOWN_TOPIC_OR_PARTITION", "the user may write payments")
    )
    assert output.splitlines()[1:7] == [
        "orders     1 ok, 1 failed",
        "",
        "orders: write-denied payments",
        "  expected  TOPIC_AUTHORIZATION_FAILED",
        "  seen      UNKNOWN_TOPIC_OR_PARTITION: the user may write payments",
        "  look at   an ACL lets it",
    ]
    assert all(len(line) <= 80 for line in output.splitlines())


def test_failures_of_a_user_with_the_same_answer_are_shown_once() -> None:
    refused = [
        Result(check, "SASL_AUTHENTICATION_FAILED", "invalid credentials")
        for check in (LOGIN, DENIED)
    ]
    output = text(GOOD[0], *refused)
    assert output.count("SASL_AUTHENTICATION_FAILED: invalid credentials") == 1
    assert "orders: login 192.0.2.10:9092 SCRAM-SHA-512 and 1 more" in output
    assert "1 checks passed, 2 failed" in output


def exit_code(*answers: str) -> Exit:
    """Return the exit code of a run whose checks have these answers."""
    checks = (NODE, LOGIN, DENIED)
    results = map(Result, checks, answers)
    return KafkaVerification(tuple(results)).exit


def test_exit_codes() -> None:
    assert KafkaVerification(GOOD).exit == Exit.OK
    assert KafkaVerification((*GOOD, Result(DENIED, "answered"))).exit == Exit.FAILED
    assert exit_code("unreachable", "unreachable") == Exit.UNREACHABLE
    assert exit_code("unreachable", "logged in") == Exit.FAILED


def test_a_server_that_does_not_speak_kafka_is_no_broker() -> None:
    assert exit_code("not an answer", "not an answer") == Exit.UNREACHABLE
    assert exit_code("unreachable", "not an answer") == Exit.UNREACHABLE
    assert exit_code("not an answer", "connection closed") == Exit.FAILED
    assert exit_code("not an answer", "certificate refused") == Exit.FAILED


def test_if_nothing_was_reached_the_checks_are_unknown_and_none_is_shown_as_failed() -> None:
    unreached = (
        Result(NODE, "unreachable", "No route to host"),
        Result(SKIPPED),
        Result(LOGIN, "not an answer", "InvalidReceiveError: Invalid frame length: 1213486160"),
    )
    output = text(*unreached).splitlines()
    assert " ".join(line.strip() for line in output) == (
        "Kafka verify: nothing of the cluster was reached, so 2 checks are unknown "
        "(unreachable: No route to host and 1 more)."
    )
    assert all(len(line) <= 80 for line in output)
    document = KafkaVerification(unreached).json()
    assert (document["ok"], document["reached"]) == (False, False)


def test_a_run_without_a_check_proves_nothing() -> None:
    assert KafkaVerification((Result(SKIPPED),)).exit == Exit.FAILED
    assert text(Result(SKIPPED)).endswith(
        "0 checks passed, 0 failed, 1 skipped in 1.2 s. Nothing was proved."
    )


def test_the_document_has_what_was_expected_and_what_was_seen() -> None:
    document = KafkaVerification(
        (Result(DENIED, "answered", "the user may write payments", 0.25),)
    ).json()
    assert document["ok"] is False
    assert document["checks"] == [
        {
            "id": "write-denied",
            "user": "orders",
            "about": "payments",
            "ok": False,
            "skipped": None,
            "expected": "TOPIC_AUTHORIZATION_FAILED",
            "seen": "answered: the user may write payments",
            "hint": "an ACL lets it",
            "seconds": 0.25,
        }
    ]
    assert document["reached"] is True
