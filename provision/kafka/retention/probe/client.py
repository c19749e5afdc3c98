"""Writing to the probe, and looking at it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kafka.errors import KafkaError, KafkaTimeoutError

from provision.kafka.admin import ADMIN_TIMEOUT, settings
from provision.kafka.client_file import Login
from provision.kafka.retention.probe.design import Part
from provision.kafka.retention.probe.topic import Probe
from provision.kafka.retention.probe.trace import Kept, LoggedRecord, Look, Round
from provision.kafka.retention.probe.workload import Word, round_values

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

BATCH = 16384
"""Bytes of a batch at most, the library's default."""

REFUSED = 87
"""INVALID_RECORD (org.apache.kafka.common.protocol.Errors)."""


def now() -> float:
    """Milliseconds of the monotonic clock."""
    return time.monotonic() * 1000


@dataclass(frozen=True)
class ProbeClient:
    """A producer, a consumer and an administrator of one cluster."""

    admin: KafkaAdminClient
    producer: KafkaProducer
    consumer: KafkaConsumer

    def write(self, probe: Probe) -> None:
        """The next round, into all partitions; the one after it comes when its segment is too old."""
        for part, trace in probe.traces.items():
            if found := round_values(probe.design, part, probe.number):
                trace.rounds.append(Round(tuple(self._sent(probe.partition(part), found))))
        probe.number += 1
        probe.due = now() + probe.design.every

    def _sent(self, part: TopicPartition, found: Iterable[Word]) -> Iterator[LoggedRecord]:
        sending = []
        for key, value in found:
            at = now()
            sending.append(
                (
                    key,
                    value,
                    at,
                    self.producer.send(part.topic, value, key, partition=part.partition),
                )
            )
        for key, value, at, future in sending:
            offset = future.get(ADMIN_TIMEOUT).offset
            yield LoggedRecord(offset, key, value, at, now())

    def look(self, probe: Probe) -> None:
        """A look at each partition."""
        for part, trace in probe.traces.items():
            place = probe.partition(part)
            began = now()
            start = self.consumer.beginning_offsets([place])[place]
            end = self.consumer.end_offsets([place])[place]
            records = tuple(self._read(place, start, end)) if part is Part.KEYS else ()
            size = self._size(place, probe.first[0]) if part is Part.SIZE else 0
            trace.looks.append(Look(began, now(), len(trace.rounds), start, end, records, size))

    def _read(self, place: TopicPartition, start: int, end: int) -> Iterator[Kept]:
        """All that is there from the earliest offset to the end, committed or not."""
        self.consumer.assign([place])
        self.consumer.seek(place, start)
        until = time.monotonic() + ADMIN_TIMEOUT
        while self.consumer.position(place) < end:
            if time.monotonic() > until:
                raise KafkaTimeoutError(
                    f"{place.topic} could not be read to its end within {ADMIN_TIMEOUT:g} s"
                )
            for each in self.consumer.poll(timeout_ms=500).get(place, []):
                if each.offset < end:
                    yield each.offset, each.key, each.value

    def _size(self, place: TopicPartition, broker: int) -> int:
        """The leader's bytes, deleted files left out."""
        (answer,) = self.admin.describe_log_dirs([place.topic], [broker])
        topics = [
            each
            for folder in answer["log_dirs"]
            for each in folder["topics"]
            if each["name"] == place.topic
        ]
        parts = [each for topic in topics for each in topic["partitions"]]
        return sum(
            each["partition_size"] for each in parts if each["partition_index"] == place.partition
        )


@contextmanager
def client(login: Login, admin: KafkaAdminClient, probes: Iterable[Probe]) -> Iterator[ProbeClient]:
    """A client for these probes, whose batches fit into what they take.

    The producer is idempotent: a record that a repetition wrote twice would be at an offset that was not told.
    """
    from kafka import KafkaConsumer, KafkaProducer

    batch = min([BATCH, *(each.design.topic.max_message_bytes // 2 for each in probes)])
    common = {**settings(login), "allow_auto_create_topics": False}
    with (
        closing(
            KafkaProducer(**common, acks="all", enable_idempotence=True, batch_size=batch)
        ) as producer,
        closing(KafkaConsumer(**common, enable_auto_commit=False)) as consumer,
    ):
        yield ProbeClient(admin, producer, consumer)


def without_key(login: Login, probe: Probe) -> str:
    """What the broker says to a record without a key, empty where it takes it; by a producer that may forget it."""
    from kafka import KafkaProducer

    part = probe.partition(Part.KEYS)
    common = {**settings(login), "allow_auto_create_topics": False}
    with closing(KafkaProducer(**common, acks="all", enable_idempotence=False)) as producer:
        try:
            producer.send(part.topic, b"no key", partition=part.partition).get(ADMIN_TIMEOUT)
        except KafkaError as error:
            return (
                "INVALID_RECORD"
                if getattr(error, "errno", 0) == REFUSED
                else str(error) or type(error).__name__
            )
    return ""
