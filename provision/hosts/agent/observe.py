"""Look at a host: its facts, and the state of everything it should have. One exec, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from provision.core.errors import HostError
from provision.core.facts import Facts
from provision.desired.items import DesiredHost
from provision.hosts.agent import program
from provision.hosts.channel import Channel, Session
from provision.hosts.protocol import (
    LedgerEntry,
    LockHolder,
    ProtocolError,
    decode_drains,
    decode_facts,
    decode_ledger,
    decode_line,
    decode_lock,
    encode_request,
)

_DROPPED = "the connection was lost while looking at the host; nothing was changed"


@dataclass(frozen=True)
class ObservedItem:
    """What was found of one item.

    `attributes` has the keys of the desired item's `attributes()`, or is None where the item is absent. What stands at
    a file's path but is no regular file has `{"type": "other"}`. `content` is a file's bytes where they differ from
    the desired ones and are at most 1 MiB.
    """

    kind: str
    name: str
    attributes: Mapping[str, str] | None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Observed:
    """A host as it was found. `items` holds the desired ones and those of the ledger, by kind and name.

    `unfinished` is a run that was cut off there and neither kept nor undone yet; `generation` the newest confirmed one,
    0 where there is none. `drained` are the real servers that get no new connections from it, with who drained them and
    when; under `.` is the same of the host itself. `table` are the lines of `ipvsadm --save --numeric`, `loopback` the
    global addresses on lo, `entries` what lies in the folders of `protocol.folders`.
    """

    facts: Facts
    items: Mapping[tuple[str, str], ObservedItem]
    ledger: tuple[LedgerEntry, ...] = ()
    lock: LockHolder | None = None
    unfinished: LockHolder | None = None
    generation: int = 0
    drained: Mapping[str, str] = field(default_factory=dict)
    table: tuple[str, ...] = ()
    loopback: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()


def observe(
    session: Session, render: Callable[[Facts], DesiredHost]
) -> tuple[DesiredHost, Observed]:
    """Ask the host for its facts, render for them, and ask for the state of the result: one exec.

    Raises HostError (or what `render` raises) with the host untouched.
    """
    channel = session.run_agent(program("observe"))
    try:
        seen = _read_facts(session.host, channel)
        desired = render(seen.facts)
        channel.send(encode_request(desired, seen.ledger))
        items, others = _read_items(session.host, channel)
    except ProtocolError as error:
        raise HostError(session.host, str(error), "nothing was changed") from error
    finally:
        channel.close()
    return desired, replace(
        seen,
        items=MappingProxyType(items),
        table=tuple(others["table"]),
        loopback=tuple(others["loopback"]),
        entries=tuple(others["entry"]),
    )


def _next(host: str, channel: Channel) -> tuple[str, ...]:
    line = channel.read_line()
    if line is None or not line.endswith(b"\n"):
        raise HostError(host, _DROPPED)
    fields = decode_line(line)
    if fields[0] == "error":
        raise HostError(host, " ".join(fields[1:]), "nothing was changed")
    return fields


def _read_facts(host: str, channel: Channel) -> Observed:
    """What the host tells before it is asked for any item."""
    facts: list[Sequence[str]] = []
    ledger: list[LedgerEntry] = []
    lock = unfinished = None
    generation = 0
    drained: list[str] = []
    while (fields := _next(host, channel))[0] != "facts-end":
        if fields[0] == "fact":
            facts.append(fields[1:])
        elif fields[0] == "ledger":
            ledger.append(decode_ledger(fields[1:]))
        elif fields[0] == "lock":
            lock = decode_lock(fields[1:])
        elif fields[0] == "unfinished":
            unfinished = decode_lock(fields[1:])
        elif fields[0] == "generation":
            generation = int(fields[1])
        elif fields[0] == "drained":
            drained.append(fields[1])
        else:
            raise ProtocolError(f"the agent answered {fields[0]!r} in place of a fact")
    return Observed(
        decode_facts(facts), {}, tuple(ledger), lock, unfinished, generation, decode_drains(drained)
    )


def _read_items(
    host: str, channel: Channel
) -> tuple[dict[tuple[str, str], ObservedItem], Mapping[str, list[str]]]:
    """The items asked for, and what there is besides, by kind: table, loopback, entry."""
    items: dict[tuple[str, str], ObservedItem] = {}
    others: dict[str, list[str]] = {"table": [], "loopback": [], "entry": []}
    while (fields := _next(host, channel))[0] != "end":
        if fields[0] in others:
            others[fields[0]].append(fields[1])
            continue
        item = _decode_item(fields, channel)
        items[item.kind, item.name] = item
    return items, others


def _decode_item(fields: Sequence[str], channel: Channel) -> ObservedItem:
    try:
        kind, name, state, *rest = fields
        if kind == "file":
            return _decode_file(name, state, rest, channel)
        if kind == "sysctl":
            return ObservedItem(kind, name, {"value": rest[0]} if state == "yes" else None)
        if kind == "address":
            return ObservedItem(kind, name, {"device": state} if state else None)
        if kind == "unit":
            return ObservedItem(
                kind, name, {"enabled": state, "active": rest[0], "current": rest[1]}
            )
        if kind in ("package", "module"):
            return ObservedItem(kind, name, {} if state == "yes" else None)
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"the agent's answer cannot be read: {fields!r}") from error
    raise ProtocolError(f"the agent answered {kind!r}, which is no kind of item")


def _decode_file(name: str, state: str, rest: Sequence[str], channel: Channel) -> ObservedItem:
    if state != "file":
        return ObservedItem("file", name, None if state == "absent" else {"type": "other"})
    digest, mode, owner, group, length = rest
    content = channel.read_exact(int(length)) if int(length) else None
    attributes = {"sha256": digest, "mode": mode.zfill(4), "owner": owner, "group": group}
    return ObservedItem("file", name, attributes, content)
