"""The observed state of a director over time, and the spans that follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from provision.drills.result import Span
from provision.drills.table import Entry, hosts_of
from provision.formats.ip_addr import live_address
from provision.inventory.frontends import ResolvedFrontend


@dataclass(frozen=True)
class DirectorState:
    """A director from `at` on: its addresses outside the loopback, and the weights in its table."""

    host: str
    at: float
    held: frozenset[str] = frozenset()
    table: Mapping[Entry, int] = field(default_factory=dict)

    def with_address_line(self, line: str, at: float) -> DirectorState:
        """The state after a line of `ip -o address show` or `ip -o monitor address`.

        Other lines change nothing.
        """
        deleted = line.startswith("Deleted ")
        live = live_address(line.removeprefix("Deleted "))
        if live is None or live.interface == "lo":
            return self
        address = {live.address}
        return replace(self, at=at, held=self.held - address if deleted else self.held | address)


def spans(
    states: Sequence[DirectorState],
    frontend: ResolvedFrontend,
    until: float,
    clock: Callable[[float], float],
) -> tuple[Span, ...]:
    """The holders of each VIP and the weights of each real server over time.

    `clock` maps moments to the time axis. The last state of a director holds to `until`.
    """
    return tuple(
        replace(span, start=clock(span.start), end=clock(span.end))
        for director in frontend.directors
        for span in _director_spans(
            [state for state in states if state.host == director.host], frontend, until
        )
    )


def _director_spans(
    states: Sequence[DirectorState], frontend: ResolvedFrontend, until: float
) -> Iterator[Span]:
    if not states:
        return
    host = states[0].host
    for vip in (str(vip.address) for vip in frontend.vips):
        held = [(state.at, vip if vip in state.held else None) for state in states]
        yield from (Span("holder", host, vip, start, end) for _, start, end in _runs(held, until))
    owners = hosts_of(frontend)
    for server in frontend.real_servers:
        entries = [entry for entry, name in owners.items() if name == server]
        weights = [(state.at, _weight(state, entries)) for state in states]
        yield from (
            Span("health", server, value, start, end, host)
            for value, start, end in _runs(weights, until)
        )


def _weight(state: DirectorState, entries: Iterable[Entry]) -> str:
    """The least of a real server's weights, empty where it is missing from a service."""
    weights = [state.table.get(entry) for entry in entries]
    known = [weight for weight in weights if weight is not None]
    return str(min(known)) if known and len(known) == len(weights) else ""


def _runs(
    values: Sequence[tuple[float, str | None]], until: float
) -> Iterator[tuple[str, float, float]]:
    """The start and end of each run of equal values; runs of None are left out."""
    began, current = values[0]
    for at, value in (*values[1:], (until, object())):
        if value != current:
            if current is not None and at > began:
                yield current, began, at
            began, current = at, value  # type: ignore[assignment]  # the sentinel ends the loop


def shared_seconds(spans: Iterable[Span], since: float) -> float:
    """Seconds after `since` during which two directors or more held the same VIP."""
    holders = [span for span in spans if span.kind == "holder" and span.end > since]
    return sum(
        _overlap_seconds([span for span in holders if span.value == vip], since)
        for vip in dict.fromkeys(span.value for span in holders)
    )


def _overlap_seconds(spans: Sequence[Span], since: float) -> float:
    edges = sorted(
        [(max(span.start, since), 1) for span in spans] + [(span.end, -1) for span in spans]
    )
    total, holding, before = 0.0, 0, since
    for at, step in edges:
        if holding > 1:
            total += at - before
        holding, before = holding + step, at
    return total
