"""Writes a marked record to every topic, and reads the records back as a consumer of the group.

A reader does not join a group that has members, because it would take partitions from them. It
commits nothing, so that no group's offset moves.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.kafka.admin import settings
from provision.kafka.client_file import Login
from provision.kafka.raw_client import CONNECTION_TIMEOUT, SILENT, Refused, logged_in
from provision.kafka.verify.checks import ACKNOWLEDGED, GROUP_DENIED, PROBE_NAME, READ
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.refusals import Answer, VerifyEnvironment, heartbeat

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

KEY = PROBE_NAME.encode()
"""The key of all marked records, so that compaction keeps only the last of them."""

POLL_MS = 500
"""Milliseconds of a poll for records."""

REQUEST_TIMEOUT_MS = 5000
"""Milliseconds for a request."""


@dataclass(frozen=True)
class ProducedRecord:
    """A record in a topic."""

    topic: str
    partition: int
    offset: int
    mark: bytes


@contextmanager
def _client_errors() -> Iterator[None]:
    """Turn the client library's errors into refusals with Kafka's names of the errors."""
    from kafka.errors import KafkaError, KafkaTimeoutError

    try:
        yield
    except KafkaTimeoutError as error:
        raise Refused(SILENT, " ".join(map(str, error.args))) from None
    except KafkaError as error:
        word = getattr(error, "message", "") or type(error).__name__
        raise Refused(str(word), " ".join(map(str, error.args))) from None


def write(login: Login, topic: str) -> ProducedRecord:
    """Write a marked record that all replicas in sync acknowledge. Raises Refused.

    The producer is not idempotent: a broker refuses an idempotent producer with another error if
    the user may not write at all.
    """
    from kafka import KafkaProducer

    mark = secrets.token_hex(12).encode()
    timeout = int(CONNECTION_TIMEOUT * 1000)
    logged_in(login).close()  # the library would retry for its whole time-out without a reason
    options = {
        "acks": "all",
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "delivery_timeout_ms": timeout,
        "max_block_ms": timeout,
    }
    with _client_errors():
        producer = KafkaProducer(
            **{**settings(login), **options},
            allow_auto_create_topics=False,
            enable_idempotence=False,
            metrics_enabled=False,
        )
        try:
            sent = producer.send(topic, key=KEY, value=mark).get(timeout=CONNECTION_TIMEOUT)
        finally:
            producer.close(timeout=0)
    return ProducedRecord(topic, sent.partition, sent.offset, mark)


def read(login: Login, group: str, records: list[ProducedRecord], *, join: bool) -> None:
    """Read records at their offsets; with `join`, as a member of the group. Raises Refused."""
    from kafka import KafkaConsumer, TopicPartition

    deadline = time.monotonic() + CONNECTION_TIMEOUT
    logged_in(login).close()
    by_partition = {TopicPartition(record.topic, record.partition): record for record in records}
    options = {
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "enable_auto_commit": False,
        "auto_offset_reset": "latest",
    }
    with _client_errors():
        consumer = KafkaConsumer(
            **{**settings(login), **options},
            group_id=group or None,
            max_poll_records=50,
            metrics_enabled=False,
        )
        try:
            if join:
                _join_group(consumer, by_partition, deadline)
            else:
                consumer.assign(list(by_partition))
            _read_all(consumer, by_partition, deadline)
        finally:
            consumer.close(autocommit=False, timeout_ms=REQUEST_TIMEOUT_MS)


def _join_group(
    consumer: KafkaConsumer, expected: dict[TopicPartition, ProducedRecord], deadline: float
) -> None:
    """Join the group, and wait until it assigns the partitions of the expected records."""
    consumer.subscribe(sorted({partition.topic for partition in expected}))
    while not set(expected) <= consumer.assignment():
        if time.monotonic() > deadline:
            raise Refused(SILENT, "the group has assigned no partitions")
        consumer.poll(timeout_ms=POLL_MS)
    if others := consumer.assignment() - set(expected):
        consumer.pause(*others)


def _read_all(
    consumer: KafkaConsumer, expected: dict[TopicPartition, ProducedRecord], deadline: float
) -> None:
    for partition, record in expected.items():
        consumer.seek(partition, record.offset)
    missing = dict(expected)
    while missing:
        if time.monotonic() > deadline:
            raise Refused(SILENT, f"no record at {next(iter(missing.values()))}")
        for partition, records in consumer.poll(timeout_ms=POLL_MS).items():
            if partition in expected and any(
                record.value == expected[partition].mark for record in records
            ):
                missing.pop(partition, None)
                consumer.pause(partition)


@dataclass
class Records:
    """The marked records of a run by topic; the admin writes those that no check has written.

    `busy` are the groups that have members; None if unknown.
    """

    environment: VerifyEnvironment
    busy: frozenset[str] | None
    _known: dict[str, ProducedRecord] = field(default_factory=dict)
    _locks: dict[tuple[str, str], threading.Lock] = field(default_factory=dict)

    def produce(self, check: KafkaCheckResult) -> Answer:
        """Write a record as the user. Raises Refused."""
        record = write(self.environment.login(check), check.names[0])
        self._known[record.topic] = record
        return ACKNOWLEDGED, f"partition {record.partition}, offset {record.offset}"

    def consume(self, check: KafkaCheckResult) -> Answer:
        """Read a record of every topic as the user; join the group if it has no members."""
        group, *topics = check.names
        login, records = self.environment.login(check), [self._record(topic) for topic in topics]
        if not group:
            read(login, group, records, join=False)
            return READ, ""
        if self.busy is None or group in self.busy:
            if heartbeat(login, (group,))[group] == GROUP_DENIED:
                raise Refused(GROUP_DENIED)
            read(login, group, records, join=False)
            reason = "it has members" if self.busy else "it is unknown whether it has members"
            return READ, f"the group was not joined: {reason}"
        with self._lock("group", group):
            read(login, group, records, join=True)
        return READ, ""

    def _record(self, topic: str) -> ProducedRecord:
        with self._lock("topic", topic):
            if topic not in self._known:
                self._known[topic] = write(self.environment.admin, topic)
            return self._known[topic]

    def _lock(self, kind: str, name: str) -> threading.Lock:
        return self._locks.setdefault((kind, name), threading.Lock())
