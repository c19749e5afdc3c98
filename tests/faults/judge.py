"""Whether the command's report of each host was true, exit code included. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OLD, NEW = "as it was", "as intended"
"""The two states in which a host may end. Any other text describes what is wrong."""
KEPT = "as intended, except for files that could not be deleted"
"""A host whose /etc became read-only keeps old copies. The next deploy deletes them."""
LEFT = "as it was, except for the lock of the dead run"
"""An agent that is killed between lock and guard leaves the lock. The next deploy takes it."""


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command (negative: the signal that killed it) and its JSON by host."""

    code: int
    hosts: Mapping[str, Mapping[str, Any]]
    stderr: str = ""

    def message(self, host: str) -> str:
        """The message about a host; empty if there is none."""
        return str(self.hosts.get(host, {}).get("message", ""))


def gave_up(message: str) -> bool:
    """Whether the message says that the host could not be rolled back."""
    return "rollback failed" in message


def false_reports(
    result: CommandResult,
    states: Mapping[str, str],
    was: Mapping[str, Collection[str]] | None = None,
) -> Iterator[str]:
    """The false parts of a command's report.

    `states` has OLD, NEW or another text for every host. If another deploy ran, `was` has the
    states that each host may have had before this one; the default is OLD.
    """
    if result.code < 0:
        return
    plain = {LEFT: OLD, KEPT: NEW}
    before = {
        host: [plain.get(state, state) for state in (was or {}).get(host, (OLD,))]
        for host in states
    }
    after = {host: plain.get(state, state) for host, state in states.items()}
    for host, report in result.hosts.items():
        outcome, message = report["outcome"], result.message(host)
        if not _is_true(outcome, message, before[host], after[host]):
            yield f"{host} was reported as {outcome} ({message!r}) but is {states[host]!r}"
    outcomes = {report["outcome"] for report in result.hosts.values()}
    if (result.code == 0) != (outcomes <= {"changed", "unchanged"}):
        yield f"exit code {result.code} with the outcomes {sorted(outcomes)}"
    if result.code in (3, 4, 5) and any(state not in before[host] for host, state in after.items()):
        yield f"exit code {result.code} says that nothing was changed, but: {dict(states)}"
    if not result.hosts:
        yield f"it reported no host: {result.stderr}"


def _is_true(outcome: str, message: str, before: Collection[str], after: str) -> bool:
    """Whether the outcome is true for a host that was in a state of `before` and is now `after`."""
    if outcome == "changed":
        return after == NEW
    if outcome == "failed" and gave_up(message):
        return after not in before
    if outcome == "failed" and "either did or took them back" in message:
        return after == NEW or after in before
    return after in before
