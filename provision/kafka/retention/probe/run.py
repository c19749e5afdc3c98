"""A run of probes: made, written to and watched until all is seen, judged, and removed whatever happens."""

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
"""Seconds between two looks."""

DONE = {Part.KEYS: compaction.seen_all, Part.AGE: deletion.aged, Part.SIZE: deletion.shrunk}
CHECKS: dict[Part, tuple[compaction.Check, ...]] = {
    Part.KEYS: compaction.CHECKS,
    Part.AGE: deletion.AGE,
    Part.SIZE: deletion.SIZE,
}

Progress = Callable[[float], None]
"""Is told, now and then, the seconds for which has been waited."""


@dataclass(frozen=True)
class ProbeVerdict:
    """What came of a probe: the outcomes of its checks by what they are about."""

    probe: Probe
    outcomes: dict[Part, tuple[ProbeOutcome, ...]]

    @property
    def well(self) -> bool:
        """Whether all was as planned."""
        return all(each.well for found in self.outcomes.values() for each in found)


def run(
    login: Login, admin: KafkaAdminClient, probes: list[Probe], told: Progress
) -> list[ProbeVerdict]:
    """Watch probes until each has shown everything, or something is late; they are gone afterwards.

    Raises:
        KafkaError: the cluster does not answer, or refuses.
        HactlError: the probes could not be removed.
    """
    with made(login, admin, probes):
        _watch(login, admin, probes, told)
    return [ProbeVerdict(each, judged(each)) for each in probes]


@contextmanager
def made(login: Login, admin: KafkaAdminClient, probes: list[Probe]) -> Iterator[None]:
    """The topics are there for as long as the block.

    Raises:
        KafkaError: the cluster refuses them.
        HactlError: they could not be removed; its exit code is that of the reason.
    """
    names = [each.name for each in probes]
    try:
        create(admin, probes)
        yield
    finally:
        try:
            remove(login, names)
        except HactlError as error:
            left = HactlError(
                f"{', '.join(names)} cannot be removed: {error.line()}", "the next run removes it"
            )
            left.exit_code = error.exit_code
            raise left from error


def _watch(login: Login, admin: KafkaAdminClient, probes: list[Probe], told: Progress) -> None:
    for each in probes:
        if Part.KEYS in each.traces:
            each.traces[Part.KEYS].keyless = without_key(login, each)
    with client(login, admin, probes) as connection:
        began = now()
        until = began + longest(probes)
        while True:
            for each in probes:
                if now() >= each.due:
                    connection.write(each)
                connection.look(each)
            told((now() - began) / 1000)
            if now() > until or all(_shown(each) for each in probes):
                return
            soonest = min(each.due for each in probes) - now()
            time.sleep(max(0.05, min(POLL_INTERVAL, soonest / 1000)))


def longest(probes: list[Probe]) -> int:
    """Milliseconds that all of them take at most."""
    return max(each.design.longest for each in probes)


def judged(probe: Probe) -> dict[Part, tuple[ProbeOutcome, ...]]:
    """What the checks say of what was seen."""
    found = {}
    for part, trace in probe.traces.items():
        outcomes = (check(probe.design, trace) for check in CHECKS[part])
        found[part] = tuple(each for each in outcomes if each is not None)
    return found


def _shown(probe: Probe) -> bool:
    return all(DONE[part](trace) for part, trace in probe.traces.items())
