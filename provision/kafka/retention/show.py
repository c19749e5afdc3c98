"""A plan as lines of at most 80 columns and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.core.terminal import BOLD, RED, YELLOW, Line, wrapped
from provision.kafka.retention.model import FOREVER
from provision.kafka.retention.plan import RetentionPlan, Room
from provision.kafka.retention.rules import Severity

COLOURS = {Severity.REFUSED: RED, Severity.WARNING: YELLOW, Severity.POINTLESS: ""}


def duration(ms: int | None) -> str:
    """Such as `7 d 12 h`, `15 min`, `0.5 s`; rounded up in its second unit, since it bounds something."""
    if ms is None or ms >= FOREVER // 2:
        return "no bound"
    if ms < 60_000:
        return f"{ms / 1000:g} s"
    for unit, size, below, part in (
        ("d", 86_400_000, "h", 3_600_000),
        ("h", 3_600_000, "min", 60_000),
    ):
        if ms >= size:
            whole, rest = divmod(ms, size)
            parts = -(-rest // part)
            whole, parts = (whole + 1, 0) if parts * part == size else (whole, parts)
            return f"{whole} {unit} {parts} {below}" if parts else f"{whole} {unit}"
    return f"{-(-ms // 60_000)} min"


def size(count: int | None) -> str:
    """Such as `1.5 GiB`."""
    if count is None:
        return "no bound"
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.1f} {unit}" if unit != "B" else f"{count} B"
        number /= 1024
    return f"{number:.1f} TiB"


def lines(plan: RetentionPlan, room: Room) -> Iterator[Line]:
    """The plan of one topic; `room` are the bytes that brokers have for it."""
    topic = plan.topic
    yield f"{topic.name}: cleanup.policy {','.join(sorted(topic.policies))}", BOLD
    rule = f" (by {plan.replica.rule})" if plan.replica else ""
    yield (
        f"  a replica takes at most        {size(plan.replica.bytes if plan.replica else None)}{rule}",
        "",
    )
    for broker, count in plan.brokers.items():
        short = plan.short(broker, room)
        colour = RED if short else YELLOW if broker not in room else ""
        yield (
            f"  all on broker {broker:<3}              {size(count)}{_beside(broker, room, short)}",
            colour,
        )
    if topic.deletes:
        most = (
            "no bound: passes put it with younger ones"
            if topic.compacts
            else f"{duration(plan.readable)} at most"
        )
        yield f"  a record can be read for       {most}", ""
        yield f"  its bytes are free after       {duration(plan.freed)}", ""
    if topic.compacts:
        yield f"  an older value is gone after   {duration(plan.superseded)}", ""
        yield (
            f"  a tombstone can be read for    {duration(topic.delete_retention)} after its first pass",
            "",
        )
        yield f"  and is gone after              {duration(plan.tombstone)}", ""
        passes = f"; all in {plan.passes}" if plan.passes else ""
        yield f"  keys that one pass can hold    {plan.keys_per_pass}{passes}", ""
        yield "  records without a key          are refused", ""
    yield from wrapped(
        f"advice: {plan.advice.policy}: {plan.advice.why}", "", first="  ", rest="    "
    )
    for each in plan.contradictions:
        text = f"{each.weight}: {each.rule}: {each.what}; {each.fix} ({each.source})"
        yield from wrapped(text, COLOURS[each.weight], first="  ", rest="    ")


def _beside(broker: int, room: Room, short: bool) -> str:
    """What there is to say of a broker's room: that it is too little, or unknown."""
    if broker not in room:
        return "; room unknown (no answer)"
    if room[broker] is None:
        return "; room unknown (before 3.3)"
    return f", and there is room for {size(room[broker])}" if short else ""


def document(plan: RetentionPlan, room: Room) -> dict[str, Any]:
    """The same as JSON; times in milliseconds, sizes in bytes, null where nothing bounds it or a figure is missing.

    `room_bytes` is null where it is unknown; `unseen` are the brokers among these that did not answer.
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
        "advice": {"policy": plan.advice.policy, "why": plan.advice.why},
        "contradictions": [
            {
                "rule": each.rule,
                "weight": each.weight,
                "what": each.what,
                "fix": each.fix,
                "source": each.source,
            }
            for each in plan.contradictions
        ],
    }
