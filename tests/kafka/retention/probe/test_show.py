"""How a probe and what it has shown are printed."""

from __future__ import annotations

from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.model import GIB, Cleaner, RetentionTopic
from provision.kafka.retention.probe.design import Part, design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.run import ProbeVerdict, judged
from provision.kafka.retention.probe.show import document, header, verdict
from provision.kafka.retention.probe.topic import Probe, probe
from tests.kafka.retention.probe.simulation import watched

BOTH = frozenset({"compact", "delete"})


def made(about: RetentionTopic) -> Probe:
    """A probe that was watched on brokers that do as they should."""
    found = probe(
        design(about, Cleaner(backoff=500)),
        TopicInfo(about, Cleaner(), 3, {1: 3}, {}, first=(1, 2)),
    )
    found.traces = {part: watched(found.design, part) for part in found.design.parts}
    return found


def test_the_operator_reads_what_is_shortened_to_what_and_how_long_it_takes() -> None:
    shown = [line for line, _ in header(made(RetentionTopic("orders", retention_bytes=GIB)))]
    assert shown[0] == "orders: cleanup.policy delete"
    assert "  retention.ms           7 d            30 s           1:20 160" in shown
    assert "  retention.bytes        1.0 GiB        128.0 KiB      1:8 192" in shown
    assert "  of orders itself a record can be read for 14 d 1 h at most" in shown
    assert "  takes 6 min at most: log.retention.check.interval.ms is 5 min" in shown


def test_all_of_it_fits_into_a_terminal() -> None:
    found = made(RetentionTopic("a" * 40, BOTH, retention_bytes=GIB))
    result = ProbeVerdict(found, judged(found))
    assert result.well
    lines = [line for line, _ in [*header(found), *verdict(result)]]
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"  {'a' * 40}: all 13 checks hold"


def test_a_check_that_does_not_hold_is_told_and_counted() -> None:
    found = made(RetentionTopic("orders"))
    bad = ProbeOutcome("not too early", "after 30 s", "4 s at the least", False)
    result = ProbeVerdict(found, {Part.AGE: (*judged(found)[Part.AGE][:1], bad)})
    lines = [line for line, _ in verdict(result)]
    assert "  FAILED not too early         after 30 s               4 s at the least" in lines
    assert lines[-1] == "  orders: 1 of 2 checks failed"
    assert not result.well


def test_the_document_has_the_same() -> None:
    found = made(RetentionTopic("orders"))
    told = document(ProbeVerdict(found, judged(found)))
    assert (told["topic"], told["well"], told["brokers"]) == ("orders", True, [1, 2])
    assert {"parameter": "retention.ms", "topic": 604_800_000, "probe": 30_000} in told["shortened"]
    assert [each["check"] for each in told["checks"]] == [
        "earliest offset",
        "not too early",
        "not too late",
    ]


def test_measured_times_are_rounded() -> None:
    assert (seconds(18_349), seconds(20_000), seconds(3_600_000)) == ("18.3 s", "20 s", "1 h")
