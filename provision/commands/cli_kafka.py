"""hactl kafka: what is behind the front end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.formats import Format
from provision.commands.options import InventoryPath, Json, Lab, LintFormat, load

kafka_app = typer.Typer(
    help="Kafka behind the front end.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
retention_app = typer.Typer(
    help="How long what stays in a topic, and what that takes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
kafka_app.add_typer(retention_app, name="retention")

Topics = Annotated[list[str] | None, typer.Argument(metavar="TOPIC...", help="Default: all but internal ones.")]
Bootstrap = Annotated[str, typer.Option(metavar="HOST:PORT", help="Brokers to ask first, separated by commas.")]
ClientFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The client's properties: protocol, SASL, TLS, bootstrap.servers.")
]
InventoryOption = Annotated[
    Path | None, typer.Option("-i", "--inventory", metavar="INVENTORY", help="Its cluster, through SSH to the brokers.")
]


@kafka_app.command("lint")
def kafka_lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="All that belong together.", show_default=False)],
    form: LintFormat = Format.TEXT,
) -> None:
    """Find mistakes in the files of brokers, clients and ZooKeeper, in JAAS files and scripts, looked at together."""
    from provision.commands.kafka_lint import report

    raise typer.Exit(report(files, form))


Prune = Annotated[bool, typer.Option("--prune", help="Take away what the inventory does not name, topics included.")]


@kafka_app.command("plan")
def kafka_plan(inventory: InventoryPath = None, prune: Prune = False, json: Json = False, lab: Lab = False) -> None:
    """Show what would change about a cluster's users, topics, rights (ACLs) and quotas.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    from provision.commands.kafka_plan_apply import plan

    raise typer.Exit(plan(load(inventory), prune=prune, json=json, lab=lab))


@kafka_app.command("apply")
def kafka_apply(
    inventory: InventoryPath = None,
    prune: Prune = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, then make users, topics, rights (ACLs) and quotas as planned, in this order.

    Exit 1 where not all of it is done: what is done stays, and the next run goes on."""
    from provision.commands.kafka_plan_apply import apply

    raise typer.Exit(apply(load(inventory), prune=prune, yes=yes, json=json, lab=lab))


@kafka_app.command("clients")
def kafka_clients(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; nobody else may enter it.")],
    inventory: InventoryPath = None,
    user: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="Only this one; repeat. Default: all but the admin.")
    ] = None,
) -> None:
    """Write the files that each user's clients log in with, passwords included.

    For Java (producer.conf, consumer.conf), librdkafka and Python, and the CA's certificate."""
    from provision.commands.kafka_clients import clients

    clients(load(inventory), out, user or [])


@kafka_app.command("verify")
def kafka_verify(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Log in as each user from where clients are: what it may do must work, what it may not must be refused.

    Writes one marked record (key `hactl-verify`) into each topic that a user may write to or read, whatever else is in
    it. Exit 0 when all is as it must be, 1 when not, 4 when nothing can be reached."""
    from provision.commands.kafka_verify import verify

    raise typer.Exit(verify(load(inventory), json=json, lab=lab))


@kafka_app.command("replicas")
def kafka_replicas(
    inventory: InventoryPath = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    gate: Annotated[int | None, typer.Option(metavar="BROKER", help="May this broker go down now?")] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Show the state of every replica, and what is wrong; or answer whether a broker may go down.

    Asks the inventory's cluster, or another by --bootstrap or --client. Exit 0 when all is whole (or the broker may
    go), 1 when not, 4 when the cluster cannot be reached."""
    from provision.commands.kafka_replicas import replicas
    from provision.kafka.connection import Way

    project = load(inventory) if inventory or not (bootstrap or client) else None
    raise typer.Exit(replicas(Way(project, lab, bootstrap, client), watch=watch, broker=gate, json=json))


@kafka_app.command("roll")
def kafka_roll(
    inventory: InventoryPath = None,
    limit: Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Restart a cluster's nodes one at a time, each drained, and the next when all is in sync again.

    A run that was cut off is gone on with. Exit 1 where it ended before all were restarted."""
    from provision.commands.kafka_roll import roll

    raise typer.Exit(roll(load(inventory), limit=limit, yes=yes, json=json, lab=lab))


@retention_app.command("plan")
def kafka_retention_plan(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Bytes a second that are written into the topic.")] = None,
    keys: Annotated[int | None, typer.Option(min=1, help="Different keys in the topic.")] = None,
    record_bytes: Annotated[int | None, typer.Option(min=1, help="Bytes of a record, as it is stored.")] = None,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Show what a topic's parameters come to: bytes, deadlines, keys a pass, contradictions.

    Exit 0, 1 where a broker has not the room or Kafka would refuse it, 4 when the cluster or such a broker cannot be
    reached."""
    from provision.commands.kafka_retention import retention_plan
    from provision.kafka.connection import Way
    from provision.kafka.retention.model import Use

    use = Use(1, rate=rate, keys=keys, record_bytes=record_bytes)
    way = Way(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_plan(topics or [], use, way, json=json))


@retention_app.command("verify")
def kafka_retention_verify(
    topics: Topics = None,
    inventory: InventoryOption = None,
    bootstrap: Bootstrap = "",
    client: ClientFile = None,
    wait: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Refuse what would take longer.")] = 600,
    lab: Lab = False,
    json: Json = False,
) -> None:
    """Show on the brokers that a topic keeps and loses what its plan says. The topic itself is not touched.

    A probe topic beside it, with its parameters and the times among them shortened, is written to, watched and removed.
    Exit 0, 1 where it is otherwise than planned, 4 when the cluster cannot be reached, 64 where it would take longer
    than --wait."""
    from provision.commands.kafka_retention import retention_verify
    from provision.kafka.connection import Way

    way = Way(load(inventory) if inventory else None, lab, bootstrap, client)
    raise typer.Exit(retention_verify(topics or [], way, wait=wait, json=json))
