"""A drill that is interrupted or fails undoes its fault first; the fault runs in a real sh."""

# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.core.errors import HactlError, HostError
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.run import always_undo
from provision.hosts.agent.fault import Fault, FaultSpec
from tests.drills.building import new_context
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import Logins
from tests.hosts.told import Told

pytestmark = pytest.mark.agent


class StopDrill(Drill):
    """Stops nginx."""

    name = "stop"

    def inject(self, context: DrillContext) -> float:
        return context.break_host("web1", "unit-stop", "nginx.service")

    def settled(self, context: DrillContext) -> bool:
        return True

    def unsettled(self, context: DrillContext) -> str:
        return ""

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        yield DrillVerdict(True, "")


class InterruptedUndo(StopDrill):
    """A second Ctrl-C comes during the undoing."""

    def undo(self, context: DrillContext) -> None:
        raise KeyboardInterrupt


def interrupted(host: LocalHost, drill: Drill, error: BaseException) -> tuple[Told, DrillContext]:
    """The notes and the context of a drill during whose fault `error` is raised."""
    host.unit("nginx.service")
    context, notes = new_context(drill.name), Told()
    context.sessions = cast(Any, Logins(host))
    environment = cast(Any, SimpleNamespace(events=notes))
    with pytest.raises(type(error)), always_undo(environment, drill, context):
        drill.inject(context)
        assert not host.exists("units/nginx.service/active")
        raise error
    return notes, context


def test_ctrl_c_undoes_the_fault_first(host: LocalHost) -> None:
    notes, _ = interrupted(host, StopDrill(), KeyboardInterrupt())
    assert host.exists("units/nginx.service/active")
    assert not host.exists("run/hactl/fault")
    assert notes.lines == ["stop: interrupted; undoing the fault first"]


def test_an_error_during_a_drill_undoes_the_fault(host: LocalHost) -> None:
    notes, _ = interrupted(host, StopDrill(), HactlError("the client is gone"))
    assert host.exists("units/nginx.service/active")
    assert notes.lines == []


def test_a_second_ctrl_c_leaves_the_undoing_to_the_host_and_says_so(host: LocalHost) -> None:
    notes, context = interrupted(host, InterruptedUndo(), KeyboardInterrupt())
    expected = "stop: interrupted again; web1 undoes the fault by itself within 130 s"
    assert notes.lines[-1] == expected
    assert not host.exists("units/nginx.service/active")
    context.undo_faults()
    assert host.exists("units/nginx.service/active")


class StuckFault(Fault):
    """A fault that cannot be undone."""

    def undo(self) -> None:
        raise HostError("web2", "stuck")


def test_every_fault_is_undone_even_if_another_cannot_be(host: LocalHost) -> None:
    host.unit("nginx.service")
    context = new_context()
    context.sessions = cast(Any, Logins(host))
    context.break_host("web1", "unit-stop", "nginx.service")

    stuck = StuckFault(cast(Any, Logins(host)), "x", FaultSpec("web2", "unit-stop"), 60)
    context.faults.insert(0, stuck)
    with pytest.raises(HostError, match="stuck"):
        context.undo_faults()
    assert host.exists("units/nginx.service/active")
