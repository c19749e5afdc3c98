"""`hactl failover-test`: the drills, run one after the other on every front end, and their report."""

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
    """Run the drills and show what clients saw. Exit 1 where a drill failed or could not be run.

    Raises:
        UsageError: an unknown drill, nobody to probe from, or nobody who agreed to real hosts being broken.
        Broken: a front end is not as it should be; nothing was done.
        HactlError: a host cannot be reached.
    """
    check(project)
    chosen = chosen_drills(drills)
    client = client_of(project, from_controller)
    wanted = (*site_hosts(project), *((client,) if client else ()))
    targets = project.targets(wanted, lab)
    name = project.lab_name if lab or in_lab(project.lab_name, targets.values()) else ""
    if not name and not yes:
        _ask(site_hosts(project), chosen)
    console = Console()
    try:
        result = run_drills(
            project, targets, lab=name, drills=drills, client=client, events=console
        )
    except Broken:
        if json:
            print_json({"ok": False, "drills": []})
        raise
    finally:
        console.done()
    if json:
        print_json(result.json())
    else:
        Screen().show(lines(result))
    if report is not None:  # last: a folder that cannot be written must not cost the figures
        for path in write(result, report):
            console.note(f"wrote {path}")
    return Exit.OK if result.ok else Exit.FAILED


def chosen_drills(names: Sequence[str]) -> tuple[type[Drill], ...]:
    """The drills of these names in their order, all where there are none. Raises UsageError for an unknown one."""
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"failover-test: there is no drill {name}", f"there are {', '.join(NAMES)}"
            )
    return tuple(drill for drill in DRILLS if not names or drill.name in names)


def site_hosts(project: Project) -> tuple[str, ...]:
    """The hosts that drills break: directors and real servers, in inventory order."""
    topology = project.topology
    names = {*topology.directors(), *topology.real_servers()}
    return tuple(host for host in topology.hosts if host in names)


def client_of(project: Project, from_controller: bool) -> str:
    """The host to probe from, empty for this machine. Raises UsageError where there is none to take."""
    topology = project.topology
    if idle := topology.idle_clients():
        return idle[0]
    if not from_controller:
        raise UsageError(
            "failover-test: the inventory has no client to probe from",
            "put a host that is neither director nor real server into the group `clients`; or pass --from-controller: "
            "this machine may see the site through a router, whose ARP table is then the one that matters",
        )
    ours = [
        host for host in site_hosts(project) if any(map(_is_local, topology.hosts[host].address))
    ]
    if ours:
        raise UsageError(
            f"failover-test: this machine is {ours[0]} and cannot be the client",
            "a director does not balance its own connections, a real server answers them itself: probe from another",
        )
    return ""


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    """Whether this machine has an address: only then can a socket be bound to it."""
    with socket.socket(
        socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM
    ) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def run_drills(
    project: Project,
    targets: Mapping[str, Target],
    *,
    lab: str = "",
    drills: Sequence[str] = (),
    client: str = "",
    events: Events,
) -> Drills:
    """Run the drills on hosts that may be broken. `lab` is the lab they are in, empty for hosts of one's own.

    `targets` must hold every director and real server, and `client`, which is empty for this machine.

    Raises:
        Broken: a front end is not as it should be; nothing was done.
        Locked: a deploy is at work on a host, or another run of drills; nothing was done.
        HactlError: a host cannot be reached.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    services, unprobed = services_of(project.topology)
    for text in unprobed:
        events.note(text)
    with (
        Sessions(targets) as sessions,
        HostLocks(sessions, site_hosts(project), f"{operator_id()} (failover-test)") as hold,
    ):
        session: Callable[[], Session] = (lambda: sessions.of(client)) if client else local_session
        site = Environment(project.topology, sessions, session, services, lab, events)
        site.look()
        for text in site.leftovers:
            events.note(text)
        _refuse_broken(site)
        about, configurations = versions(sessions, site.hosts)
        with site.watch:
            results = _run_all(site, chosen_drills(drills), hold)
        if left := site.watchers_left():
            results[-1] = replace(results[-1], ok=False, messages=(*left, *results[-1].messages))
    secrets = project.inventory.secrets
    return Drills(
        inventory=str(project.path),
        digest=project.digest(),
        started=started,
        drills=tuple(results),
        topology=_parts(project),
        vips=tuple(str(vip.address) for one in project.topology.frontends for vip in one.vips),
        versions=about,
        configurations={host: mask(text, secrets) for host, text in configurations.items()},
    )


def _refuse_broken(site: Environment) -> None:
    found = [text for one in site.topology.frontends for text in site.broken(one)]
    if found:
        listed = "\n  ".join(dict.fromkeys(found))
        raise Broken(
            f"the site is broken before any drill; nothing was done:\n  {listed}",
            "hactl verify says more",
        )


def _run_all(
    site: Environment, drills: Sequence[type[Drill]], hold: HostLocks
) -> list[DrillResult]:
    results = []
    for drill in drills:
        for frontend in site.topology.frontends:
            hold.renew()
            results.append(_run_one(site, drill(), frontend))
            with suppress(HactlError):
                site.watch.restart()
    return results


def _run_one(site: Environment, drill: Drill, frontend: ResolvedFrontend) -> DrillResult:
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
    topology, directors, servers = (
        project.topology,
        project.topology.directors(),
        project.topology.real_servers(),
    )
    addresses = topology.addresses()
    kinds = dict.fromkeys(topology.clients, "client")
    kinds |= dict.fromkeys(servers, "real server") | dict.fromkeys(directors, "director")
    return {
        host: (kinds[host], addresses.get(host, "")) for host in topology.hosts if host in kinds
    }


def _ask(hosts: Sequence[str], drills: Sequence[type[Drill]]) -> None:
    names = ", ".join(drill.name for drill in drills if not drill.lab_only)
    if not sys.stdin.isatty():
        raise UsageError(
            "failover-test: these hosts are not in a lab, and there is nobody to ask; nothing was done",
            "pass --yes",
        )
    sys.stderr.write(
        f"This breaks {', '.join(hosts)} on purpose: {names}.\n"
        "Every fault is undone after some seconds, by its host itself after a minute or two at the latest.\n"
        "Go on? [y/N] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("failover-test: not confirmed; nothing was done")


def command(
    inventory: InventoryPath = None,
    drill: DrillNames = None,
    report: ReportFolder = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before breaking real hosts.")
    ] = False,
    from_controller: Annotated[
        bool,
        typer.Option(
            "--from-controller", help="Probe from this machine, where the inventory has no client."
        ),
    ] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Break the front end on purpose, one drill after the other, and measure what clients see.

    Every fault is undone, by its host itself if need be."""
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
