"""A case in which all is well, from the topology alone; tests then break one thing."""

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

WELL: Mapping[str, Sequence[str]] = {
    "clock": [str(NOW)],
    "release": ["6.1.0"],
    "ipvs_module": ["loaded"],
}


def log(
    *texts: str, who: str = "Keepalived_vrrp", begin: float = 900.0, step: float = 5.0
) -> list[str]:
    """Lines of Keepalived's journal, some seconds apart."""
    return [f"{begin + step * number:.3f} h {who}[7]: {text}" for number, text in enumerate(texts)]


def case(
    sections: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    changes: Mapping[str, tuple[Change, ...]] | None = None,
    errors: Mapping[str, str] | None = None,
    of: Topology = LAB,
    **lives: Mapping[str, Any],
) -> DoctorCase:
    """All hosts that are not in `errors`; `sections` is what hosts printed besides, `lives` fields that differ."""
    hosts = {
        host: replace(live, **lives.get(host, {}))
        for host, live in healthy(of).items()
        if host not in (errors or {})
    }
    traces = {host: HostTrace(host, {**WELL, **(sections or {}).get(host, {})}) for host in hosts}
    compared = {host: () for host in of.managed() if host in hosts} | dict(changes or {})
    return DoctorCase(
        Snapshot(of, hosts),
        traces,
        compared,
        WireAnswers(reason="nobody asks the wire here"),
        errors or {},
    )


def report(*args: Any, **kwargs: Any) -> Report:
    """What the doctor says of a case."""
    return diagnose(case(*args, **kwargs))


def named(found: Report) -> list[tuple[str, str]]:
    """The rules found and the hosts they are about."""
    return [(diagnosis.rule, diagnosis.clue.host) for diagnosis in found.diagnoses]
