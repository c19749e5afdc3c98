"""Was what the command said of each host true, exit code included? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OLD, NEW = "as it was", "as intended"
"""The two states that a host may end in. Any other text says what is wrong with it."""
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


def lies(ended: Ended, states: Mapping[str, str]) -> Iterator[str]:
    """What the command said that is not so. `states` has OLD, NEW or else for every host."""
    if ended.code < 0:
        return
    for host, result in ended.hosts.items():
        said, state = result["outcome"], states[host]
        state = OLD if state == LEFT else state
        failed = gave_up(ended.message(host))
        if (failed and state == OLD) or (not failed and state not in _may_be(said, ended.message(host))):
            yield f"{host} was said to be {said} ({ended.message(host)!r}) but is {state!r}"
    outcomes = {result["outcome"] for result in ended.hosts.values()}
    if (ended.code == 0) != (outcomes <= {"changed", "unchanged"}):
        yield f"exit code {ended.code} with the outcomes {sorted(outcomes)}"
    if ended.code in (3, 4, 5) and any(state not in (OLD, LEFT) for state in states.values()):
        yield f"exit code {ended.code} says that nothing was changed, but: {dict(states)}"
    if not ended.hosts:
        yield f"it said nothing of any host: {ended.words}"


def _may_be(said: str, message: str) -> tuple[str, ...]:
    """The states that an outcome and its message allow."""
    if said == "changed":
        return (NEW,)
    if said == "failed" and "either did or took them back" in message:
        return (OLD, NEW)
    return (OLD,)
