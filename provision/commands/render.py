"""`hactl render`: everything that would be on each host; no host is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    InventoryPath,
    load,
)
from provision.core.facts import Facts
from provision.deploy.masking import mask, without_keys
from provision.deploy.project import Project
from provision.desired.items import File, Item


def render(project: Project, host: str, out: Path | None) -> None:
    """Print every file and setting of each host (secrets masked), or write trees below `out` (secrets included).

    Raises:
        UsageError: `host` is not a host hactl has something to do with.
    """
    check(project)
    for name in project.managed(host):
        desired = project.render(name, Facts())
        for path in (
            item.name for item in desired.items if isinstance(item, File) and not item.known
        ):
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


def command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(help="Only this host.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write a tree per host here, secrets included.")
    ] = None,
) -> None:
    """Show what would be on each host, asking none.

    Facts come from `hactl_facts` in the inventory or are assumed; secrets are masked."""

    render(load(inventory), host, out)
