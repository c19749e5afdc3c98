"""A run of probes: create them, write and observe, evaluate the checks, and always remove them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.core.errors import HactlError
from provision.kafka.client_file import Login
from provision.kafka.retention.probe import compaction, deletion
from provision.kafka.retention.probe.client import client, now, without_key
from provision.kafka.retention.probe.design import Part
from provision.kafka.retention.probe.outcome import ProbeOutcome
from provision.kafka.retention.probe.topic import Probe, create, remove

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

POLL_INTERVAL = 1.0
"""Seconds between two looks at a probe."""

DONE = {Part.KEYS: compaction.seen_all, Part.AGE: deletion.aged, Part.SIZE: deletion.shrunk}
CHECKS: dict[Part, tuple[compaction.Check, ...]] = {
    Part.KEYS: compaction.CHECKS,
    Part.AGE: deletion.AGE,
    Part.SIZE: deletion.SIZE,
}

Progress = Callable[[float], None]
"""Is called after each look with the seconds since the start."""


@dataclass(frozen=True)
class ProbeVerdict:
    """The verdict on a probe: the outcomes of its checks, by the part that they concern."""

    probe: Probe
    outcomes: dict[Part, tuple[ProbeOutcome, ...]]

    @property
    def ok(self) -> bool:
        """Whether all checks hold."""
        return all(outcome.ok for outcomes in self.outcomes.values() for outcome in outcomes)


def run(
    login: Login, admin: KafkaAdminClient, probes: list[Probe], progress: Progress
) -> list[ProbeVerdict]:
    """Observe probes until each has shown everything, or something is late; then remove them.

    Raises:
        KafkaError: the cluster does not answer, or refuses a request.
        HactlError: the probes could not be removed.
    """
    with created(login, admin, probes):
        _observe(login, admin, probes, progress)
    return [ProbeVerdict(probe, evaluate(probe)) for probe in probes]


@contextmanager
def created(login: Login, admin: KafkaAdminClient, probes: list[Probe]) -> Iterator[None]:
    """Create the probes' topics, and remove them when the block ends.

    Raises:
        KafkaError: the cluster refuses them.
        HactlError: they could not be removed; its exit code is that of the cause.
    """
    names = [probe.name for probe in probes]
    try:
        create(admin, probes)
        yield
    finally:
        try:
            remove(login, names)
        except HactlError as error:
            failure = HactlError(
                f"{', '.join(names)} cannot be removed: {error.line()}",
                "the next run removes what is left",
            )
            failure.exit_code = error.exit_code
            raise failure from error


def _observe(
    login: Login, admin: KafkaAdminClient, probes: list[Probe], progress: Progress
) -> None:
    for probe in probes:
        if Part.KEYS in probe.traces:
            probe.traces[Part.KEYS].keyless = without_key(login, probe)
    with client(login, admin, probes) as connection:
        began = now()
        deadline = began + longest(probes)
        while True:
            for probe in probes:
                if now() >= probe.due:
                    connection.write(probe)
                connection.look(probe)
            progress((now() - began) / 1000)
            if now() > deadline or all(_is_done(probe) for probe in probes):
                return
            soonest = min(probe.due for probe in probes) - now()
            time.sleep(max(0.05, min(POLL_INTERVAL, soonest / 1000)))


def longest(probes: list[Probe]) -> int:
    """Milliseconds that all probes take at most."""
    return max(probe.design.longest for probe in probes)


def evaluate(probe: Probe) -> dict[Part, tuple[ProbeOutcome, ...]]:
    """The outcomes of the checks on the probe's traces, by part."""
    outcomes = {}
    for part, trace in probe.traces.items():
        results = (check(probe.design, trace) for check in CHECKS[part])
        outcomes[part] = tuple(outcome for outcome in results if outcome is not None)
    return outcomes


def _is_done(probe: Probe) -> bool:
    return all(DONE[part](trace) for part, trace in probe.traces.items())
