"""`hactl doctor`: inspect everything once, then name the causes of problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import typer

from provision.checks.doctor.evidence import DoctorCase, HostTrace, Sections
from provision.checks.doctor.result import Report
from provision.checks.doctor.rules import diagnose
from provision.checks.doctor.text_output import report_lines
from provision.checks.verify.wire import WireAnswers, questions
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit, HactlError, HostError
from provision.core.events import Console, Events
from provision.core.terminal import Screen, print_json
from provision.deploy.host_inspection import LiveAnswer, inspect_host, with_manual_edits
from provision.deploy.plan import Change, HostPlan
from provision.deploy.project import Project
from provision.hosts.agent.look import look_with
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.parallel import run_parallel
from provision.hosts.sessions import Sessions
from provision.prober.wire import ask


def doctor(project: Project, *, json: bool, lab: bool) -> Exit:
    """Print each problem with its cause and its evidence.

    Returns 0 where nothing was found and 1 where a problem was found. Returns 4 where a host could
    not be inspected, or nothing was found and the inspection was incomplete.
    """
    console = Console()
    hosts = tuple(dict.fromkeys((*project.managed(), *project.topology.clients)))
    with Sessions(project.targets(hosts, lab)) as sessions:
        report = examine(project, sessions, console)
    console.done()
    if json:
        print_json(report.json())
    else:
        Screen().show(report_lines(report))
    if report.errors:
        return Exit.UNREACHABLE
    if report.diagnoses:
        return Exit.FAILED
    return Exit.OK if report.complete else Exit.UNREACHABLE


def examine(project: Project, sessions: Sessions, events: Events) -> Report:
    """Inspect all hosts and the network, then apply every rule."""
    return diagnose(inspect_all(project, sessions, events))


def inspect_all(project: Project, sessions: Sessions, events: Events) -> DoctorCase:
    """All that the rules need: two execs on each host, in parallel, and one on the client."""
    hosts = tuple(sessions.targets)
    results = dict(
        zip(
            hosts,
            run_parallel(lambda host: _inspect(project, sessions, host, events), hosts),
            strict=True,
        )
    )
    inspections = {host: data for host, data in results.items() if isinstance(data, _Inspection)}
    errors = {host: str(error) for host, error in results.items() if isinstance(error, HostError)}
    snapshot = Snapshot(
        project.topology, {host: inspection.live for host, inspection in inspections.items()}
    )
    traces = {
        host: HostTrace(host, inspection.sections) for host, inspection in inspections.items()
    }
    wire = _ask_wire(sessions, snapshot, events)
    return DoctorCase(snapshot, traces, _changes(inspections), wire, errors)


@dataclass(frozen=True)
class _Inspection:
    """One host's answers; `plan` is None where the host cannot be compared with the inventory."""

    live: LiveHost
    sections: Sections
    plan: HostPlan | None


def _inspect(
    project: Project, sessions: Sessions, host: str, events: Events
) -> _Inspection | HostError:
    try:
        live, sections = look_with(sessions.of(host), "doctor")
        plan = _plan(project, sessions, host) if host in project.topology.managed() else None
    except HostError as error:
        events.host(host, "failed")
        return error
    events.host(host, "inspected")
    return _Inspection(live, sections, plan)


def _plan(project: Project, sessions: Sessions, host: str) -> HostPlan | None:
    """The host's plan; None where it cannot be made, for which other rules give the reason."""
    try:
        return inspect_host(sessions.of(host), project.render, project.inventory.secrets)
    except HostError:
        raise
    except HactlError:
        return None


def _changes(inspections: Mapping[str, _Inspection]) -> dict[str, tuple[Change, ...]]:
    """The changes that `hactl plan` shows for each host with a plan, manual changes included."""
    plans = {
        host: inspection.plan
        for host, inspection in inspections.items()
        if inspection.plan is not None
    }
    answers = {
        host: LiveAnswer.of(inspections[host].live, inspections[host].sections) for host in plans
    }
    return {host: plan.changes for host, plan in with_manual_edits(plans, answers).items()}


def _ask_wire(sessions: Sessions, snapshot: Snapshot, events: Events) -> WireAnswers:
    """The network's answers to the client's questions."""
    clients: Mapping[str, LiveHost] = {
        host: snapshot.lives[host] for host in snapshot.topology.clients if host in snapshot.lives
    }
    client = next(iter(clients), "")
    if not client:
        reason = (
            "no host of the group `clients` could be asked"
            if snapshot.topology.clients
            else "the inventory has no client"
        )
        return WireAnswers(reason=reason)
    asked_questions = questions(snapshot)
    try:
        answers = ask(sessions.of(client), asked_questions)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=True)
    events.host(client, "asked the wire")
    return WireAnswers(client, dict(zip(asked_questions, answers, strict=True)))


def command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Find the causes of problems, with their evidence.

    Exit 0 when nothing was found, 1 when a cause was found, 4 when a host
    could not be inspected."""
    raise typer.Exit(doctor(load(inventory), json=json, lab=lab))
