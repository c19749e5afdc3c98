"""`hactl rehearse`: try an inventory in a lab: boot, deploy, verify, drills, remove the lab."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from provision.checks.lint.rules import check
from provision.checks.verify.result import Counts, Verification
from provision.commands.deploy import carry_out
from provision.commands.failover_test import chosen_drills, run_drills, site_hosts
from provision.commands.lab_up import collect_jars
from provision.commands.options import (
    DrillNames,
    InventoryPath,
    Json,
    ReportFolder,
    load,
)
from provision.commands.rehearsal_lab import lab_of, spec_of
from provision.commands.rehearse_change import (
    ChangeRun,
    compare,
    last_step,
    lines,
    under_load,
    unmanaged,
)
from provision.commands.steps import Progress, Steps
from provision.commands.verify import lines as verify_lines
from provision.commands.verify import sessions
from provision.core.errors import Exit, HactlError, LabError
from provision.core.events import Console
from provision.core.terminal import BOLD, Line, Screen, print_json
from provision.deploy.inspection import Inspection, inspect
from provision.deploy.plan_output import plan_counts
from provision.deploy.project import Project
from provision.drills.report import terminal, write
from provision.drills.report.format import count_verdicts
from provision.drills.result import Drills
from provision.hosts.sessions import Sessions
from provision.kafka.ca import with_authority
from provision.kafka.resources.check_users import prepare
from provision.kafka.resources.deploy import ClusterDeploy
from provision.lab.plan import LabSpec
from provision.prober.services import services_of

SETTLE_TIMEOUT = 15.0
"""Seconds after the front end's own timers in which health checks must find the servers."""


def rehearse(
    project: Project,
    other: Project | None,
    *,
    drills: tuple[str, ...],
    report: Path | None,
    json: bool,
) -> Exit:
    """Boot, deploy, verify, drill, report, and remove the lab.

    With `other`, deploy it under load after the first inventory, and verify again. Ctrl-C removes
    the lab, too. Returns the exit code of the first failed step.

    Raises:
        InputError: an inventory is wrong, or the two do not fit into one lab.
        UsageError: there is no drill of a name in `drills`.
        LabError: the inventory has no client to send requests.
    """
    for inventory in filter(None, (project, other)):
        check(inventory)
    chosen_drills(drills)
    client = _client(project, other)
    spec = spec_of(project, other)
    console = Console()
    screen = Screen(sys.stderr if json else sys.stdout)
    steps = Steps(screen, console)
    # The CA is not kept: its brokers go with the lab.
    first = with_authority(replace(project, lab=spec.name))
    second = other and with_authority(replace(other, lab=spec.name), first)
    run = _Rehearsal(first, second, client, steps, Progress(console))
    run.run_all(spec, drills, report, console)
    if json:
        print_json(run.json())
    else:
        screen.show(run.lines())
    return steps.exit_code


def _client(project: Project, other: Project | None) -> str:
    """The host that sends requests: a client of the last inventory, else of the first."""
    inventories = [inventory for inventory in (other, project) if inventory]
    clients = [host for inventory in inventories for host in inventory.topology.idle_clients()]
    if not clients:
        raise LabError(
            f"{project.path} has no client: no host can send requests, so nothing would be proven",
            "name a host that is neither director nor real server in the group `clients`; "
            "the lab boots it",
        )
    return clients[0]


@dataclass
class _Rehearsal:
    """A running rehearsal: its inventories and the results so far."""

    project: Project
    other: Project | None
    client: str
    steps: Steps
    progress: Progress
    verified: Verification | None = None
    verified_again: Verification | None = None
    change: ChangeRun | None = None
    drilled: Drills | None = None

    def run_all(
        self, spec: LabSpec, drills: Sequence[str], report: Path | None, console: Console
    ) -> None:
        """Run the steps; end where the later steps would prove nothing."""
        run = self.steps.run
        with ExitStack() as lab:
            if not run("lab up", lambda: _up(lab, spec, self.project, self.progress, console)):
                return
            if run("deploy", lambda: self.deploy(self.project)):
                run("verify", self.verify_first)
                if self._changed():
                    run("drills", lambda: self.drill(drills))
                    if report and (drilled := self.drilled):
                        run("report", lambda: _report(drilled, report))
            run("lab down", lambda: _down(lab))

    def _changed(self) -> bool:
        """Deploy the other inventory, if there is one; returns whether the drills can run."""
        if self.other is None:
            return True
        self.steps.run("change", self.deploy_change)
        if self.change is None:
            return False
        self.steps.run("verify again", self.verify_again)
        return True

    def deploy(self, project: Project) -> str:
        """Deploy an inventory into the lab without a question; returns the counts of its plan."""
        targets = project.targets(project.managed(), lab=True)
        with inspect(
            targets, project.render, project.inventory.secrets, self.progress
        ) as inspection:
            inspection.raise_failures()
            prepare(project, inspection, self.progress, lab=True)
            results, code = carry_out(project, inspection, 0, self.progress, lab=True)
            if inspection.interrupted:
                raise KeyboardInterrupt
            if code != Exit.OK:
                failed = (
                    f"{result.host}: {result.outcome}: {result.message}"
                    for result in results
                    if result.exit_code
                )
                error = HactlError("\n".join(failed))
                error.exit_code = code
                raise error
            self._deploy_cluster(project, inspection)
            return plan_counts(inspection.plans, inspection.coverage).removeprefix("Plan: ")

    def _deploy_cluster(self, project: Project, inspection: Inspection) -> None:
        """Deploy the users, topics and ACLs of the inventory's Kafka cluster, if it has any."""
        cluster = ClusterDeploy.of(project)
        cluster.carry_out(inspection, self.progress)
        cluster.raise_failure()
        if cluster.applied and not cluster.applied.complete:
            raise HactlError("\n".join(line for line, _ in cluster.applied_lines()))

    def verify_first(self) -> str:
        """Verify the first inventory."""
        self.verified = self._verify(self.project)
        return verdict(self.verified)

    def verify_again(self) -> str:
        """Verify the other inventory."""
        assert self.other
        self.verified_again = self._verify(self.other)
        return verdict(self.verified_again)

    def _verify(self, project: Project) -> Verification:
        """Verify, and repeat it for as long as the front end may need to settle after a deploy."""
        from provision.checks.verify.run import run  # pytest and testinfra take a moment to import

        deadline = time.monotonic() + last_step(project.topology) + SETTLE_TIMEOUT
        with sessions(project, lab=True) as opened:
            while (
                not (result := run(project, opened, self.progress)).ok
                and time.monotonic() < deadline
            ):
                time.sleep(1)
        return result

    def deploy_change(self) -> str:
        """Deploy the other inventory under load on the services of both; sets `change`."""
        other = self.other
        assert other
        before, after = self.project.topology, other.topology
        (old, _), (new, unprobed) = services_of(before), services_of(after)
        both, outline = compare(old, new)
        outline = replace(outline, messages=(*unmanaged(before, after), *unprobed))
        with Sessions(self.project.targets((self.client,), lab=True)) as sessions:
            session = sessions.of(self.client)
            self.change = under_load(session, both, outline, lambda: self.deploy(other), after)
        if not self.change.ok:
            raise HactlError(self.change.summary())
        return self.change.summary()

    def drill(self, names: Sequence[str]) -> str:
        """Run the drills on the deployed front ends; sets `drilled`."""
        project = self.other or self.project
        targets = project.targets(
            tuple(dict.fromkeys((*site_hosts(project), self.client))), lab=True
        )
        self.drilled = run_drills(
            project,
            targets,
            lab=project.lab_name,
            drills=names,
            client=self.client,
            events=self.progress,
        )
        if not self.drilled.ok:
            raise HactlError(count_verdicts(self.drilled.drills))
        return count_verdicts(self.drilled.drills)

    def json(self) -> dict[str, Any]:
        """The document of `rehearse --json`."""
        again = self.verified_again
        return {
            "ok": self.steps.exit_code == Exit.OK,
            "stages": [step.json() for step in self.steps.done],
            "verify": self.verified and self.verified.json(),
            "change": self.change and {**self.change.json(), "verify": again and again.json()},
            "drills": self.drilled and self.drilled.json(),
        }

    def lines(self) -> Iterator[Line]:
        """The failed checks, the effect of the change on clients, the drills, the verdict."""
        for result, project in ((self.verified, self.project), (self.verified_again, self.other)):
            if result and project and not result.ok:
                yield "", ""
                yield from verify_lines(result, project.topology)
        if self.change:
            yield "", ""
            yield from lines(self.change)
        if self.drilled:
            yield "", ""
            yield from terminal.lines(self.drilled)
        ok = self.steps.exit_code == Exit.OK
        failed = ", ".join(step.name for step in self.steps.done if not step.ok)
        yield "", ""
        seconds = sum(step.seconds for step in self.steps.done)
        yield f"Rehearsal: {'passed' if ok else f'failed: {failed}'}; {seconds:.0f} s.", BOLD


def _up(
    lab: ExitStack, spec: LabSpec, project: Project, progress: Progress, console: Console
) -> str:
    """Boot the lab; returns the counts of its hosts."""
    collect_jars(project, console.note)
    lab.enter_context(lab_of(spec, lambda text: progress.host("lab", text), console.note))
    directors = sum(host.kind == "director" for host in spec.hosts)
    return f"{directors} directors, {len(spec.hosts) - directors} other hosts, all new"


def _report(drilled: Drills, folder: Path) -> str:
    """Write the report; returns a message with its page."""
    return f"{write(drilled, folder)[-1]}, with the same data as JSON and JUnit beside it"


def _down(lab: ExitStack) -> str:
    """Remove the lab."""
    lab.close()
    return "removed; nothing is left on this machine"


def verdict(result: Verification) -> str:
    """The counts of a verification.

    Raises:
        HactlError: a check failed; the message has the counts.
    """
    counts = str(Counts.of(result.checks))
    if result.ok:
        return counts
    error = HactlError(counts)
    error.exit_code = result.exit
    raise error


def command(
    inventory: InventoryPath = None,
    change: Annotated[
        Path | None,
        typer.Option(metavar="OTHER", help="Then deploy this inventory, under load."),
    ] = None,
    drill: DrillNames = None,
    report: ReportFolder = None,
    json: Json = False,
) -> None:
    """Try an inventory in a lab of its own: deploy and drills.

    Boot the hosts, deploy, verify, run the drills, write the report, and remove
    the lab. Needs root."""
    other = load(change) if change else None
    raise typer.Exit(
        rehearse(load(inventory), other, drills=tuple(drill or ()), report=report, json=json)
    )
