"""`hactl failover-test`: run the drills one after the other on every front end, and report."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    DrillNames,
    InventoryPath,
    Json,
    Lab,
    ReportFolder,
    load,
)
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.events import Console, Events
from provision.core.terminal import Screen, print_json
from provision.deploy.masking import mask
from provision.deploy.operator import operator_id
from provision.deploy.project import Project
from provision.drills.drill import Drill
from provision.drills.environment import Broken, Environment
from provision.drills.registry import DRILLS, NAMES
from provision.drills.report import write
from provision.drills.report.terminal import lines
from provision.drills.result import DrillResult, Drills
from provision.drills.run import run_drill
from provision.hosts.agent.host_locks import HostLocks
from provision.hosts.agent.versions import versions
from provision.hosts.channel import Session
from provision.hosts.sessions import Sessions
from provision.hosts.target import Target
from provision.inventory.frontends import ResolvedFrontend
from provision.lab.access import in_lab
from provision.prober.services import services_of
from provision.prober.session import local_session


def failover_test(
    project: Project,
    *,
    drills: tuple[str, ...],
    report: Path | None,
    yes: bool,
    from_controller: bool,
    json: bool,
    lab: bool,
) -> Exit:
    """Run the drills and show their effect on clients.

    Returns 1 where a drill failed or did not run.

    Raises:
        UsageError: a drill is unknown, no host can send the requests, or the operator did not
            confirm that real hosts may be broken.
        Broken: a front end has a problem before the drills; nothing was done.
        HactlError: a host cannot be reached.
    """
    check(project)
    chosen = chosen_drills(drills)
    client = client_of(project, from_controller)
    hosts = (*site_hosts(project), *((client,) if client else ()))
    targets = project.targets(hosts, lab)
    name = project.lab_name if lab or in_lab(project.lab_name, targets.values()) else ""
    if not name and not yes:
        _confirm(site_hosts(project), chosen)
    console = Console()
    try:
        result = run_drills(project, targets, console, lab=name, drills=drills, client=client)
    except Broken:
        if json:
            print_json({"ok": False, "drills": []})
        raise
    finally:
        console.done()
    _show(result, json, report, console)
    return Exit.OK if result.ok else Exit.FAILED


def _show(result: Drills, json: bool, report: Path | None, console: Console) -> None:
    """Print the result, then write the report: an unwritable folder hides no result."""
    if json:
        print_json(result.json())
    else:
        Screen().show(lines(result))
    if report is not None:
        for path in write(result, report):
            console.note(f"wrote {path}")


def chosen_drills(names: Sequence[str]) -> tuple[type[Drill], ...]:
    """The drills of these names, in the order of the registry; all drills without names.

    Raises:
        UsageError: there is no drill of a name.
    """
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"failover-test: there is no drill {name}", f"the drills are {', '.join(NAMES)}"
            )
    return tuple(drill for drill in DRILLS if not names or drill.name in names)


def site_hosts(project: Project) -> tuple[str, ...]:
    """The hosts that drills break: directors and real servers, in inventory order."""
    topology = project.topology
    names = {*topology.directors(), *topology.real_servers()}
    return tuple(host for host in topology.hosts if host in names)


def client_of(project: Project, from_controller: bool) -> str:
    """The host that sends the test requests; empty for this machine.

    Raises:
        UsageError: no host can send them.
    """
    topology = project.topology
    if idle := topology.idle_clients():
        return idle[0]
    if not from_controller:
        raise UsageError(
            "failover-test: the inventory has no client to probe from",
            "put a host that is neither director nor real server into the group `clients`; "
            "or pass --from-controller: behind a router, the router's ARP table is measured",
        )
    local_hosts = [
        host for host in site_hosts(project) if any(map(_is_local, topology.hosts[host].address))
    ]
    if local_hosts:
        raise UsageError(
            f"failover-test: this machine is {local_hosts[0]} and cannot be the client",
            "a director does not balance its own connections, and a real server answers its own: "
            "use another host",
        )
    return ""


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def run_drills(
    project: Project,
    targets: Mapping[str, Target],
    events: Events,
    *,
    lab: str = "",
    drills: Sequence[str] = (),
    client: str = "",
) -> Drills:
    """Run the drills on hosts that may be broken.

    `lab` is the name of their lab, empty for real hosts. `targets` has every director, every real
    server and `client`, which is empty for this machine.

    Raises:
        Broken: a front end has a problem before the drills; nothing was done.
        Locked: a deploy or another run of drills holds a host; nothing was done.
        HactlError: a host cannot be reached.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    services, unprobed = services_of(project.topology)
    for text in unprobed:
        events.note(text)
    hosts, owner = site_hosts(project), f"{operator_id()} (failover-test)"
    with Sessions(targets) as sessions, HostLocks(sessions, hosts, owner) as locks:
        session: Callable[[], Session] = (lambda: sessions.of(client)) if client else local_session
        site = Environment(project.topology, sessions, session, services, lab, events)
        site.look()
        for text in site.leftovers:
            events.note(text)
        _refuse_broken(site)
        host_versions, configurations = versions(sessions, site.hosts)
        with site.watch:
            results = _run_all(site, chosen_drills(drills), locks)
        if messages := site.watchers_left():
            last = results[-1]
            results[-1] = replace(last, ok=False, messages=(*messages, *last.messages))
    secrets = project.inventory.secrets
    masked = {host: mask(text, secrets) for host, text in configurations.items()}
    return _drills(project, started, results, host_versions, masked)


def _drills(
    project: Project,
    started: str,
    results: Sequence[DrillResult],
    host_versions: Mapping[str, Mapping[str, str]],
    configurations: Mapping[str, str],
) -> Drills:
    """The results with the inventory, the hosts and their versions."""
    frontends = project.topology.frontends
    return Drills(
        inventory=str(project.path),
        digest=project.digest(),
        started=started,
        drills=tuple(results),
        topology=_parts(project),
        vips=tuple(str(vip.address) for frontend in frontends for vip in frontend.vips),
        versions=host_versions,
        configurations=configurations,
    )


def _refuse_broken(site: Environment) -> None:
    """Raise Broken where a front end has a problem already."""
    problems = [text for frontend in site.topology.frontends for text in site.broken(frontend)]
    if problems:
        listed = "\n  ".join(dict.fromkeys(problems))
        raise Broken(
            f"the site is broken before any drill; nothing was done:\n  {listed}",
            "hactl verify shows more",
        )


def _run_all(
    site: Environment, drills: Sequence[type[Drill]], locks: HostLocks
) -> list[DrillResult]:
    """The results of all drills on all front ends."""
    results = []
    for drill in drills:
        for frontend in site.topology.frontends:
            locks.renew()
            results.append(_run_drill(site, drill(), frontend))
            with suppress(HactlError):
                site.watch.restart()
    return results


def _run_drill(site: Environment, drill: Drill, frontend: ResolvedFrontend) -> DrillResult:
    """The result of a drill on a front end; not run where the front end has a problem already."""
    began = time.monotonic()
    if broken := site.broken(frontend):
        text = f"not run: the front end is broken before it: {'; '.join(broken)}"
        result = DrillResult(drill.name, frontend.name, ok=False, messages=(text,))
    else:
        result = run_drill(site, drill, site.context(drill.name, frontend))
    verdict = "skipped" if result.skipped else "ok" if result.ok else "FAILED"
    site.events.note(f"{drill.name} {frontend.name}: {verdict} ({time.monotonic() - began:.1f} s)")
    return result


def _parts(project: Project) -> dict[str, tuple[str, str]]:
    """The function and the address of each host that the report shows."""
    topology = project.topology
    addresses = topology.addresses()
    kinds = dict.fromkeys(topology.clients, "client")
    kinds |= dict.fromkeys(topology.real_servers(), "real server")
    kinds |= dict.fromkeys(topology.directors(), "director")
    return {
        host: (kinds[host], addresses.get(host, "")) for host in topology.hosts if host in kinds
    }


def _confirm(hosts: Sequence[str], drills: Sequence[type[Drill]]) -> None:
    """Ask whether real hosts may be broken.

    Raises:
        UsageError: the operator refused, or there is no terminal.
    """
    names = ", ".join(drill.name for drill in drills if not drill.lab_only)
    if not sys.stdin.isatty():
        raise UsageError(
            "failover-test: these hosts are not in a lab, and there is no terminal to ask on; "
            "nothing was done",
            "pass --yes",
        )
    sys.stderr.write(
        f"This breaks {', '.join(hosts)} on purpose: {names}.\n"
        "Every fault is removed after some seconds; at the latest after two minutes, by its host.\n"
        "Continue? [y/N] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("failover-test: not confirmed; nothing was done")


def command(
    inventory: InventoryPath = None,
    drill: DrillNames = None,
    report: ReportFolder = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask for confirmation before breaking real hosts."),
    ] = False,
    from_controller: Annotated[
        bool,
        typer.Option(
            "--from-controller",
            help="Without a client in the inventory, send requests from this machine.",
        ),
    ] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Break the front end on purpose and measure the outage.

    The drills run one after the other. Every fault is removed again; if hactl
    dies, the host removes it. Exit 1 when a drill failed or could not run."""
    raise typer.Exit(
        failover_test(
            load(inventory),
            drills=tuple(drill or ()),
            report=report,
            yes=yes,
            from_controller=from_controller,
            json=json,
            lab=lab,
        )
    )
