"""What is written into the probe, round by round. Pure but for the random bytes of the values."""

from __future__ import annotations

import os

from provision.kafka.retention.probe.deletion import FIRST
from provision.kafka.retention.probe.design import DOOMED, SETTLED, VALUE, Design, Part

Word = tuple[bytes | None, bytes | None]
"""A key and a value."""

PIECE = 8 << 10
"""Bytes of a value where a log is to fill up."""

AGING = 4
"""Records of a round where they are to get old."""


def round_values(design: Design, part: Part, number: int) -> list[Word]:
    """What the round of this number, counted from 0, writes into a partition; nothing where all is written."""
    if part is Part.KEYS:
        return _keyed(design, number)
    if part is Part.AGE:
        over = design.topic.compacts and number >= FIRST
        return (
            []
            if over
            else [(_key(design, number, each), os.urandom(VALUE)) for each in range(AGING)]
        )
    piece = min(PIECE, design.bulk, design.topic.max_message_bytes // 2)
    return [
        (_key(design, number, each), os.urandom(piece))
        for each in range(max(1, design.bulk // piece))
    ]


def _keyed(design: Design, number: int) -> list[Word]:
    """Settled keys get their last value and doomed keys their tombstone in the second round; ballast is in each."""
    settled = [b"settled-%d" % each for each in range(SETTLED)]
    doomed = [b"doomed-%d" % each for each in range(DOOMED)]
    found: list[Word] = []
    if number == 0:
        found = [(key, os.urandom(VALUE)) for key in [*settled, *settled, *doomed]]
    if number == 1:
        found = [(key, os.urandom(VALUE)) for key in settled] + [(key, None) for key in doomed]
    return found + [(b"busy", os.urandom(VALUE)) for _ in range(design.ballast)]


def _key(design: Design, number: int, each: int) -> bytes | None:
    """A key of its own for each record, where records need one: nothing has a newer value."""
    return b"%d-%d" % (number, each) if design.topic.compacts else None
