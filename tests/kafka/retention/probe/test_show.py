"""The output of a probe and its verdict as text and as JSON."""

from __future__ import annotations

from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.model import GIB, Cleaner, RetentionTopic
from provision.kafka.retention.probe.design import Part, design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.run import ProbeVerdict, evaluate
from provision.kafka.retention.probe.show import document, header, verdict
from provision.kafka.retention.probe.topic import Probe, probe
from tests.kafka.retention.probe.simulation import watched

BOTH = frozenset({"compact", "delete"})


def watched_probe(parameters: RetentionTopic) -> Probe:
    """A probe with the traces of correct brokers."""
    result = probe(
        design(parameters, Cleaner(backoff=500)),
        TopicInfo(parameters, Cleaner(), 3, {1: 3}, {}, first=(1, 2)),
    )
    result.traces = {part: watched(result.design, part) for part in result.design.parts}
    return result


def test_the_header_shows_the_shortened_parameters_and_the_duration() -> None:
    shown = [
        line for line, _ in header(watched_probe(RetentionTopic("orders", retention_bytes=GIB)))
    ]
    assert shown[0] == "orders: cleanup.policy delete"
    assert "  retention.ms           7 d            30 s           1:20 160" in shown
    assert "  retention.bytes        1.0 GiB        128.0 KiB      1:8 192" in shown
    assert "  in orders itself a record can be read for 14 d 1 h at most" in shown
    assert "  takes 6 min at most: log.retention.check.interval.ms is 5 min" in shown


def test_all_lines_fit_into_a_terminal() -> None:
    subject = watched_probe(RetentionTopic("a" * 40, BOTH, retention_bytes=GIB))
    result = ProbeVerdict(subject, evaluate(subject))
    assert result.ok
    lines = [line for line, _ in [*header(subject), *verdict(result)]]
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"  {'a' * 40}: all 13 checks hold"


def test_a_check_that_does_not_hold_is_shown_and_counted() -> None:
    subject = watched_probe(RetentionTopic("orders"))
    bad = ProbeOutcome("not too early", "after 30 s", "4 s at least", False)
    result = ProbeVerdict(subject, {Part.AGE: (*evaluate(subject)[Part.AGE][:1], bad)})
    lines = [line for line, _ in verdict(result)]
    assert "  FAILED not too early         after 30 s               4 s at least" in lines
    assert lines[-1] == "  orders: 1 of 2 checks failed"
    assert not result.ok


def test_the_document_has_the_changes_and_the_checks() -> None:
    subject = watched_probe(RetentionTopic("orders"))
    json = document(ProbeVerdict(subject, evaluate(subject)))
    assert (json["topic"], json["well"], json["brokers"]) == ("orders", True, [1, 2])
    assert {"parameter": "retention.ms", "topic": 604_800_000, "probe": 30_000} in json["shortened"]
    assert [check["check"] for check in json["checks"]] == [
        "earliest offset",
        "not too early",
        "not too late",
    ]


def test_measured_times_are_rounded() -> None:
    assert (seconds(18_349), seconds(20_000), seconds(3_600_000)) == ("18.3 s", "20 s", "1 h")
