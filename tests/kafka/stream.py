"""A producer that sends all the time (acks=all, idempotent), with the results of its records."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from itertools import pairwise
from types import TracebackType

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from provision.kafka.admin import settings
from provision.kafka.client_file import Login
from tests.waiting import wait_until

SEND_INTERVAL = 0.01
"""Seconds between two records."""


class Stream:
    """Sends numbered records to a topic during the block.

    After the block `acknowledged` and `failed` are complete.
    """

    def __init__(self, login: Login, topic: str) -> None:
        logging.getLogger("kafka").propagate = False
        options = {
            "acks": "all",
            "enable_idempotence": True,
            "metadata_max_age_ms": 5000,
            "request_timeout_ms": 10000,
        }
        self._producer = KafkaProducer(**{**settings(login), **options})
        self._topic = topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, daemon=True)
        self.acknowledged: dict[int, float] = {}
        self.failed: dict[int, str] = {}
        self.sent = 0

    def __enter__(self) -> Stream:
        self._thread.start()
        wait_until(lambda: self.acknowledged or self.failed, 30, what="an acknowledgement")
        assert not self.failed, self.failed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(120)
        self._producer.close(10)

    def _produce(self) -> None:
        while not self._stop.wait(SEND_INTERVAL):
            number = self.sent
            self.sent += 1
            try:
                future = self._producer.send(self._topic, b"%d" % number, b"%d" % (number % 97))
            except KafkaError as error:
                self.failed[number] = repr(error)
                continue
            future.add_callback(
                lambda _, number=number: self.acknowledged.setdefault(number, time.monotonic())
            )
            future.add_errback(
                lambda error, number=number: self.failed.setdefault(number, repr(error))
            )

    @property
    def longest_gap(self) -> float:
        """The longest time between two acknowledgements, in seconds."""
        times = sorted(self.acknowledged.values())
        return max((after - before for before, after in pairwise(times)), default=0.0)


def consumed(login: Login, topic: str) -> Counter[int]:
    """Read the topic up to its current end; return how often it has every number."""
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "group_id": None}
    consumer = KafkaConsumer(**{**settings(login), **options})
    try:
        parts = [
            TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(parts)
        ends = consumer.end_offsets(parts)
        counts: Counter[int] = Counter()
        deadline = time.monotonic() + 60
        while any(consumer.position(part) < end for part, end in ends.items()):
            assert time.monotonic() < deadline, "the topic cannot be read to its end"
            for records in consumer.poll(500).values():
                counts.update(int(record.value) for record in records)
        return counts
    finally:
        consumer.close()
