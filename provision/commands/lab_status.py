"""`hactl lab status`: show which hosts of a lab run."""

from __future__ import annotations

import dataclasses

import typer

from provision.commands.options import (
    InventoryPath,
    Json,
    inventory_path,
)
from provision.core.errors import Exit
from provision.core.terminal import print_json


def lab_status(name: str, json: bool) -> Exit:
    """Show a lab's hosts; returns 1 where the lab is not up or a host does not answer SSH."""
    from provision.lab.control import status

    state = status(name)
    hosts = state.hosts if state else ()
    ok = state is not None and state.ready and all(host.answers_ssh for host in hosts)
    if json:
        print_json(
            {
                "ok": ok,
                "lab": name,
                "hosts": {host.name: dataclasses.asdict(host) for host in hosts},
            }
        )
        return Exit.OK if ok else Exit.FAILED
    if state is None:
        print(f"lab {name} is not up; `hactl lab up` boots it")
        return Exit.FAILED
    for host in hosts:
        answer = (
            "answers SSH" if host.answers_ssh else "no answer on SSH" if host.running else "off"
        )
        print(f"{host.name:<16} {host.kind:<9} {host.address:<24} {answer}")
    print(f"ssh -F {state.ssh_config} HOST")
    return Exit.OK if ok else Exit.FAILED


def command(inventory: InventoryPath = None, json: Json = False) -> None:
    """Show which hosts of the lab run.

    Exit 0 when every host answers SSH, 1 otherwise."""
    raise typer.Exit(lab_status(inventory_path(inventory).stem, json))
