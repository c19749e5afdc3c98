"""`hactl deploy`: plan, ask, apply in rollout order, report; `hactl rollback` uses it, too."""

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
    """Plan, ask, apply in rollout order, report.

    A failure before the first change leaves every host unchanged.
    """
    check(project)
    targets = project.targets(project.managed(limit), lab)
    target = DeployTarget(
        project.render, project.inventory.secrets, cluster=ClusterDeploy.of(project, limit)
    )
    return push(project, targets, target, yes=yes, serial=serial, json=json, lab=lab)


@dataclasses.dataclass(frozen=True)
class DeployTarget:
    """The state to deploy: how to render a host, and the secrets to mask in the plan.

    `note` and `digest` are kept with the generation where another state than the inventory's is
    deployed. `cluster` is the Kafka cluster that changes after the hosts.
    """

    render: Render
    secrets: frozenset[str]
    note: str = ""
    digest: str = ""
    cluster: ClusterDeploy = dataclasses.field(default_factory=ClusterDeploy)


def push(
    project: Project,
    targets: Mapping[str, Target],
    target: DeployTarget,
    *,
    yes: bool,
    serial: int,
    json: bool,
    lab: bool,
) -> Exit:
    """Inspect the hosts, show the plan, ask, apply it, report."""
    console = Console()
    with inspect(targets, target.render, target.secrets, console, mend=True) as inspection:
        console.done()
        if inspection.failures:
            return refuse(inspection, json)
        cluster = target.cluster
        if notice := new_ca_notice(project, inspection.plans):
            console.note(notice)
            project = with_authority(project)
            inspection.plans = replan(project, inspection.plans)
            cluster.project = cluster.project and project
        cluster.make_plan(inspection)
        cluster.defer(inspection, console)
        lines = [*plan_lines(inspection.plans, inspection.coverage), *cluster.plan_lines()]
        Screen(sys.stderr if json else sys.stdout).show(lines)
        if inspection.changes() + cluster.changes() and not yes and not confirm():
            raise UsageError("not confirmed; nothing was changed")
        keep_new(project)
        prepare(project, inspection, console, lab=lab)
        results, code = carry_out(project, inspection, serial, console, target, lab=lab)
        code = code or cluster.carry_out(inspection, console)
        console.done()
        if json:
            document = results_json(code == Exit.OK, results, inspection.outside)
            print_json(document | inspection.coverage.json() | cluster.applied_json())
        else:
            Screen().show([*results_lines(results, inspection.outside), *cluster.applied_lines()])
        cluster.raise_failure()
        return code


def carry_out(
    project: Project,
    inspection: Inspection,
    serial: int,
    events: Events,
    target: DeployTarget | None = None,
    *,
    lab: bool = False,
) -> tuple[list[HostResult], Exit]:
    """Apply the plans without a question; returns the result of every host and the exit code."""
    if not inspection.changes():
        results = [ended(inspection, host, "unchanged") for host in inspection.plans]
        return results, Exit.OK
    from provision.deploy import rollout
    from provision.deploy.external.probe_host import viewpoint
    from provision.deploy.external_check import ExternalCheck
    from provision.kafka.rolling.deploy import serial_restarts

    note, digest = (target.note, target.digest) if target else ("", "")
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = (operator_id(), digest or project.digest(), inspection.next_generation(), when, note)
    desired = {host: plan.desired for host, plan in inspection.plans.items()}
    probe_host = viewpoint(
        project.topology, lambda host: project.targets((host,), lab)[host], controller=not lab
    )
    outside = ExternalCheck(project.topology, desired, probe_host)
    order = rollout.Rollout(project.topology.stages(), serial, *run)
    with serial_restarts(project, inspection, events, lab=lab) as policy:
        by_host = rollout.deploy(inspection, order, outside, events, policy)
    codes = [result.exit_code for result in by_host.values() if result.exit_code]
    code = Exit.INTERRUPTED if inspection.interrupted else max(codes, default=Exit.OK)
    return [by_host[host] for host in inspection.plans], code


def refuse(inspection: Inspection, json: bool) -> Exit:
    """Report the hosts that could not be inspected; no host was changed.

    Raises:
        HactlError: the reasons.
    """
    if json:
        print_json(results_json(False, refusals(inspection)) | inspection.coverage.json())
    try:
        inspection.raise_failures()
    except HactlError as error:
        error.hint = f"{error.hint}\n  Nothing was changed on any host.".lstrip()
        raise
    return Exit.FAILED


def command(
    inventory: InventoryPath = None,
    yes: Yes = False,
    limit: Limit = "",
    serial: Annotated[
        int, typer.Option(min=0, help="Hosts of a stage that change at a time; 0: all.")
    ] = 0,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, and change the hosts.

    Real servers change first, then backup directors, then the master."""
    raise typer.Exit(
        deploy(load(inventory), yes=yes, limit=limit, serial=serial, json=json, lab=lab)
    )
