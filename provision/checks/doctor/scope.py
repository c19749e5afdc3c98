"""Which hosts a rule is about: it is judged on those of them alone that were seen."""

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
    return case.coverage.of(case.seen.topology.managed())


def directors(case: DoctorCase) -> Coverage:
    """The directors of all front ends."""
    return case.coverage.of(case.seen.topology.directors())


def servers(case: DoctorCase) -> Coverage:
    """The real servers of all front ends."""
    return case.coverage.of(case.seen.topology.real_servers())


def clients(case: DoctorCase) -> Coverage:
    """The hosts that probes run from."""
    return case.coverage.of(case.seen.topology.clients)


def compared(case: DoctorCase) -> Coverage:
    """All managed hosts, those seen that could be compared with the inventory."""
    return case.compared


def compared_directors(case: DoctorCase) -> Coverage:
    """The directors, those seen that could be compared with the inventory."""
    return case.compared.of(case.seen.topology.directors())
