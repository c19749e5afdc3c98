"""How a host came out of a run."""

from __future__ import annotations

from dataclasses import dataclass

from provision.core.errors import Exit, HactlError, Locked, Unreachable
from provision.deploy.inspection import Inspection
from provision.deploy.masking import mask


@dataclass(frozen=True)
class HostResult:
    """How one host came out of a run.

    `outcome` is changed, unchanged, failed, unreachable, skipped or rolled_back; `message` says what state the
    host is in when that is not obvious.
    """

    host: str
    outcome: str
    changes: int = 0
    execs: int = 0
    seconds: float = 0.0
    message: str = ""
    exit_code: Exit = Exit.OK

    def json(self) -> dict[str, str | int | float]:
        """The host's entry in `deploy --json`."""
        entry: dict[str, str | int | float] = {
            "outcome": self.outcome,
            "changes": self.changes,
            "execs": self.execs,
            "seconds": round(self.seconds, 3),
        }
        if self.message:
            entry["message"] = self.message
        return entry


def ended(
    found: Inspection, host: str, outcome: str, message: str = "", code: Exit = Exit.OK
) -> HostResult:
    """The result of a surveyed host; changes count where they were kept."""
    changes = len(found.plans[host].changes) if outcome == "changed" else 0
    execs = found.sessions[host].execs if host in found.sessions else 0
    return HostResult(host, outcome, changes, execs, found.seconds[host], message, code)


def failure(found: Inspection, host: str, error: HactlError) -> HostResult:
    """The result of a host that failed, secrets masked: a parser quotes the line that it refuses."""
    outcome = "unreachable" if isinstance(error, Unreachable) else "failed"
    code = Exit.LOCKED if isinstance(error, Locked) else error.exit_code
    secrets = found.plans[host].secrets if host in found.plans else ()
    return ended(found, host, outcome, mask(str(error).removeprefix(f"{host}: "), secrets), code)


def skipped(found: Inspection, host: str) -> HostResult:
    """The result of a host whose turn never came."""
    return ended(found, host, "skipped", "not touched: as it was")


def refusals(found: Inspection) -> list[HostResult]:
    """The results of a deploy that never began, because some hosts could not be looked at."""
    return [
        failure(found, host, found.failures[host])
        if host in found.failures
        else skipped(found, host)
        for host in found.hosts
    ]
