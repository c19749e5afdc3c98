"""Was what the command said of each host true, exit code included? Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OLD, NEW = "as it was", "as intended"
"""The two states that a host may end in. Any other text says what is wrong with it."""
KEPT = "as intended, but for what could not be cleared away"
"""What a host keeps whose /etc has become read-only: the files kept aside. The next deploy clears them away."""
LEFT = "as it was, but for the lock of the dead run"
"""What an agent leaves that was killed between its lock and its guard: the next deploy takes the lock."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: the signal that killed it) and what `--json` said of each host."""

    code: int
    hosts: Mapping[str, Mapping[str, Any]]
    words: str = ""

    def message(self, host: str) -> str:
        """What it said of a host beside the outcome."""
        return str(self.hosts.get(host, {}).get("message", ""))


def gave_up(message: str) -> bool:
    """Whether the host could not be brought back, and the message says so."""
    return "rollback failed" in message


def lies(
    ended: Ended, states: Mapping[str, str], was: Mapping[str, Collection[str]] | None = None
) -> Iterator[str]:
    """What the command said that is not so.

    `states` has OLD, NEW or else for every host. `was`: where another deploy was at work, the states that each host may
    have had when this one found it; OLD otherwise.
    """
    if ended.code < 0:
        return
    plain = {LEFT: OLD, KEPT: NEW}
    before = {
        host: [plain.get(state, state) for state in (was or {}).get(host, (OLD,))]
        for host in states
    }
    after = {host: plain.get(state, state) for host, state in states.items()}
    for host, result in ended.hosts.items():
        if not _true(result["outcome"], ended.message(host), before[host], after[host]):
            yield f"{host} was said to be {result['outcome']} ({ended.message(host)!r}) but is {states[host]!r}"
    outcomes = {result["outcome"] for result in ended.hosts.values()}
    if (ended.code == 0) != (outcomes <= {"changed", "unchanged"}):
        yield f"exit code {ended.code} with the outcomes {sorted(outcomes)}"
    if ended.code in (3, 4, 5) and any(state not in before[host] for host, state in after.items()):
        yield f"exit code {ended.code} says that nothing was changed, but: {dict(states)}"
    if not ended.hosts:
        yield f"it said nothing of any host: {ended.words}"


def _true(said: str, message: str, before: Collection[str], after: str) -> bool:
    """Whether a host that was in one of the states `before` and is now `after` was told of rightly."""
    if said == "changed":
        return after == NEW
    if said == "failed" and gave_up(message):
        return after not in before
    if said == "failed" and "either did or took them back" in message:
        return after == NEW or after in before
    return after in before
