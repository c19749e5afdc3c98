"""`hactl render`: show the files and settings of each host; no host is asked."""

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
    """Print every file and setting of each host, secrets masked; or write file trees to `out`.

    The trees include the secrets.

    Raises:
        UsageError: hactl does not manage `host`.
    """
    check(project)
    for name in project.managed(host):
        desired = project.render(name, Facts())
        for item in desired.items:
            if isinstance(item, File) and not item.known:
                note = "this machine has no CA of the cluster; the first deploy creates the CA"
                sys.stderr.write(f"{name}: {item.name} is incomplete: {note}\n")
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
    """Write the files, secrets included, as a tree that only its owner can read."""
    for item in files:
        assert isinstance(item, File)
        path = folder / item.name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        path.unlink(missing_ok=True)  # other users may be able to read an old file
        path.touch(mode=0o600)
        path.write_bytes(item.content)


def command(
    inventory: InventoryPath = None,
    host: Annotated[str, typer.Option(metavar="HOST", help="Show only this host.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a file tree per host here, secrets included."),
    ] = None,
) -> None:
    """Show the files and settings of each host.

    No host is asked: facts come from `hactl_facts` in the inventory, or are
    assumed. Secrets are masked."""
    render(load(inventory), host, out)
