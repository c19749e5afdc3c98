"""The retention plan of a topic: disk space, deadlines, advice, contradictions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.kafka.retention.deadlines import readable, superseded, tombstone_gone
from provision.kafka.retention.model import Cleaner, RetentionTopic, Use
from provision.kafka.retention.rules import Contradiction, Severity, contradictions
from provision.kafka.retention.volume import Volume, keys_per_pass, passes, replica_bytes

Room = Mapping[int, int | None]
"""The bytes that brokers have for a topic.

None for a broker that does not report them; a broker that did not answer is missing.
"""


@dataclass(frozen=True)
class Advice:
    """The cleanup.policy that suits the use, and the reason."""

    policy: str
    reason: str


@dataclass(frozen=True)
class RetentionPlan:
    """The bounds of a topic: times in milliseconds, sizes in bytes.

    None means that there is no bound, or that a figure is missing. `freed` is `readable` plus the
    time until the files are deleted.
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
        """Whether Kafka accepts the parameters, and no broker is known to have too little room."""
        refused = any(
            contradiction.severity is Severity.REFUSED for contradiction in self.contradictions
        )
        return not refused and not any(self.lacks_room(broker, room) for broker in self.brokers)

    def lacks_room(self, broker: int, room: Room) -> bool:
        """Whether a broker is known to have too little room."""
        available = room.get(broker)
        return available is not None and self.brokers[broker] > available

    def unseen(self, room: Room) -> tuple[int, ...]:
        """The brokers of the topic that did not answer, so that their room is unknown."""
        return tuple(broker for broker in self.brokers if broker not in room)


def plan(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> RetentionPlan:
    """The plan of a topic with these parameters and this use."""
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
    """The policy that suits the use; `delete` if the use is unknown.

    Compaction pays if it leaves less than half of the records that deletion would keep. If the keys
    do not fit into a single pass, compaction lags behind, and deletion should bound the topic, too.
    """
    if use.keys is None or use.record_bytes is None or not use.rate:
        return Advice(
            "delete",
            "suits records that are events; for advice on compaction give --rate, --keys and "
            "--record-bytes",
        )
    kept = readable(RetentionTopic(topic.name, retention_ms=topic.retention_ms), cleaner, use)
    records = None if kept is None else max(1, int(use.rate * kept / 1000 / use.record_bytes))
    if records is not None and use.keys * 2 > records:
        return Advice(
            "delete",
            f"{use.keys} keys in {records} records: compaction would keep more than half of them",
        )
    if (passes(cleaner, use) or 1) > 1:
        return Advice(
            "compact,delete", "many records per key, but more keys than a cleaner pass can hold"
        )
    instead = "" if records is None else f" instead of {records} records"
    return Advice(
        "compact", f"keeps {use.keys} values{instead}, if only the last value of a key counts"
    )
