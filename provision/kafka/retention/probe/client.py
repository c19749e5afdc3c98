"""The Kafka client of a probe: it writes rounds of records and observes the partitions."""

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
from provision.kafka.retention.probe.trace import LoggedRecord, Look, ReadRecord, Round
from provision.kafka.retention.probe.workload import KeyValue, round_values

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

MAX_BATCH_BYTES = 16384
"""Bytes of a batch at most, the library's default."""

INVALID_RECORD = 87
"""INVALID_RECORD (org.apache.kafka.common.protocol.Errors)."""


def now() -> float:
    """The monotonic clock in milliseconds."""
    return time.monotonic() * 1000


@dataclass(frozen=True)
class ProbeClient:
    """A producer, a consumer and an administrator of a cluster."""

    admin: KafkaAdminClient
    producer: KafkaProducer
    consumer: KafkaConsumer

    def write(self, probe: Probe) -> None:
        """Write the next round into all partitions.

        The round after it is due when the segment of this round is too old.
        """
        for part, trace in probe.traces.items():
            if values := round_values(probe.design, part, probe.number):
                trace.rounds.append(Round(tuple(self._send(probe.partition(part), values))))
        probe.number += 1
        probe.due = now() + probe.design.interval

    def _send(
        self, partition: TopicPartition, values: Iterable[KeyValue]
    ) -> Iterator[LoggedRecord]:
        pending = []
        for key, value in values:
            sent = now()
            future = self.producer.send(partition.topic, value, key, partition=partition.partition)
            pending.append((key, value, sent, future))
        for key, value, sent, future in pending:
            offset = future.get(ADMIN_TIMEOUT).offset
            yield LoggedRecord(offset, key, value, sent, now())

    def look(self, probe: Probe) -> None:
        """Observe each partition."""
        for part, trace in probe.traces.items():
            partition = probe.partition(part)
            began = now()
            start = self.consumer.beginning_offsets([partition])[partition]
            end = self.consumer.end_offsets([partition])[partition]
            records = tuple(self._read(partition, start, end)) if part is Part.KEYS else ()
            size = self._size(partition, probe.first[0]) if part is Part.SIZE else 0
            trace.looks.append(Look(began, now(), len(trace.rounds), start, end, records, size))

    def _read(self, partition: TopicPartition, start: int, end: int) -> Iterator[ReadRecord]:
        """All records from the earliest offset to the end, committed or not."""
        self.consumer.assign([partition])
        self.consumer.seek(partition, start)
        deadline = time.monotonic() + ADMIN_TIMEOUT
        while self.consumer.position(partition) < end:
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(
                    f"{partition.topic} could not be read to its end within {ADMIN_TIMEOUT:g} s"
                )
            for record in self.consumer.poll(timeout_ms=500).get(partition, []):
                if record.offset < end:
                    yield record.offset, record.key, record.value

    def _size(self, partition: TopicPartition, broker: int) -> int:
        """The bytes of the partition on the broker, without deleted files."""
        (answer,) = self.admin.describe_log_dirs([partition.topic], [broker])
        return sum(
            log["partition_size"]
            for folder in answer["log_dirs"]
            for topic in folder["topics"]
            if topic["name"] == partition.topic
            for log in topic["partitions"]
            if log["partition_index"] == partition.partition
        )


@contextmanager
def client(login: Login, admin: KafkaAdminClient, probes: Iterable[Probe]) -> Iterator[ProbeClient]:
    """A client for these probes, with batches small enough for their topics.

    The producer is idempotent. Otherwise a retry could write a record twice, at an offset that the
    producer does not know.
    """
    from kafka import KafkaConsumer, KafkaProducer

    batch = min([MAX_BATCH_BYTES, *(probe.design.topic.max_message_bytes // 2 for probe in probes)])
    common = {**settings(login), "allow_auto_create_topics": False}
    with (
        closing(
            KafkaProducer(**common, acks="all", enable_idempotence=True, batch_size=batch)
        ) as producer,
        closing(KafkaConsumer(**common, enable_auto_commit=False)) as consumer,
    ):
        yield ProbeClient(admin, producer, consumer)


def without_key(login: Login, probe: Probe) -> str:
    """The broker's error for a record without a key, empty where it accepts the record.

    The producer is not idempotent: it need not keep the record for a retry.
    """
    from kafka import KafkaProducer

    partition = probe.partition(Part.KEYS)
    common = {**settings(login), "allow_auto_create_topics": False}
    with closing(KafkaProducer(**common, acks="all", enable_idempotence=False)) as producer:
        try:
            producer.send(partition.topic, b"no key", partition=partition.partition).get(
                ADMIN_TIMEOUT
            )
        except KafkaError as error:
            if getattr(error, "errno", 0) == INVALID_RECORD:
                return "INVALID_RECORD"
            return str(error) or type(error).__name__
    return ""
