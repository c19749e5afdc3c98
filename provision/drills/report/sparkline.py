"""A drill's requests as a line of blocks: low while all is well, higher as answers come later, full where some fail."""

from __future__ import annotations

import codecs
import math

from provision.drills.report.buckets import Bucket, buckets
from provision.drills.result import Timeline

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.,-~+*#"


def levels(encoding: str | None) -> str:
    """The eight characters of a sparkline that a stream of this encoding can print."""
    try:
        BLOCKS.encode(codecs.lookup(encoding or "ascii").name)
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return BLOCKS


def sparkline(timeline: Timeline | None, width: int, blocks: str = BLOCKS) -> str:
    """`width` characters from the first request to the last, a blank where none began; empty without a timeline.

    The height is the slowest answer of its stretch on a logarithmic scale, 1 ms lowest; the highest is a failure.
    """
    if timeline is None or not timeline.requests or width < 1:
        return ""
    starts = [request.start for request in timeline.requests]
    first, last = min(starts), max(starts)
    step = max(
        (last - first) * 1.000001 / width, 1e-3
    )  # a little more, so that the last one is in the last cell
    cells = [" "] * width
    for bucket in buckets(timeline.requests, first, last + step, step):
        cells[min(round((bucket.start - first) / step), width - 1)] = blocks[_level(bucket)]
    return "".join(cells)


def _level(bucket: Bucket) -> int:
    """0 for answers within 2 ms, then a level for each threefold, at most 6; 7 where a request failed."""
    if bucket.bad or bucket.slowest_ms is None:
        return 7
    return min(6, max(0, round(2 * math.log10(max(bucket.slowest_ms, 1.0)))))
