"""A drill that is interrupted, or that fails half-way, undoes its fault first: a real fault on a real sh."""

# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from provision.core.errors import HactlError, HostError
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.run import always_undo
from provision.hosts.agent.fault import Fault, FaultSpec
from tests.drills.building import stage
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import Logins
from tests.hosts.told import Told

pytestmark = pytest.mark.agent


class Stop(Drill):
    """Stops nginx."""

    name = "stop"

    def inject(self, stage: DrillContext) -> float:
        return stage.break_host("web1", "unit-stop", "nginx.service")

    def settled(self, stage: DrillContext) -> bool:
        return True

    def unsettled(self, stage: DrillContext) -> str:
        return ""

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        yield DrillVerdict(True, "")


class Stubborn(Stop):
    """A second Ctrl-C comes while it is undone."""

    def undo(self, stage: DrillContext) -> None:
        raise KeyboardInterrupt


def broken(host: LocalHost, drill: Drill, error: BaseException) -> tuple[Told, Any]:
    """A drill in mid-fault when `error` comes."""
    host.unit("nginx.service")
    made, notes = stage(drill.name), Told()
    made.sessions = Logins(host)  # type: ignore[assignment]
    with pytest.raises(type(error)), always_undo(SimpleNamespace(events=notes), drill, made):  # type: ignore[arg-type]
        drill.inject(made)
        assert not host.exists("units/nginx.service/active")
        raise error
    return notes, made


def test_ctrl_c_undoes_first(host: LocalHost) -> None:
    notes, _ = broken(host, Stop(), KeyboardInterrupt())
    assert host.exists("units/nginx.service/active")
    assert not host.exists("run/hactl/fault")
    assert notes.lines == ["stop: interrupted; undoing the fault first"]


def test_a_failure_in_mid_drill_undoes_too(host: LocalHost) -> None:
    notes, _ = broken(host, Stop(), HactlError("the client is gone"))
    assert host.exists("units/nginx.service/active")
    assert notes.lines == []


def test_a_second_ctrl_c_leaves_it_to_the_host_and_says_so(host: LocalHost) -> None:
    notes, made = broken(host, Stubborn(), KeyboardInterrupt())
    assert notes.lines[-1] == "stop: interrupted again; web1 undoes it by itself within 130 s"
    assert not host.exists("units/nginx.service/active")
    made.heal()
    assert host.exists("units/nginx.service/active")


class Stuck(Fault):
    """A fault that stays."""

    def undo(self) -> None:
        raise HostError("web2", "stuck")


def test_healing_undoes_every_fault_though_one_cannot_be(host: LocalHost) -> None:
    host.unit("nginx.service")
    made = stage()
    made.sessions = Logins(host)  # type: ignore[assignment]
    made.break_host("web1", "unit-stop", "nginx.service")

    made.faults.insert(0, Stuck(Logins(host), "x", FaultSpec("web2", "unit-stop"), 60))  # type: ignore[arg-type]
    with pytest.raises(HostError, match="stuck"):
        made.heal()
    assert host.exists("units/nginx.service/active")
