"""The events of a drill as text."""

from __future__ import annotations

from provision.drills.report.events import events, summary
from tests.drills.report.build import VIP, drill, timeline


def test_the_summary_has_the_figures_in_sentences() -> None:
    assert summary(drill()) == (
        "120 of 2400 requests failed, the outage was 605 ms, the bound is 722 ms. "
        "200 of 200 open connections survived. lvs2 held the VIP in the end."
    )


def test_events_are_in_the_order_of_time() -> None:
    assert [text for _, text in events(timeline())] == [
        "injected",
        f"lvs1 no longer has {VIP}",
        f"first failed request to web {VIP}:80: timeout",
        f"last of 120 failed requests to web {VIP}:80: timeout",
        f"lvs2 has {VIP}",
        "web2 in lvs2's table: out",
        "undone",
        "web2 in lvs2's table: weight 1",
    ]
