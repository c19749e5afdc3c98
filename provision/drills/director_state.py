"""What a watched director was seen to be at a moment, and how sights become spans. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from provision.drills.result import Span
from provision.drills.table import Entry, hosts_of
from provision.formats.ip_addr import live_address
from provision.inventory.frontends import ResolvedFrontend


@dataclass(frozen=True)
class DirectorState:
    """A director from `at` on: the addresses it holds outside the loopback, and the weights in its table."""

    host: str
    at: float
    held: frozenset[str] = frozenset()
    table: Mapping[Entry, int] = field(default_factory=dict)

    def with_address_line(self, line: str, at: float) -> DirectorState:
        """The sight after a line of `ip -o address show` or `ip -o monitor address`; others change nothing."""
        gone = line.startswith("Deleted ")
        live = live_address(line.removeprefix("Deleted "))
        if live is None or live.interface == "lo":
            return self
        address = {live.address}
        return replace(self, at=at, held=self.held - address if gone else self.held | address)


def spans(
    sights: Sequence[DirectorState],
    frontend: ResolvedFrontend,
    until: float,
    clock: Callable[[float], float],
) -> tuple[Span, ...]:
    """Who held each VIP and which weight each real server had, on the axis that `clock` maps to.

    The last sight of a director holds to `until`.
    """
    return tuple(
        replace(span, start=clock(span.start), end=clock(span.end))
        for director in frontend.directors
        for span in _of_director(
            [sight for sight in sights if sight.host == director.host], frontend, until
        )
    )


def _of_director(
    sights: Sequence[DirectorState], frontend: ResolvedFrontend, until: float
) -> Iterator[Span]:
    if not sights:
        return
    host = sights[0].host
    for vip in (str(vip.address) for vip in frontend.vips):
        states = [(sight.at, vip if vip in sight.held else None) for sight in sights]
        yield from (Span("holder", host, vip, start, end) for _, start, end in _runs(states, until))
    owners = hosts_of(frontend)
    for server in frontend.real_servers:
        mine = [entry for entry, name in owners.items() if name == server]
        weights = [(sight.at, _weight(sight, mine)) for sight in sights]
        yield from (
            Span("health", server, value, start, end, host)
            for value, start, end in _runs(weights, until)
        )


def _weight(sight: DirectorState, entries: Iterable[Entry]) -> str:
    """The least of a real server's weights, empty where one of its services lacks it."""
    weights = [sight.table.get(entry) for entry in entries]
    known = [weight for weight in weights if weight is not None]
    return str(min(known)) if known and len(known) == len(weights) else ""


def _runs(
    states: Sequence[tuple[float, str | None]], until: float
) -> Iterator[tuple[str, float, float]]:
    """From when to when each value stayed; None is no span."""
    began, now = states[0]
    for at, value in (*states[1:], (until, object())):
        if value != now:
            if now is not None and at > began:
                yield now, began, at
            began, now = at, value  # type: ignore[assignment]  # the sentinel ends the loop


def shared(found: Iterable[Span], since: float) -> float:
    """Seconds after `since` during which two directors or more held the same VIP."""
    holders = [span for span in found if span.kind == "holder" and span.end > since]
    return sum(
        _overlap([span for span in holders if span.value == vip], since)
        for vip in dict.fromkeys(span.value for span in holders)
    )


def _overlap(found: Sequence[Span], since: float) -> float:
    edges = sorted(
        [(max(span.start, since), 1) for span in found] + [(span.end, -1) for span in found]
    )
    total, holding, before = 0.0, 0, since
    for at, step in edges:
        if holding > 1:
            total += at - before
        holding, before = holding + step, at
    return total
