"""A drill's requests as a line of blocks: the slower the answers, the higher; full for failures."""

from __future__ import annotations

import codecs
import math

from provision.drills.report.buckets import Bucket, buckets
from provision.drills.result import Timeline

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.,-~+*#"


def levels(encoding: str | None) -> str:
    """Eight characters for sparklines that a stream of this encoding can print."""
    try:
        BLOCKS.encode(codecs.lookup(encoding or "ascii").name)
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return BLOCKS


def sparkline(timeline: Timeline | None, width: int, blocks: str = BLOCKS) -> str:
    """`width` characters from the first request to the last; empty without a timeline.

    The height of a character is the slowest answer in its period on a logarithmic scale from 1 ms
    on. The highest is a failure. A blank is a period in which no request began.
    """
    if timeline is None or not timeline.requests or width < 1:
        return ""
    starts = [request.start for request in timeline.requests]
    first, last = min(starts), max(starts)
    # A little more, so that the last request is in the last cell.
    step = max((last - first) * 1.000001 / width, 1e-3)
    cells = [" "] * width
    for bucket in buckets(timeline.requests, first, last + step, step):
        cells[min(round((bucket.start - first) / step), width - 1)] = blocks[_level(bucket)]
    return "".join(cells)


def _level(bucket: Bucket) -> int:
    """0 for answers within 2 ms; a level more for each factor of 3, at most 6; 7 for a failure."""
    if bucket.bad or bucket.slowest_ms is None:
        return 7
    return min(6, max(0, round(2 * math.log10(max(bucket.slowest_ms, 1.0)))))
