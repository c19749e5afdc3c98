"""The command line: parse, call, map the outcome to an exit code. No logic, and nothing heavy imported up front."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.errors import Exit, HactlError, UsageError, plain
from provision.lint.formats import Format

if TYPE_CHECKING:
    from types import FrameType

    from provision.project import Project

app = typer.Typer(
    help="Provision and prove a high-availability front end: LVS and Keepalived before web and Kafka nodes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lab_app = typer.Typer(
    help="All hosts of an inventory, in isolation here.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(lab_app, name="lab")
kafka_app = typer.Typer(
    help="Kafka behind the front end.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(kafka_app, name="kafka")
retention_app = typer.Typer(
    help="How long what stays in a topic, and what that takes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
kafka_app.add_typer(retention_app, name="retention")

DEFAULT_INVENTORY = "inventories/lab.yml"
InventoryPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="INVENTORY",
        help=f"Inventory file; default: $HACTL_INVENTORY, else {DEFAULT_INVENTORY}.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
LintFormat = Annotated[Format, typer.Option("--format", help="sarif: for code scanning; github: notes in a workflow.")]
Limit = Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")]
Bootstrap = Annotated[str, typer.Option(metavar="HOST:PORT", help="Brokers to ask first, separated by commas.")]
ClientFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The client's properties: protocol, SASL, TLS, bootstrap.servers.")
]
Lab = Annotated[bool, typer.Option("--lab", help="Log in to the inventory's lab instead of the hosts it names.")]


def inventory_path(given: Path | None) -> Path:
    """The inventory to work on: the argument, `HACTL_INVENTORY`, `inventories/lab.yml`, else the shipped one."""
    path = given or Path(os.environ.get("HACTL_INVENTORY") or DEFAULT_INVENTORY)
    if given is None and not path.exists() and "HACTL_INVENTORY" not in os.environ:
        from provision.data import shipped

        return shipped("inventories") / "lab.yml"
    return path


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _load(given: Path | None) -> Project:
    from provision.project import load

    return load(inventory_path(given))


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
    from provision.starter import Answers, ask, write

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
    from provision.inventory.reader import read_inventory
    from provision.show import print_json

    if list_all == bool(host):
        raise UsageError("inventory: give either --list or --host NAME")
    read = read_inventory(inventory_path(inventory))
    if host and host not in read.hosts:
        raise UsageError(f"inventory: no host {host} in {read.path}", f"it has {', '.join(read.hosts)}")
    print_json(read.host_to_ansible(host) if host else read.to_ansible())


@app.command("lint")
def lint_command(inventory: InventoryPath = None, json: Json = False, form: LintFormat = Format.TEXT) -> None:
    """Find mistakes that no single host's parser can see."""
    from provision.lint.rules import report

    raise typer.Exit(report(_load(inventory), Format.JSON if json else form))


@app.command("render")
def render_command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(help="Only this host.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write a tree per host here, secrets included.")] = None,
) -> None:
    """Show what would be on each host, asking none.

    Facts come from `hactl_facts` in the inventory or are assumed; secrets are masked."""
    from provision.commands import render

    render(_load(inventory), host, out)


@app.command("plan")
def plan_command(inventory: InventoryPath = None, limit: Limit = "", json: Json = False, lab: Lab = False) -> None:
    """Show what a deploy would change.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    from provision.commands import plan

    raise typer.Exit(plan(_load(inventory), limit, json, lab))


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
    from provision.commands import deploy

    raise typer.Exit(deploy(_load(inventory), yes=yes, limit=limit, serial=serial, json=json, lab=lab))


@app.command("history")
def history_command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")] = "",
    diff: Annotated[int | None, typer.Option(metavar="N", min=1, help="Show what generation N changed.")] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """List what was confirmed on each host: when, by whom, from which inventory."""
    from provision.history import history

    raise typer.Exit(history(_load(inventory), host=host, diff=diff, json=json, lab=lab))


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
    from provision.history import rollback

    raise typer.Exit(rollback(_load(inventory), to=to, limit=limit, yes=yes, json=json, lab=lab))


@app.command("verify")
def verify_command(
    inventory: InventoryPath = None,
    json: Json = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML here.")] = None,
    lab: Lab = False,
) -> None:
    """Look at every host and at the wire, and say what is not as it should be.

    Changes nothing. Tests of your own in `tests/` beside the inventory run as well."""
    from provision.prove.verify import verify

    raise typer.Exit(verify(_load(inventory), json=json, junit=junit, lab=lab))


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
    from provision.prove.failover_test import failover_test

    raise typer.Exit(
        failover_test(
            _load(inventory),
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
    from provision.prove.rehearse import rehearse

    other = _load(change) if change else None
    raise typer.Exit(rehearse(_load(inventory), other, drills=tuple(drill or ()), report=report, json=json))


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
    from provision.daily.status import status

    raise typer.Exit(status(_load(inventory), watch=watch, json=json, prometheus=prometheus, lab=lab))


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
    from provision.daily.drain import drain

    raise typer.Exit(drain(_load(inventory), host, wait=wait, json=json, lab=lab))


@app.command("undrain")
def undrain_command(host: Host, inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Give a drained host its work back."""
    from provision.daily.drain import undrain

    raise typer.Exit(undrain(_load(inventory), host, json=json, lab=lab))


@app.command("doctor")
def doctor_command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Look for the causes of what is wrong, and show what tells them.

    Exit 0 when nothing was found, 1 when something was."""
    from provision.daily.doctor import doctor

    raise typer.Exit(doctor(_load(inventory), json=json, lab=lab))


@lab_app.command("up")
def lab_up(inventory: InventoryPath = None) -> None:
    """Boot every host of the inventory. Needs root."""
    from provision.commands import lab_up as up

    up(_load(inventory))


@lab_app.command("status")
def lab_status(inventory: InventoryPath = None, json: Json = False) -> None:
    """Show which hosts of the lab run."""
    from provision.commands import lab_status as status

    raise typer.Exit(status(inventory_path(inventory).stem, json))


@lab_app.command("shell", context_settings={"allow_interspersed_args": False})
def lab_shell(
    host: Annotated[str, typer.Argument(help="A host of the lab.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command instead of a shell.")] = None,
    inventory: Annotated[Path | None, typer.Option("--inventory", "-i", help="Whose lab.")] = None,
) -> None:
    """Open a shell on a lab host, or run one command there."""
    from provision.lab.control import shell

    words = command or []
    raise typer.Exit(shell(inventory_path(inventory).stem, host, words[1:] if words[:1] == ["--"] else words))


@lab_app.command("cut")
def lab_cut(
    host: Annotated[str, typer.Argument(help="A host of the lab.")],
    inventory: Annotated[Path | None, typer.Option("--inventory", "-i", help="Whose lab.")] = None,
) -> None:
    """Cut a lab host's power."""
    from provision.lab.control import cut

    cut(inventory_path(inventory).stem, host, _note)


@lab_app.command("boot")
def lab_boot(
    host: Annotated[str, typer.Argument(help="A host of the lab.")],
    inventory: Annotated[Path | None, typer.Option("--inventory", "-i", help="Whose lab.")] = None,
) -> None:
    """Give a lab host its power back."""
    from provision.lab.control import boot

    boot(inventory_path(inventory).stem, host, _note)


@lab_app.command("down")
def lab_down(inventory: InventoryPath = None) -> None:
    """Take the lab away.

    Nothing of it stays on this machine, also after a crash."""
    from provision.lab.control import down

    down(inventory_path(inventory).stem, _note)


@kafka_app.command("lint")
def kafka_lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="All that belong together.", show_default=False)],
    form: LintFormat = Format.TEXT,
) -> None:
    """Find mistakes in the files of brokers, clients and ZooKeeper, in JAAS files and scripts, looked at together."""
    from provision.kafka.lint.report import report

    raise typer.Exit(report(files, form))


@kafka_app.command("replicas")
def kafka_replicas(
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    gate: Annotated[int | None, typer.Option(metavar="BROKER", help="May this broker go down now?")] = None,
    json: Json = False,
) -> None:
    """Show the state of every replica, and what is wrong; or answer whether a broker may go down.

    Exit 0 when all is whole (or the broker may go), 1 when not, 4 when the cluster cannot be reached."""
    from provision.kafka.commands import replicas

    raise typer.Exit(replicas(bootstrap=bootstrap, client=client, watch=watch, broker=gate, json=json))


@retention_app.command("plan")
def kafka_retention_plan(
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="TOPIC...", help="Default: all but internal ones.")
    ] = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Bytes a second that are written into the topic.")] = None,
    keys: Annotated[int | None, typer.Option(min=1, help="Different keys in the topic.")] = None,
    record_bytes: Annotated[int | None, typer.Option(min=1, help="Bytes of a record, as it is stored.")] = None,
    json: Json = False,
) -> None:
    """Show what a topic's parameters come to: bytes, deadlines, keys a pass, contradictions.

    Exit 0, 1 where a broker has not the room or Kafka would refuse it, 4 when the cluster cannot be reached."""
    from provision.kafka.commands import retention_plan
    from provision.kafka.retention.model import Use

    use = Use(1, rate=rate, keys=keys, record_bytes=record_bytes)
    raise typer.Exit(retention_plan(topics or [], use, bootstrap=bootstrap, client=client, json=json))


#: Typer carries its own copy of Click from some version on and names only the leaves of its exceptions.
_BadUsage: type[Exception] = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; the one place where errors become text and an exit code."""
    # Imports make objects that stay: to collect after every 700 costs a seventh of the time and finds nothing.
    gc.set_threshold(100_000)
    # Passwords are in memory: none shall be left in a core file. The hard limit stays for what is started from here.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _end_as_interrupted()
    try:
        code = app(standalone_mode=False)
        if code == Exit.INTERRUPTED and not isinstance(code, Exit):
            _say("interrupted")  # Typer makes a bare 130 of KeyboardInterrupt; a command that returns it has said more
        sys.exit(code if isinstance(code, int) else Exit.OK)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(Exit.INTERRUPTED)
    except _BadUsage as error:
        error.show()  # type: ignore[attr-defined]  # prints the usage line and what is wrong
        sys.exit(Exit.USAGE)
    except HactlError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stdout = None  # the reader went away; nothing is left to flush
        sys.exit(Exit.OK)
    finally:
        gc.freeze()  # at exit the interpreter collects what is not frozen: 0.1 s for memory that goes anyway


def _end_as_interrupted() -> None:
    """Take SIGTERM and a closed terminal for Ctrl-C, so that what is open is undone; `nohup` stays in force."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)


def _say(text: str) -> None:
    text = plain(text)
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"\x1b[31m{text}\x1b[0m\n" if red else f"{text}\n")
