"""`hactl doctor`: look at everything once, then say what is the matter."""

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
from provision.deploy.plan import Change, plan_host
from provision.deploy.project import Project
from provision.hosts.agent.look import look_with
from provision.hosts.agent.observe import observe
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.parallel import run_parallel
from provision.hosts.sessions import Sessions
from provision.prober.wire import ask


def doctor(project: Project, *, json: bool, lab: bool) -> Exit:
    """Print what is the matter and what tells it.

    Returns 0 where nothing was found, 1 where something was, 4 where a host could not be looked at, or nothing was
    found and not all was looked at.
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
    """Two execs on each host, one on the client for the wire, all at once; then every rule over what they said."""
    hosts = tuple(sessions.targets)
    found = dict(
        zip(
            hosts,
            run_parallel(lambda host: _look(project, sessions, host, events), hosts),
            strict=True,
        )
    )
    looked = {host: one for host, one in found.items() if isinstance(one, _Inspection)}
    errors = {host: str(one) for host, one in found.items() if isinstance(one, HostError)}
    seen = Snapshot(project.topology, {host: one.live for host, one in looked.items()})
    traces = {host: HostTrace(host, one.sections) for host, one in looked.items()}
    changes = {host: one.changes for host, one in looked.items() if one.changes is not None}
    return diagnose(DoctorCase(seen, traces, changes, _wire(sessions, seen, events), errors))


@dataclass(frozen=True)
class _Inspection:
    live: LiveHost
    sections: Sections
    changes: tuple[Change, ...] | None


def _look(
    project: Project, sessions: Sessions, host: str, events: Events
) -> _Inspection | HostError:
    try:
        live, sections = look_with(sessions.of(host), "doctor")
        changes = _changes(project, sessions, host) if host in project.topology.managed() else None
    except HostError as error:
        events.host(host, "failed")
        return error
    events.host(host, "looked at")
    return _Inspection(live, sections, changes)


def _changes(project: Project, sessions: Sessions, host: str) -> tuple[Change, ...] | None:
    """What a deploy would change; None where that cannot be said, which other rules tell the reason of."""
    try:
        desired, observed = observe(sessions.of(host), lambda facts: project.render(host, facts))
    except HostError:
        raise
    except HactlError:
        return None
    return plan_host(desired, observed, project.inventory.secrets).changes


def _wire(sessions: Sessions, seen: Snapshot, events: Events) -> WireAnswers:
    """What the wire says to the client's questions."""
    clients: Mapping[str, LiveHost] = {
        host: seen.lives[host] for host in seen.topology.clients if host in seen.lives
    }
    client = next(iter(clients), "")
    if not client:
        why = (
            "no host of the group `clients` could be asked"
            if seen.topology.clients
            else "the inventory has no client"
        )
        return WireAnswers(reason=why)
    asked = questions(seen)
    try:
        answers = ask(sessions.of(client), asked)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=True)
    events.host(client, "asked the wire")
    return WireAnswers(client, dict(zip(asked, answers, strict=True)))


def command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Look for the causes of what is wrong, and show what tells them.

    Exit 0 when nothing was found, 1 when something was, 4 when a host could not be looked at."""
    raise typer.Exit(doctor(load(inventory), json=json, lab=lab))
