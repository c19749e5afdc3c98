"""hactl lab: all hosts of an inventory, in isolation here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provision.commands.options import InventoryPath, Json, inventory_path, load, note

lab_app = typer.Typer(
    help="All hosts of an inventory, in isolation here.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@lab_app.command("up")
def lab_up(inventory: InventoryPath = None) -> None:
    """Boot every host of the inventory. Needs root."""
    from provision.commands.deploy import lab_up as up

    up(load(inventory))


@lab_app.command("status")
def lab_status(inventory: InventoryPath = None, json: Json = False) -> None:
    """Show which hosts of the lab run."""
    from provision.commands.deploy import lab_status as status

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

    cut(inventory_path(inventory).stem, host, note)


@lab_app.command("boot")
def lab_boot(
    host: Annotated[str, typer.Argument(help="A host of the lab.")],
    inventory: Annotated[Path | None, typer.Option("--inventory", "-i", help="Whose lab.")] = None,
) -> None:
    """Give a lab host its power back."""
    from provision.lab.control import boot

    boot(inventory_path(inventory).stem, host, note)


@lab_app.command("down")
def lab_down(inventory: InventoryPath = None) -> None:
    """Take the lab away.

    Nothing of it stays on this machine, also after a crash."""
    from provision.lab.control import down

    down(inventory_path(inventory).stem, note)
