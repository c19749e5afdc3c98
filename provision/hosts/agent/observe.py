"""Observes a host: its facts, and the state of all desired items. One exec; nothing is changed."""

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

_DROPPED = "the connection was lost while hactl read the host's state; nothing was changed"


@dataclass(frozen=True)
class ObservedItem:
    """The state of one item on the host.

    `attributes` has the keys of the desired item's `attributes()`. It is None if the item is
    absent, and `{"type": "other"}` if the path of a file holds no regular file. `content` is the
    content of a file that differs from the desired content and has at most 1 MiB.
    """

    kind: str
    name: str
    attributes: Mapping[str, str] | None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Observed:
    """The state of a host.

    `items` holds the desired items and those of the ledger, by kind and name. `unfinished` is an
    interrupted run that is neither kept nor rolled back yet. `generation` is the newest confirmed
    generation, 0 for none. `drained` maps drained real servers to the operator and the time of the
    drain; the key `.` stands for the host itself. `table` has the lines of
    `ipvsadm --save --numeric`, `loopback` the global addresses on lo, and `entries` the paths in
    the folders of `protocol.folders`.
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
    """Read the host's facts, render the desired state for them, and read its items. One exec.

    Raises:
        HostError: the host cannot be read; it is unchanged. Errors of `render` are raised as well.
    """
    channel = session.run_agent(program("observe"))
    try:
        observed = _read_facts(session.host, channel)
        desired = render(observed.facts)
        channel.send(encode_request(desired, observed.ledger))
        items, others = _read_items(session.host, channel)
    except ProtocolError as error:
        raise HostError(session.host, str(error), "nothing was changed") from error
    finally:
        channel.close()
    return desired, replace(
        observed,
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
    """Read what the host prints before it is asked for items: facts, ledger, lock and drains."""
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
    """Read the requested items, and the unrequested lines by kind: table, loopback, entry."""
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
        kind, name, state, *values = fields
        if kind == "file":
            return _decode_file(name, state, values, channel)
        if kind == "sysctl":
            return ObservedItem(kind, name, {"value": values[0]} if state == "yes" else None)
        if kind == "address":
            return ObservedItem(kind, name, {"device": state} if state else None)
        if kind == "unit":
            return ObservedItem(
                kind, name, {"enabled": state, "active": values[0], "current": values[1]}
            )
        if kind in ("package", "module"):
            return ObservedItem(kind, name, {} if state == "yes" else None)
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"the agent's answer cannot be read: {fields!r}") from error
    raise ProtocolError(f"the agent answered {kind!r}, which is no kind of item")


def _decode_file(name: str, state: str, values: Sequence[str], channel: Channel) -> ObservedItem:
    if state != "file":
        return ObservedItem("file", name, None if state == "absent" else {"type": "other"})
    digest, mode, owner, group, length = values
    content = channel.read_exact(int(length)) if int(length) else None
    attributes = {"sha256": digest, "mode": mode.zfill(4), "owner": owner, "group": group}
    return ObservedItem("file", name, attributes, content)
