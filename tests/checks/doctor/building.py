"""A doctor's case of a healthy site, built from the topology alone; tests then break one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provision.checks.doctor.evidence import DoctorCase, HostTrace
from provision.checks.doctor.result import Report
from provision.checks.doctor.rules import diagnose
from provision.checks.verify.wire import WireAnswers
from provision.deploy.plan import Change
from provision.hosts.live.snapshot import Snapshot
from provision.inventory.topology import Topology
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, topology

LAB = topology([frontend()])
NOW = 1000.0

HEALTHY_SECTIONS: Mapping[str, Sequence[str]] = {
    "clock": [str(NOW)],
    "release": ["6.1.0"],
    "ipvs_module": ["loaded"],
}


def log(
    *texts: str, program: str = "Keepalived_vrrp", begin: float = 900.0, step: float = 5.0
) -> list[str]:
    """Return lines of Keepalived's journal, `step` seconds apart."""
    return [
        f"{begin + step * number:.3f} h {program}[7]: {text}" for number, text in enumerate(texts)
    ]


def case(
    sections: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    changes: Mapping[str, tuple[Change, ...]] | None = None,
    errors: Mapping[str, str] | None = None,
    site: Topology = LAB,
    **lives: Mapping[str, Any],
) -> DoctorCase:
    """Return a case with all hosts that are not in `errors`.

    `sections` are additional sections by host. `lives` are fields of hosts that differ.
    """
    hosts = {
        host: replace(live, **lives.get(host, {}))
        for host, live in healthy(site).items()
        if host not in (errors or {})
    }
    traces = {
        host: HostTrace(host, {**HEALTHY_SECTIONS, **(sections or {}).get(host, {})})
        for host in hosts
    }
    compared = {host: () for host in site.managed() if host in hosts} | dict(changes or {})
    return DoctorCase(
        Snapshot(site, hosts),
        traces,
        compared,
        WireAnswers(reason="this test sends nothing"),
        errors or {},
    )


def report(*args: Any, **kwargs: Any) -> Report:
    """Return the doctor's report on a case."""
    return diagnose(case(*args, **kwargs))


def diagnosed(report: Report) -> list[tuple[str, str]]:
    """Return the rules of the diagnoses with the hosts they are about."""
    return [(diagnosis.rule, diagnosis.symptom.host) for diagnosis in report.diagnoses]
