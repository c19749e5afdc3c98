"""The result of a run for each host."""

from __future__ import annotations

from dataclasses import dataclass

from provision.core.errors import Exit, HactlError, Locked, Unreachable
from provision.deploy.inspection import Inspection
from provision.deploy.masking import mask


@dataclass(frozen=True)
class HostResult:
    """The result of one host.

    `outcome` is changed, unchanged, failed, unreachable, skipped or rolled_back. `message`
    describes the state of the host if it is not obvious.
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
    inspection: Inspection, host: str, outcome: str, message: str = "", code: Exit = Exit.OK
) -> HostResult:
    """The result of an inspected host; changes count if they were kept."""
    changes = len(inspection.plans[host].changes) if outcome == "changed" else 0
    execs = inspection.sessions[host].execs if host in inspection.sessions else 0
    return HostResult(host, outcome, changes, execs, inspection.seconds[host], message, code)


def failure(inspection: Inspection, host: str, error: HactlError) -> HostResult:
    """The result of a failed host, secrets masked: a parser quotes the line that it refuses."""
    outcome = "unreachable" if isinstance(error, Unreachable) else "failed"
    code = Exit.LOCKED if isinstance(error, Locked) else error.exit_code
    secrets = inspection.plans[host].secrets if host in inspection.plans else ()
    return ended(
        inspection, host, outcome, mask(str(error).removeprefix(f"{host}: "), secrets), code
    )


def skipped(inspection: Inspection, host: str) -> HostResult:
    """The result of a host that the run did not reach."""
    return ended(inspection, host, "skipped", "not touched: as it was")


def refusals(inspection: Inspection) -> list[HostResult]:
    """The results of a deploy that never began, because some hosts could not be inspected."""
    return [
        failure(inspection, host, inspection.failures[host])
        if host in inspection.failures
        else skipped(inspection, host)
        for host in inspection.hosts
    ]
