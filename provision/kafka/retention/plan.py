"""The whole plan of a topic: what it takes, how long what stays, which policy fits, what contradicts what. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.kafka.retention.deadlines import readable, superseded, tombstone_gone
from provision.kafka.retention.model import Cleaner, RetentionTopic, Use
from provision.kafka.retention.rules import Contradiction, Severity, contradictions
from provision.kafka.retention.volume import Volume, keys_per_pass, passes, replica_bytes

Room = Mapping[int, int | None]
"""The bytes that brokers have for a topic; None of one that does not tell, and none of one that did not answer."""


@dataclass(frozen=True)
class Advice:
    """The cleanup.policy that fits the use, and why."""

    policy: str
    why: str


@dataclass(frozen=True)
class RetentionPlan:
    """What `plan` finds; times in milliseconds, sizes in bytes, None where nothing bounds it or a figure is missing.

    `freed` is `readable` and the time until the files are gone.
    """

    topic: RetentionTopic
    replica: Volume | None
    brokers: Mapping[int, int]
    readable: int | None
    freed: int | None
    superseded: int | None
    tombstone: int | None
    keys_per_pass: int | None
    passes: int | None
    advice: Advice
    contradictions: tuple[Contradiction, ...]

    def fits(self, room: Room) -> bool:
        """Whether each broker has the room, as far as known, and Kafka takes the parameters."""
        refused = any(each.weight is Severity.REFUSED for each in self.contradictions)
        return not refused and not any(self.short(broker, room) for broker in self.brokers)

    def short(self, broker: int, room: Room) -> bool:
        """Whether a broker is known not to have the room."""
        known = room.get(broker)
        return known is not None and self.brokers[broker] > known

    def unseen(self, room: Room) -> tuple[int, ...]:
        """The brokers whose room is to be compared and that did not answer."""
        return tuple(broker for broker in self.brokers if broker not in room)


def plan(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> RetentionPlan:
    """The plan of a topic with these parameters under this use."""
    replica = replica_bytes(topic, cleaner, use)
    until = readable(topic, cleaner, use)
    return RetentionPlan(
        topic=topic,
        replica=replica,
        brokers={broker: count * replica.bytes for broker, count in use.replicas.items()}
        if replica
        else {},
        readable=until,
        freed=None if until is None else until + topic.file_delete_delay,
        superseded=superseded(topic, cleaner, use),
        tombstone=tombstone_gone(topic, cleaner, use),
        keys_per_pass=keys_per_pass(cleaner) if topic.compacts else None,
        passes=passes(cleaner, use) if topic.compacts else None,
        advice=advice(topic, cleaner, use),
        contradictions=contradictions(topic, cleaner, use),
    )


def advice(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Advice:
    """Compact where the keys are few against the records that deletion would keep; delete where nothing is known.

    Compaction pays when it leaves less than half of them. Where the keys do not fit into one pass it lags behind, and
    deletion should bound the topic as well.
    """
    if use.keys is None or use.record_bytes is None or not use.rate:
        return Advice(
            "delete",
            "fits records that are events; for the last value of each key tell keys, size and rate",
        )
    kept = readable(RetentionTopic(topic.name, retention_ms=topic.retention_ms), cleaner, use)
    records = None if kept is None else max(1, int(use.rate * kept / 1000 / use.record_bytes))
    if records is not None and use.keys * 2 > records:
        return Advice(
            "delete",
            f"{use.keys} keys in {records} records: compaction would leave more than half of them",
        )
    if (passes(cleaner, use) or 1) > 1:
        return Advice(
            "compact,delete", "few records a key, but more keys than a pass of the cleaner holds"
        )
    share = "" if records is None else f" instead of {records} records"
    return Advice("compact", f"{use.keys} values{share}, if only the last value of a key counts")
