"""A retention plan as lines of at most 80 columns and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.core.terminal import BOLD, RED, YELLOW, Line, wrapped
from provision.kafka.retention.model import FOREVER
from provision.kafka.retention.plan import RetentionPlan, Room
from provision.kafka.retention.rules import Severity

COLOURS = {Severity.REFUSED: RED, Severity.WARNING: YELLOW, Severity.POINTLESS: ""}


def duration(ms: int | None) -> str:
    """A duration as text: `7 d 12 h`, `15 min`, `0.5 s`.

    The second unit is rounded up, since the duration is a bound.
    """
    if ms is None or ms >= FOREVER // 2:
        return "no bound"
    if ms < 60_000:
        return f"{ms / 1000:g} s"
    for unit, size, small_unit, small_size in (
        ("d", 86_400_000, "h", 3_600_000),
        ("h", 3_600_000, "min", 60_000),
    ):
        if ms >= size:
            count, remainder = divmod(ms, size)
            small = -(-remainder // small_size)
            count, small = (count + 1, 0) if small * small_size == size else (count, small)
            return f"{count} {unit} {small} {small_unit}" if small else f"{count} {unit}"
    return f"{-(-ms // 60_000)} min"


def size(count: int | None) -> str:
    """A number of bytes as text: `1.5 GiB`."""
    if count is None:
        return "no bound"
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.1f} {unit}" if unit != "B" else f"{count} B"
        number /= 1024
    return f"{number:.1f} TiB"


def lines(plan: RetentionPlan, room: Room) -> Iterator[Line]:
    """The plan of a topic; `room` has the bytes that each broker has for it."""
    topic = plan.topic
    yield f"{topic.name}: cleanup.policy {','.join(sorted(topic.policies))}", BOLD
    rule = f" (by {plan.replica.rule})" if plan.replica else ""
    replica = size(plan.replica.bytes if plan.replica else None)
    yield f"  a replica takes at most        {replica}{rule}", ""
    for broker, count in plan.brokers.items():
        lacks_room = plan.lacks_room(broker, room)
        colour = RED if lacks_room else YELLOW if broker not in room else ""
        remark = _room_remark(broker, room, lacks_room)
        yield f"  all on broker {broker:<3}              {size(count)}{remark}", colour
    if topic.deletes:
        longest = (
            "no bound: passes merge it with newer records"
            if topic.compacts
            else f"{duration(plan.readable)} at most"
        )
        yield f"  a record can be read for       {longest}", ""
        yield f"  its bytes are free after       {duration(plan.freed)}", ""
    if topic.compacts:
        yield f"  an older value is gone after   {duration(plan.superseded)}", ""
        readable = duration(topic.delete_retention)
        yield f"  a tombstone can be read for    {readable} after its first pass", ""
        yield f"  and is gone after              {duration(plan.tombstone)}", ""
        passes = f"; all in {plan.passes}" if plan.passes else ""
        yield f"  keys that one pass can hold    {plan.keys_per_pass}{passes}", ""
        yield "  records without a key          are refused", ""
    yield from wrapped(
        f"advice: {plan.advice.policy}: {plan.advice.reason}", "", first="  ", rest="    "
    )
    for item in plan.contradictions:
        text = f"{item.severity}: {item.rule}: {item.problem}; {item.fix} ({item.source})"
        yield from wrapped(text, COLOURS[item.severity], first="  ", rest="    ")


def _room_remark(broker: int, room: Room, lacks_room: bool) -> str:
    """The remark on a broker's room: that it is too little, or unknown."""
    if broker not in room:
        return "; room unknown (no answer)"
    if room[broker] is None:
        return "; room unknown (before 3.3)"
    return f", but there is room for only {size(room[broker])}" if lacks_room else ""


def document(plan: RetentionPlan, room: Room) -> dict[str, Any]:
    """The plan as JSON: times in milliseconds, sizes in bytes.

    null means that there is no bound, or that a figure is missing. `room_bytes` is null where it is
    unknown; `unseen` are the brokers of the topic that did not answer.
    """
    return {
        "topic": plan.topic.name,
        "cleanup_policy": sorted(plan.topic.policies),
        "replica_bytes": plan.replica.bytes if plan.replica else None,
        "bounded_by": plan.replica.rule if plan.replica else None,
        "broker_bytes": {str(broker): count for broker, count in plan.brokers.items()},
        "room_bytes": {str(broker): room.get(broker) for broker in plan.brokers},
        "unseen": list(plan.unseen(room)),
        "readable_ms": plan.readable,
        "freed_ms": plan.freed,
        "superseded_ms": plan.superseded,
        "tombstone_ms": plan.tombstone,
        "keys_per_pass": plan.keys_per_pass,
        "passes": plan.passes,
        "advice": {"policy": plan.advice.policy, "why": plan.advice.reason},
        "contradictions": [
            {
                "rule": item.rule,
                "weight": item.severity,
                "what": item.problem,
                "fix": item.fix,
                "source": item.source,
            }
            for item in plan.contradictions
        ],
    }
