"""`hactl deploy`: plan, ask, apply in rollout order, report. `hactl rollback` ends here, too."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Limit,
    Yes,
    load,
)
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.events import Console, Events
from provision.core.terminal import Screen, confirm, print_json
from provision.deploy.host_inspection import Render
from provision.deploy.inspection import Inspection, inspect
from provision.deploy.operator import operator_id
from provision.deploy.plan_output import plan_lines, results_json, results_lines
from provision.deploy.project import Project
from provision.deploy.results import HostResult, ended, refusals
from provision.hosts.target import Target
from provision.kafka.ca import keep_new, new_ca_notice, replan, with_authority
from provision.kafka.resources.check_users import prepare
from provision.kafka.resources.deploy import ClusterDeploy


def deploy(project: Project, *, yes: bool, limit: str, serial: int, json: bool, lab: bool) -> Exit:
    """Plan, ask, apply in rollout order, report; a failure anywhere before the first change changes nothing."""
    check(project)
    targets = project.targets(project.managed(limit), lab)
    wanted = DeployTarget(
        project.render, project.inventory.secrets, cluster=ClusterDeploy.of(project, limit)
    )
    return push(project, targets, wanted, yes=yes, serial=serial, json=json, lab=lab)


@dataclasses.dataclass(frozen=True)
class DeployTarget:
    """What hosts are to become: how to render each, what to mask, and, where it is no deploy of the inventory, why.

    `cluster` is the side of a Kafka cluster that is to follow them.
    """

    render: Render
    secrets: frozenset[str]
    note: str = ""
    digest: str = ""
    cluster: ClusterDeploy = dataclasses.field(default_factory=ClusterDeploy)


def push(
    project: Project,
    targets: Mapping[str, Target],
    wanted: DeployTarget,
    *,
    yes: bool,
    serial: int,
    json: bool,
    lab: bool,
) -> Exit:
    """Survey the targets, show the plan, ask, carry it out, report."""
    console = Console()
    with inspect(targets, wanted.render, wanted.secrets, console, mend=True) as found:
        console.done()
        if found.failures:
            return refuse(found, json)
        cluster = wanted.cluster
        if making := new_ca_notice(project, found.plans):
            console.note(making)
            project = with_authority(project)
            found.plans = replan(project, found.plans)
            cluster.project = cluster.project and project
        cluster.make_plan(found)
        cluster.defer(found, console)
        lines = [*plan_lines(found.plans, found.coverage), *cluster.plan_lines()]
        Screen(sys.stderr if json else sys.stdout).show(lines)
        if found.changes() + cluster.changes() and not yes and not confirm():
            raise UsageError("not confirmed; nothing was changed")
        keep_new(project)
        prepare(project, found, console, lab=lab)
        results, code = carry_out(project, found, serial, console, wanted, lab=lab)
        code = code or cluster.carry_out(found, console)
        console.done()
        if json:
            about = found.coverage.json() | cluster.applied_json()
            print_json(results_json(code == Exit.OK, results, found.outside) | about)
        else:
            Screen().show([*results_lines(results, found.outside), *cluster.applied_lines()])
        cluster.raise_failure()
        return code


def carry_out(
    project: Project,
    found: Inspection,
    serial: int,
    events: Events,
    wanted: DeployTarget | None = None,
    *,
    lab: bool = False,
) -> tuple[list[HostResult], Exit]:
    """Apply what was surveyed, asking nobody; returns every surveyed host's result and the exit code of them all."""
    if not found.changes():
        return [ended(found, host, "unchanged") for host in found.plans], Exit.OK
    from provision.deploy import rollout
    from provision.deploy.external.probe_host import viewpoint
    from provision.deploy.external_check import ExternalCheck
    from provision.kafka.rolling.deploy import serial_restarts

    note, digest = (wanted.note, wanted.digest) if wanted else ("", "")
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = (operator_id(), digest or project.digest(), found.next_generation(), when, note)
    desired = {host: plan.desired for host, plan in found.plans.items()}
    place = viewpoint(
        project.topology, lambda host: project.targets((host,), lab)[host], controller=not lab
    )
    external_check = ExternalCheck(project.topology, desired, place)
    order = rollout.Rollout(project.topology.stages(), serial, *run)
    with serial_restarts(project, found, events, lab=lab) as care:
        results = rollout.deploy(found, order, external_check, events, care)
    codes = [result.exit_code for result in results.values() if result.exit_code]
    code = Exit.INTERRUPTED if found.interrupted else max(codes, default=Exit.OK)
    return [results[host] for host in found.plans], code


def refuse(found: Inspection, json: bool) -> Exit:
    """A host could not be looked at: say so for each and change nothing anywhere.

    Raises:
        HactlError: what kept hosts from being looked at.
    """
    if json:
        print_json(results_json(False, refusals(found)) | found.coverage.json())
    try:
        found.raise_failures()
    except HactlError as error:
        error.hint = f"{error.hint}\n  Nothing was changed on any host.".lstrip()
        raise
    return Exit.FAILED


def command(
    inventory: InventoryPath = None,
    yes: Yes = False,
    limit: Limit = "",
    serial: Annotated[int, typer.Option(min=0, help="Hosts of one stage at a time; 0: all.")] = 0,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, then make every host as planned.

    Real servers first, then backup directors, then the master."""
    raise typer.Exit(
        deploy(load(inventory), yes=yes, limit=limit, serial=serial, json=json, lab=lab)
    )
