"""The lanes of a picture, and the shapes in them."""

from __future__ import annotations

import re
from dataclasses import replace

from provision.drills.report.axis import Axis
from provision.drills.report.swimlanes import (
    adverts_lane,
    bound_lane,
    health_lane,
    holder_lane,
    marks_lane,
    overlaps,
    requests_lane,
)
from provision.drills.result import Span, TimelineEvent
from provision.prober.record import Advert
from tests.drills.report.build import VIP, drill, timeline

AXIS = Axis(-2, 8)  # 200 units a second
DIRECTORS = ("lvs1", "lvs2")


def test_the_outage_is_drawn_above_its_bound() -> None:
    outage, bound = bound_lane(AXIS, drill(outage_ms=500.0, bound_ms=1000.0)).shapes
    assert "<title>outage 500 ms</title>" in outage
    assert 'x="400"' in outage and 'width="100"' in outage
    assert 'x="400"' in bound and 'width="200"' in bound


def test_failures_are_drawn_only_at_the_time_of_failed_requests() -> None:
    failed = requests_lane(AXIS, timeline(outage=0.6), 0, None).shapes[0]
    starts = [int(start) for start in re.findall(r"M(\d+) ", failed)]
    assert min(starts) == 400
    assert 510 <= max(starts) <= 520


def test_two_holders_at_once_get_a_row_that_says_so() -> None:
    spans = (Span("holder", "lvs1", VIP, -2, 8), Span("holder", "lvs2", VIP, 1, 3))
    assert overlaps(spans) == ((1, 3),)
    assert any(
        "two directors held" in shape for shape in holder_lane(AXIS, spans, VIP, DIRECTORS).shapes
    )
    assert overlaps((Span("holder", "lvs1", VIP, -2, 1), Span("holder", "lvs2", VIP, 1, 3))) == ()


def test_three_holders_at_once_are_a_single_overlap() -> None:
    spans = [
        Span("holder", name, VIP, start, end)
        for name, start, end in (("a", 0, 9), ("b", 1, 4), ("c", 2, 6))
    ]
    assert overlaps(spans) == ((1, 6),)


def test_adverts_have_a_row_for_each_director_and_priority_0_stands_out() -> None:
    recorded = timeline()
    goodbye = replace(
        recorded, adverts=(*recorded.adverts, Advert(0.0, "192.168.227.101", 10, 0, 3))
    )
    lane = adverts_lane(AXIS, goodbye, DIRECTORS)
    assert lane is not None
    assert [name.partition(">")[2].partition("<")[0] for name in lane.names] == [
        "lvs1",
        "lvs2",
        "claims",
    ]
    assert sum('class="goodbye"' in shape for shape in lane.shapes) == 1
    assert adverts_lane(AXIS, replace(recorded, adverts=(), claims=()), DIRECTORS) is None


def test_a_real_server_is_drawn_while_it_is_in_the_table_and_hollow_at_weight_0() -> None:
    spans = (
        Span("health", "web1", "1", -2, 3, "lvs1"),
        Span("health", "web1", "0", 3, 5, "lvs1"),
        Span("health", "web1", "", 5, 8, "lvs1"),
    )
    lane = health_lane(AXIS, spans, DIRECTORS)
    assert lane is not None
    assert len(lane.shapes) == 2
    assert [re.findall('class="([^"]*)"', shape)[0] for shape in lane.shapes] == ["d0", "hollow d0"]


def test_labels_of_close_marks_are_in_different_rows() -> None:
    lane = marks_lane(
        AXIS,
        (
            TimelineEvent(0.0, "injected"),
            TimelineEvent(0.1, "split brain: lvs1 and lvs2"),
            TimelineEvent(6.0, "undone"),
        ),
    )
    assert [re.findall(' y="([^"]*)"', label)[0] for label in lane.words] == ["11", "26", "11"]
    assert "lvs1" not in "".join(lane.words)
