"""The hosts that a rule is about. A rule judges only those of them that were inspected."""

from __future__ import annotations

from collections.abc import Callable

from provision.checks.doctor.evidence import DoctorCase
from provision.core.coverage import Coverage

Scope = Callable[[DoctorCase], Coverage]


def hosts(case: DoctorCase) -> Coverage:
    """All managed hosts and clients."""
    return case.coverage


def managed(case: DoctorCase) -> Coverage:
    """All managed hosts."""
    return case.coverage.of(case.snapshot.topology.managed())


def directors(case: DoctorCase) -> Coverage:
    """The directors of all front ends."""
    return case.coverage.of(case.snapshot.topology.directors())


def servers(case: DoctorCase) -> Coverage:
    """The real servers of all front ends."""
    return case.coverage.of(case.snapshot.topology.real_servers())


def clients(case: DoctorCase) -> Coverage:
    """The hosts that run the prober."""
    return case.coverage.of(case.snapshot.topology.clients)


def compared(case: DoctorCase) -> Coverage:
    """All managed hosts; hosts that could not be compared with the inventory count as unseen."""
    return case.compared


def compared_directors(case: DoctorCase) -> Coverage:
    """All directors; those that could not be compared with the inventory count as unseen."""
    return case.compared.of(case.snapshot.topology.directors())
