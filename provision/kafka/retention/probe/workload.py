"""The records that are written into the probe, round by round. Pure except for random values."""

from __future__ import annotations

import os

from provision.kafka.retention.probe.deletion import MIN_ROUNDS
from provision.kafka.retention.probe.design import (
    DOOMED_KEYS,
    SETTLED_KEYS,
    VALUE_BYTES,
    Design,
    Part,
)

KeyValue = tuple[bytes | None, bytes | None]
"""A key and a value."""

BULK_VALUE_BYTES = 8 << 10
"""Bytes of a value in the partition that fills up."""

AGING_RECORDS = 4
"""Records of a round in the partition whose records get old."""


def round_values(design: Design, part: Part, number: int) -> list[KeyValue]:
    """The records of a round, whose number counts from 0; empty where all rounds are written."""
    if part is Part.KEYS:
        return _keyed(design, number)
    if part is Part.AGE:
        if design.topic.compacts and number >= MIN_ROUNDS:
            return []
        return [
            (_key(design, number, index), os.urandom(VALUE_BYTES)) for index in range(AGING_RECORDS)
        ]
    size = min(BULK_VALUE_BYTES, design.bulk, design.topic.max_message_bytes // 2)
    return [
        (_key(design, number, index), os.urandom(size))
        for index in range(max(1, design.bulk // size))
    ]


def _keyed(design: Design, number: int) -> list[KeyValue]:
    """The records of a round with keys; ballast is in each round.

    The second round has the last values of settled keys, and the tombstones of doomed keys.
    """
    settled = [b"settled-%d" % index for index in range(SETTLED_KEYS)]
    doomed = [b"doomed-%d" % index for index in range(DOOMED_KEYS)]
    records: list[KeyValue] = []
    if number == 0:
        records = [(key, os.urandom(VALUE_BYTES)) for key in [*settled, *settled, *doomed]]
    if number == 1:
        records = [(key, os.urandom(VALUE_BYTES)) for key in settled]
        records += [(key, None) for key in doomed]
    return records + [(b"busy", os.urandom(VALUE_BYTES)) for _ in range(design.ballast)]


def _key(design: Design, number: int, index: int) -> bytes | None:
    """A unique key for a record of a compacted topic, so that no record has a newer value."""
    return b"%d-%d" % (number, index) if design.topic.compacts else None
