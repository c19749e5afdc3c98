"""One marked record in each topic: written as a producer writes, and read back as a consumer of the group reads.

A group that has members is not joined: that would take partitions from them. Nothing is committed, so that no group's
position moves.
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
from provision.kafka.verify.checks import ACKNOWLEDGED, GROUP_DENIED, MADE_UP, READ
from provision.kafka.verify.model import KafkaCheckResult
from provision.kafka.verify.refusals import Seen, VerifyEnvironment, heartbeat

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

KEY = MADE_UP.encode()
"""The key of all marked records, so that a compacted topic keeps one of them."""

POLL = 500
"""Milliseconds of one wait for records."""

SOCKET = 5000
"""Milliseconds for one request."""


@dataclass(frozen=True)
class ProducedRecord:
    """A record that is in a topic."""

    topic: str
    partition: int
    offset: int
    mark: bytes


@contextmanager
def _told() -> Iterator[None]:
    """What the library fails with, as a refusal by Kafka's name of the error."""
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

    Not idempotently: without any right to write, a broker would refuse the producer's number by another name.
    """
    from kafka import KafkaProducer

    mark = secrets.token_hex(12).encode()
    patience = int(CONNECTION_TIMEOUT * 1000)
    logged_in(login).close()  # the library would try for its whole time, and could not say why
    more = {
        "acks": "all",
        "request_timeout_ms": SOCKET,
        "delivery_timeout_ms": patience,
        "max_block_ms": patience,
    }
    with _told():
        producer = KafkaProducer(
            **{**settings(login), **more},
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
    """Read these records from where they are; `join` makes the reader a member of its group. Raises Refused."""
    from kafka import KafkaConsumer, TopicPartition

    until = time.monotonic() + CONNECTION_TIMEOUT
    logged_in(login).close()
    wanted = {TopicPartition(each.topic, each.partition): each for each in records}
    more = {
        "request_timeout_ms": SOCKET,
        "enable_auto_commit": False,
        "auto_offset_reset": "latest",
    }
    with _told():
        consumer = KafkaConsumer(
            **{**settings(login), **more},
            group_id=group or None,
            max_poll_records=50,
            metrics_enabled=False,
        )
        try:
            if join:
                _joined(consumer, wanted, until)
            else:
                consumer.assign(list(wanted))
            _find(consumer, wanted, until)
        finally:
            consumer.close(autocommit=False, timeout_ms=SOCKET)


def _joined(
    consumer: KafkaConsumer, wanted: dict[TopicPartition, ProducedRecord], until: float
) -> None:
    """Become a member of the group, and have it give this one the partitions."""
    consumer.subscribe(sorted({each.topic for each in wanted}))
    while not set(wanted) <= consumer.assignment():
        if time.monotonic() > until:
            raise Refused(SILENT, "the group has given out no partitions")
        consumer.poll(timeout_ms=POLL)
    if others := consumer.assignment() - set(wanted):
        consumer.pause(*others)


def _find(
    consumer: KafkaConsumer, wanted: dict[TopicPartition, ProducedRecord], until: float
) -> None:
    for place, record in wanted.items():
        consumer.seek(place, record.offset)
    missing = dict(wanted)
    while missing:
        if time.monotonic() > until:
            raise Refused(SILENT, f"no record at {next(iter(missing.values()))}")
        for place, found in consumer.poll(timeout_ms=POLL).items():
            if any(each.value == wanted[place].mark for each in found if place in wanted):
                missing.pop(place, None)
                consumer.pause(place)


@dataclass
class Records:
    """The marked records of a run, by topic: those of the checks, else the admin's own.

    `busy` are the groups that have members, None where that is not known.
    """

    site: VerifyEnvironment
    busy: frozenset[str] | None
    _known: dict[str, ProducedRecord] = field(default_factory=dict)
    _locks: dict[tuple[str, str], threading.Lock] = field(default_factory=dict)

    def produce(self, check: KafkaCheckResult) -> Seen:
        """Whether the user's record is acknowledged. Raises Refused."""
        record = write(self.site.login(check), check.names[0])
        self._known[record.topic] = record
        return ACKNOWLEDGED, f"partition {record.partition}, offset {record.offset}"

    def consume(self, check: KafkaCheckResult) -> Seen:
        """Whether the user reads a record of each topic, as a member of the group where nobody else is one."""
        group, *topics = check.names
        login, records = self.site.login(check), [self._record(topic) for topic in topics]
        if not group:
            read(login, group, records, join=False)
            return READ, ""
        if self.busy is None or group in self.busy:
            if heartbeat(login, (group,))[group] == GROUP_DENIED:
                raise Refused(GROUP_DENIED)
            read(login, group, records, join=False)
            why = "it has members" if self.busy else "whether it has members is not known"
            return READ, f"the group was not joined: {why}"
        with self._lock("group", group):
            read(login, group, records, join=True)
        return READ, ""

    def _record(self, topic: str) -> ProducedRecord:
        with self._lock("topic", topic):
            if topic not in self._known:
                self._known[topic] = write(self.site.admin, topic)
            return self._known[topic]

    def _lock(self, kind: str, name: str) -> threading.Lock:
        return self._locks.setdefault((kind, name), threading.Lock())
