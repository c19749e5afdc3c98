"""The commands about the hosts of an inventory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.formats import Format
from provision.commands.options import InventoryPath, Json, Lab, LintFormat, inventory_path, load
from provision.core.errors import UsageError

app = typer.Typer(
    help="Provision and prove a high-availability front end: LVS and Keepalived before web and Kafka nodes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Limit = Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")]


@app.command("init")
def init_command(
    path: Annotated[Path, typer.Argument(help="The inventory file to write.")] = Path("inventory.yml"),
    vip: Annotated[str, typer.Option(help="The virtual IP address.")] = "",
    director: Annotated[list[str] | None, typer.Option(help="NAME=ADDRESS, master first; repeat.")] = None,
    real_server: Annotated[list[str] | None, typer.Option(help="NAME=ADDRESS; repeat.")] = None,
    client: Annotated[str, typer.Option(help="NAME=ADDRESS of a host that is neither, to probe from.")] = "",
    port: Annotated[int, typer.Option(help="The service's TCP port.")] = 80,
) -> None:
    """Write a commented starter inventory."""
    from provision.commands.init import Answers, ask, write

    answers = Answers(vip, tuple(director or ()), tuple(real_server or ()), client, port)
    if not (vip and director and real_server):
        if not sys.stdin.isatty():
            raise UsageError("init: give --vip, --director and --real-server, or run it on a terminal")
        answers = ask(answers)
    write(path, answers)
    typer.echo(f"Wrote {path}. Next: hactl plan {path}", err=True)


@app.command("inventory")
def inventory_command(
    inventory: InventoryPath = None,
    list_all: Annotated[bool, typer.Option("--list", help="All groups and hosts.")] = False,
    host: Annotated[str, typer.Option(help="The variables of one host.")] = "",
) -> None:
    """Print Ansible's dynamic-inventory JSON."""
    from provision.core.terminal import print_json
    from provision.inventory.reader import read_inventory

    if list_all == bool(host):
        raise UsageError("inventory: give either --list or --host NAME")
    read = read_inventory(inventory_path(inventory))
    if host and host not in read.hosts:
        raise UsageError(f"inventory: no host {host} in {read.path}", f"it has {', '.join(read.hosts)}")
    print_json(read.host_to_ansible(host) if host else read.to_ansible())


@app.command("lint")
def lint_command(inventory: InventoryPath = None, json: Json = False, form: LintFormat = Format.TEXT) -> None:
    """Find mistakes that no single host's parser can see."""
    from provision.checks.lint.rules import report

    raise typer.Exit(report(load(inventory), Format.JSON if json else form))


@app.command("render")
def render_command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(help="Only this host.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write a tree per host here, secrets included.")] = None,
) -> None:
    """Show what would be on each host, asking none.

    Facts come from `hactl_facts` in the inventory or are assumed; secrets are masked."""
    from provision.commands.deploy import render

    render(load(inventory), host, out)


@app.command("plan")
def plan_command(inventory: InventoryPath = None, limit: Limit = "", json: Json = False, lab: Lab = False) -> None:
    """Show what a deploy would change.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    from provision.commands.deploy import plan

    raise typer.Exit(plan(load(inventory), limit, json, lab))


@app.command("deploy")
def deploy_command(
    inventory: InventoryPath = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    limit: Limit = "",
    serial: Annotated[int, typer.Option(min=0, help="Hosts of one stage at a time; 0: all.")] = 0,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, then make every host as planned.

    Real servers first, then backup directors, then the master."""
    from provision.commands.deploy import deploy

    raise typer.Exit(deploy(load(inventory), yes=yes, limit=limit, serial=serial, json=json, lab=lab))


@app.command("history")
def history_command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")] = "",
    diff: Annotated[int | None, typer.Option(metavar="N", min=1, help="Show what generation N changed.")] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """List what was confirmed on each host: when, by whom, from which inventory."""
    from provision.commands.history import history

    raise typer.Exit(history(load(inventory), host=host, diff=diff, json=json, lab=lab))


@app.command("rollback")
def rollback_command(
    inventory: InventoryPath = None,
    to: Annotated[int | None, typer.Option(metavar="N", min=1, help="The generation; default: the one before.")] = None,
    limit: Limit = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Make the hosts again what they were at a generation: plan, ask, then as a deploy."""
    from provision.commands.history import rollback

    raise typer.Exit(rollback(load(inventory), to=to, limit=limit, yes=yes, json=json, lab=lab))


@app.command("verify")
def verify_command(
    inventory: InventoryPath = None,
    json: Json = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML here.")] = None,
    lab: Lab = False,
) -> None:
    """Look at every host and at the wire, and say what is not as it should be.

    Changes nothing. Tests of your own in `tests/` beside the inventory run as well."""
    from provision.commands.verify import verify

    raise typer.Exit(verify(load(inventory), json=json, junit=junit, lab=lab))


Drill = Annotated[
    list[str] | None,
    typer.Option("--drill", metavar="NAME", help="Only this drill; repeat. Default: all."),
]
Report = Annotated[Path | None, typer.Option(metavar="DIR", help="Write JSON, JUnit and an HTML page here.")]


@app.command("failover-test")
def failover_test_command(
    inventory: InventoryPath = None,
    drill: Drill = None,
    report: Report = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before breaking real hosts.")] = False,
    from_controller: Annotated[
        bool, typer.Option("--from-controller", help="Probe from this machine, where the inventory has no client.")
    ] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Break the front end on purpose, one drill after the other, and measure what clients see.

    Every fault is undone, by its host itself if need be."""
    from provision.commands.failover_test import failover_test

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


@app.command("rehearse")
def rehearse_command(
    inventory: InventoryPath = None,
    change: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Then deploy this inventory over it, under load.")
    ] = None,
    drill: Drill = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Try an inventory in a lab of its own: boot, deploy, verify, drills, report, and away with it. Needs root."""
    from provision.commands.rehearse import rehearse

    other = load(change) if change else None
    raise typer.Exit(rehearse(load(inventory), other, drills=tuple(drill or ()), report=report, json=json))


@app.command("status")
def status_command(
    inventory: InventoryPath = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    json: Json = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print Prometheus's text format.")] = False,
    lab: Lab = False,
) -> None:
    """Show who holds what, which real servers answer, and what is wrong.

    Exit 0 when all is well, 1 when something is wrong, 4 when a host does not answer."""
    from provision.commands.status import status

    raise typer.Exit(status(load(inventory), watch=watch, json=json, prometheus=prometheus, lab=lab))


Host = Annotated[str, typer.Argument(metavar="HOST", help="A real server or a director.", show_default=False)]


@app.command("drain")
def drain_command(
    host: Host,
    inventory: InventoryPath = None,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for what is left.")] = 300,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Take a host out of service without a lost request, until `undrain`.

    A real server gets no new connections, a director hands its addresses over. Exit 1 when something is left."""
    from provision.commands.drain import drain

    raise typer.Exit(drain(load(inventory), host, wait=wait, json=json, lab=lab))


@app.command("undrain")
def undrain_command(host: Host, inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Give a drained host its work back."""
    from provision.commands.drain import undrain

    raise typer.Exit(undrain(load(inventory), host, json=json, lab=lab))


@app.command("doctor")
def doctor_command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Look for the causes of what is wrong, and show what tells them.

    Exit 0 when nothing was found, 1 when something was, 4 when a host could not be looked at."""
    from provision.commands.doctor import doctor

    raise typer.Exit(doctor(load(inventory), json=json, lab=lab))
