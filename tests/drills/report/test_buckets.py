"""Buckets count every request and every failure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.drills.report.buckets import Bucket, buckets
from provision.prober.record import Request

moments = st.floats(-2, 10)
requests = st.lists(
    st.builds(
        lambda start, done: Request(0, start, done, done, "" if done else "timeout"),
        moments,
        st.none() | st.floats(0.001, 3),
    )
)


@given(requests, st.floats(0.02, 1))
def test_every_request_in_the_period_is_counted_once(recorded: list[Request], width: float) -> None:
    filled = buckets(recorded, -1.0, 9.0, width)
    inside = [request for request in recorded if -1.0 <= request.start < 9.0]
    assert sum(bucket.requests for bucket in filled) == len(inside)
    assert sum(bucket.bad for bucket in filled) == sum(bool(request.error) for request in inside)
    assert [bucket.start for bucket in filled] == sorted({bucket.start for bucket in filled})


def test_a_bucket_has_the_median_and_the_slowest_of_the_good_requests() -> None:
    recorded = [Request(0, 0.001, 0.001, done) for done in (0.125, 0.25, 1.5)] + [
        Request(0, 0.01, None, 3.0, "reset")
    ]
    assert buckets(recorded, 0, 1, 0.02) == (Bucket(0.0, 4, 1, 250.0, 1500.0),)
