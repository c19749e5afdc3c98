"""`hactl rehearse`: an inventory tried in a lab of its own from the first boot to the last drill, and away with it."""

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
from provision.checks.verify.result import Verification
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

#: Seconds beyond its own timers within which a deployed front end must be as `verify` wants it: checkers find servers.
SETTLE_TIMEOUT = 15.0


def rehearse(
    project: Project,
    other: Project | None,
    *,
    drills: tuple[str, ...],
    report: Path | None,
    json: bool,
) -> Exit:
    """Boot, deploy, verify; with `other` deploy that over it under load and verify again; drills, report, away with it.

    Returns the exit code of the first stage that failed. Ctrl-C takes the lab away, too.

    Raises:
        InputError: an inventory is wrong, or the two do not fit into one lab.
        UsageError: there is no drill of a name in `drills`.
        LabError: there is no host to probe from.
    """
    for one in filter(None, (project, other)):
        check(one)
    chosen_drills(drills)
    client = _client(project, other)
    spec = spec_of(project, other)
    console = Console()
    screen = Screen(sys.stderr if json else sys.stdout)
    stages = Steps(screen, console)
    first = with_authority(
        replace(project, lab=spec.name)
    )  # kept nowhere: its brokers go with the lab
    second = other and with_authority(replace(other, lab=spec.name), first)
    run = _Rehearsal(first, second, client, stages, Progress(console))
    run.all(spec, drills, report, console)
    if json:
        print_json(run.json())
    else:
        screen.show(run.lines())
    return stages.exit_code


def _client(project: Project, other: Project | None) -> str:
    """The host to probe from: one of what is there in the end, else of what was there before."""
    clients = [host for one in (other, project) if one for host in one.topology.idle_clients()]
    if not clients:
        raise LabError(
            f"{project.path} has no client: there is nothing to probe from, so nothing would be proven",
            "name a host that is neither director nor real server in the group `clients`; the lab makes it",
        )
    return clients[0]


@dataclass
class _Rehearsal:
    """A rehearsal under way: what is rehearsed, and what has come of it so far."""

    project: Project
    other: Project | None
    client: str
    stages: Steps
    progress: Progress
    verified: Verification | None = None
    verified_again: Verification | None = None
    change: ChangeRun | None = None
    drilled: Drills | None = None

    def all(
        self, spec: LabSpec, drills: Sequence[str], report: Path | None, console: Console
    ) -> None:
        """Run the stages; one without which the next would prove nothing ends the run."""
        run = self.stages.run
        with ExitStack() as lab:
            if not run("lab up", lambda: _up(lab, spec, self.project, self.progress, console)):
                return
            if run("deploy", lambda: self.deploy(self.project)):
                run("verify", self.verify_first)
                if self._changed():
                    run("drills", lambda: self.drill(drills))
                    if report and self.drilled:
                        done = self.drilled
                        run(
                            "report",
                            lambda: f"{write(done, report)[-1]} and beside it the same as data",
                        )
            run("lab down", lambda: _down(lab))

    def _changed(self) -> bool:
        """Deploy the other inventory, if there is one; whether the drills have something to run on."""
        if self.other is None:
            return True
        self.stages.run("change", self.deploy_change)
        if self.change is None:
            return False
        self.stages.run("verify again", self.verify_again)
        return True

    def deploy(self, project: Project) -> str:
        """Deploy an inventory into the lab, asking nobody; returns how much that was."""
        targets = project.targets(project.managed(), lab=True)
        with inspect(targets, project.render, project.inventory.secrets, self.progress) as found:
            found.raise_failures()
            prepare(project, found, self.progress, lab=True)
            results, code = carry_out(project, found, 0, self.progress, lab=True)
            if found.interrupted:
                raise KeyboardInterrupt
            if code != Exit.OK:
                bad = (
                    f"{result.host}: {result.outcome}: {result.message}"
                    for result in results
                    if result.exit_code
                )
                error = HactlError("\n".join(bad))
                error.exit_code = code
                raise error
            self._deploy_cluster(project, found)
            return plan_counts(found.plans, found.coverage).removeprefix("Plan: ")

    def _deploy_cluster(self, project: Project, found: Inspection) -> None:
        """Make the cluster's users, topics and rights what the inventory says, where it says anything of them."""
        cluster = ClusterDeploy.of(project)
        cluster.carry_out(found, self.progress)
        cluster.raise_failure()
        if cluster.applied and not cluster.applied.complete:
            raise HactlError("\n".join(line for line, _ in cluster.applied_lines()))

    def verify_first(self) -> str:
        """Verify what was deployed first."""
        self.verified = self._verify(self.project)
        return verdict(self.verified)

    def verify_again(self) -> str:
        """Verify what the change made of it."""
        assert self.other
        self.verified_again = self._verify(self.other)
        return verdict(self.verified_again)

    def _verify(self, project: Project) -> Verification:
        """Verify, again and again for as long as the front end may need to come to rest after a deploy."""
        from provision.checks.verify.run import run  # pytest and testinfra take a moment to import

        deadline = time.monotonic() + last_step(project.topology) + SETTLE_TIMEOUT
        with sessions(project, lab=True) as opened:
            while (
                not (found := run(project, opened, self.progress)).ok
                and time.monotonic() < deadline
            ):
                time.sleep(1)
        return found

    def deploy_change(self) -> str:
        """Deploy the other inventory while clients ask for the services that are in both; sets `change`."""
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
        """Run the drills on what is deployed now; sets `drilled`."""
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
            "ok": self.stages.exit_code == Exit.OK,
            "stages": [stage.json() for stage in self.stages.done],
            "verify": self.verified and self.verified.json(),
            "change": self.change and {**self.change.json(), "verify": again and again.json()},
            "drills": self.drilled and self.drilled.json(),
        }

    def lines(self) -> Iterator[Line]:
        """What verifying found amiss, what clients saw of the change, the drills' table, the verdict."""
        for found, project in ((self.verified, self.project), (self.verified_again, self.other)):
            if found and project and not found.ok:
                yield "", ""
                yield from verify_lines(found, project.topology)
        if self.change:
            yield "", ""
            yield from lines(self.change)
        if self.drilled:
            yield "", ""
            yield from terminal.lines(self.drilled)
        ok = self.stages.exit_code == Exit.OK
        bad = ", ".join(stage.name for stage in self.stages.done if not stage.ok)
        yield "", ""
        seconds = sum(stage.seconds for stage in self.stages.done)
        yield f"Rehearsal: {'passed' if ok else f'failed: {bad}'}; {seconds:.0f} s.", BOLD


def _up(
    lab: ExitStack, spec: LabSpec, project: Project, progress: Progress, console: Console
) -> str:
    collect_jars(project, console.note)
    lab.enter_context(lab_of(spec, lambda text: progress.host("lab", text), console.note))
    directors = sum(host.kind == "director" for host in spec.hosts)
    return f"{directors} directors, {len(spec.hosts) - directors} other hosts, all fresh"


def _down(lab: ExitStack) -> str:
    lab.close()
    return "nothing of it is left here"


def verdict(found: Verification) -> str:
    """The counts of a verification. Raises HactlError with them where a check failed."""
    bad = sum(not check.ok for check in found.checks)
    skipped = sum(check.skipped is not None for check in found.checks)
    counts = f"{len(found.checks) - skipped - bad} checks passed, {bad} failed, {skipped} skipped"
    if found.ok:
        return counts
    error = HactlError(counts)
    error.exit_code = found.exit
    raise error


def command(
    inventory: InventoryPath = None,
    change: Annotated[
        Path | None,
        typer.Option(metavar="OTHER", help="Then deploy this inventory over it, under load."),
    ] = None,
    drill: DrillNames = None,
    report: ReportFolder = None,
    json: Json = False,
) -> None:
    """Try an inventory in a lab of its own: boot, deploy, verify, drills, report, and away with it. Needs root."""

    other = load(change) if change else None
    raise typer.Exit(
        rehearse(load(inventory), other, drills=tuple(drill or ()), report=report, json=json)
    )
