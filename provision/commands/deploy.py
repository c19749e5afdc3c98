"""What the commands do once their words are parsed: each takes a Project and returns an exit code."""

from __future__ import annotations

import dataclasses
import getpass
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from provision.checks.lint.rules import check
from provision.core.errors import Exit, HactlError, LabError, UsageError
from provision.core.events import Console, Events
from provision.core.facts import Facts
from provision.core.terminal import Screen, confirm, print_json
from provision.deploy.host_inspection import Render
from provision.deploy.inspection import Survey, survey
from provision.deploy.plan import mask, without_keys
from provision.deploy.plan_output import plan_json, plan_lines, results_json, results_lines
from provision.deploy.project import Project
from provision.deploy.results import HostResult, ended, refusals
from provision.desired.items import File, Item
from provision.hosts.target import Target
from provision.kafka.ca import keep_new, new_authority, planned_with, with_authority
from provision.kafka.resources.check_users import prepare
from provision.kafka.resources.deploy import Side


def render(project: Project, host: str, out: Path | None) -> None:
    """Print every file and setting of each host (secrets masked), or write trees below `out` (secrets included).

    Raises:
        UsageError: `host` is not a host hactl has something to do with.
    """
    check(project)
    for name in project.managed(host):
        desired = project.render(name, Facts())
        for path in (item.name for item in desired.items if isinstance(item, File) and not item.known):
            note = f"{name}: {path} is not whole: this machine has no CA of the cluster, and the first deploy makes it"
            sys.stderr.write(f"{note}\n")
        if out is not None:
            _write_tree(out / name, desired.of("file"))
            continue
        for item in desired.items:
            _print_item(name, item, project.inventory.secrets)


def _print_item(host: str, item: Item, secrets: frozenset[str]) -> None:
    if isinstance(item, File):
        print(f"# {host}: {item.kind} {item.name}  {item.mode} {item.owner}:{item.group}")
        text = mask(without_keys(item.content.decode(errors="replace")), secrets)
        print("(secret: `--out` writes it)\n" if item.secret else text)
    else:
        shown = (f"{key}={value}" for key, value in item.attributes().items() if key != "current")
        print(f"# {host}: {item.kind} {item.name} {' '.join(shown)}".rstrip())


def _write_tree(folder: Path, files: tuple[Item, ...]) -> None:
    """Write the files as a tree that only its owner can read: contents are real, secrets included."""
    for item in files:
        assert isinstance(item, File)
        path = folder / item.name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        path.unlink(missing_ok=True)  # an old file may be readable by others
        path.touch(mode=0o600)
        path.write_bytes(item.content)


def plan(project: Project, limit: str, json: bool, lab: bool) -> Exit:
    """Show what a deploy would change.

    Raises:
        HactlError: a host could not be looked at; the other hosts' plan is shown first.
    """
    check(project)
    console = Console()
    targets = project.targets(project.managed(limit), lab)
    with survey(targets, project.render, project.inventory.secrets, console) as found:
        cluster = Side.of(project, limit)
        cluster.look(found)
        console.done()
        if json:
            print_json(plan_json(found.plans, found.coverage) | cluster.plan_json())
        else:
            Screen().show([*plan_lines(found.plans, found.coverage), *cluster.plan_lines()])
        found.raise_failures()
        if making := new_authority(project, found.plans):
            console.note(making)
        cluster.raise_failure()
        return Exit.CHANGES if found.changes() + cluster.changes() else Exit.OK


def deploy(project: Project, *, yes: bool, limit: str, serial: int, json: bool, lab: bool) -> Exit:
    """Plan, ask, apply in rollout order, report; a failure anywhere before the first change changes nothing."""
    check(project)
    targets = project.targets(project.managed(limit), lab)
    wanted = Wanted(project.render, project.inventory.secrets, cluster=Side.of(project, limit))
    return push(project, targets, wanted, yes=yes, serial=serial, json=json, lab=lab)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What hosts are to become: how to render each, what to mask, and, where it is no deploy of the inventory, why.

    `cluster` is the side of a Kafka cluster that is to follow them.
    """

    render: Render
    secrets: frozenset[str]
    note: str = ""
    digest: str = ""
    cluster: Side = dataclasses.field(default_factory=Side)


def push(
    project: Project, targets: Mapping[str, Target], wanted: Wanted, *, yes: bool, serial: int, json: bool, lab: bool
) -> Exit:
    """Survey the targets, show the plan, ask, carry it out, report."""
    console = Console()
    with survey(targets, wanted.render, wanted.secrets, console, mend=True) as found:
        console.done()
        if found.failures:
            return refuse(found, json)
        cluster = wanted.cluster
        if making := new_authority(project, found.plans):
            console.note(making)
            project = with_authority(project)
            found.plans = planned_with(project, found.plans)
            cluster.project = cluster.project and project
        cluster.look(found)
        cluster.put_off(found, console)
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
    project: Project, found: Survey, serial: int, events: Events, wanted: Wanted | None = None, *, lab: bool = False
) -> tuple[list[HostResult], Exit]:
    """Apply what was surveyed, asking nobody; returns every surveyed host's result and the exit code of them all."""
    if not found.changes():
        return [ended(found, host, "unchanged") for host in found.plans], Exit.OK
    from provision.deploy import rollout
    from provision.deploy.external.probe_host import viewpoint
    from provision.deploy.external_check import Outside
    from provision.kafka.rolling.deploy import careful

    note, digest = (wanted.note, wanted.digest) if wanted else ("", "")
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = (owner(), digest or project.digest(), found.next_generation(), when, note)
    desired = {host: plan.desired for host, plan in found.plans.items()}
    place = viewpoint(project.topology, lambda host: project.targets((host,), lab)[host], controller=not lab)
    outside = Outside(project.topology, desired, place)
    order = rollout.Rollout(project.topology.stages(), serial, *run)
    with careful(project, found, events, lab=lab) as care:
        results = rollout.deploy(found, order, outside, events, care)
    codes = [result.exit_code for result in results.values() if result.exit_code]
    code = Exit.INTERRUPTED if found.interrupted else max(codes, default=Exit.OK)
    return [results[host] for host in found.plans], code


def refuse(found: Survey, json: bool) -> Exit:
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


def owner() -> str:
    """Who deploys from where, as locks and logs say it: USER@HOST."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def lab_up(project: Project) -> None:
    """Boot every host of the inventory in a lab of its own.

    Raises:
        LabError: a host has no literal address, or the machine cannot carry the lab.
    """
    from provision.lab.control import up
    from provision.lab.plan import LabSpec

    spec = LabSpec.of(project.lab_name, lab_hosts(project))
    collect_jars(project, Console().note)
    up(spec, Console().note)


def collect_jars(project: Project, say: Callable[[str], None]) -> None:
    """Put Kafka's jars where the lab's nodes see them, if that is where the inventory says that they are.

    Raises:
        LabError: Maven Central cannot be asked, or it is no version whose jars are known.
    """
    from provision.desired.kafka_distribution import collect
    from provision.lab.command_lines import SHARE
    from provision.lab.layout import cache_root

    model = project.topology.kafka.model if project.topology.kafka else None
    if model and model.distribution.jars == f"{SHARE}/kafka/{model.version}":
        collect(model.version, cache_root() / "share" / "kafka", say)


def lab_hosts(project: Project) -> list[tuple[str, str, bool]]:
    """The hosts of the inventory for its lab: name, address, whether it is a director.

    Raises:
        LabError: a host has no literal address.
    """
    directors, addresses = set(project.topology.directors()), project.topology.addresses()
    unknown = [name for name in project.inventory.hosts if name not in addresses]
    if unknown:
        what = f"the address of {', '.join(unknown)} is not known: the lab asks no name server"
        raise LabError(what, "give each a literal `ansible_host`, or an `address` beside it")
    return [(name, address, name in directors) for name, address in addresses.items()]


def lab_status(name: str, json: bool) -> Exit:
    """Show a lab's hosts; exit 1 where the lab is not up or a host of it is not running."""
    from provision.lab.control import status

    state = status(name)
    hosts = state.hosts if state else ()
    ok = state is not None and state.ready and all(host.answers_ssh for host in hosts)
    if json:
        print_json({"ok": ok, "lab": name, "hosts": {host.name: dataclasses.asdict(host) for host in hosts}})
        return Exit.OK if ok else Exit.FAILED
    if state is None:
        print(f"lab {name} is not up; `hactl lab up` brings it up")
        return Exit.FAILED
    for host in hosts:
        answer = "answers SSH" if host.answers_ssh else "no answer on SSH" if host.running else "off"
        print(f"{host.name:<16} {host.kind:<9} {host.address:<24} {answer}")
    print(f"ssh -F {state.ssh_config} HOST")
    return Exit.OK if ok else Exit.FAILED
