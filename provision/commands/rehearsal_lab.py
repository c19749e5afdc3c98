"""The lab of a rehearsal: the hosts of one or two inventories, removed when the rehearsal ends."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provision.commands.lab_up import lab_hosts
from provision.core.errors import InputError, LabError, Problem
from provision.deploy.project import Project
from provision.lab.control import down, up
from provision.lab.layout import cache_root
from provision.lab.plan import LabSpec, lab_name

Events = Callable[[str], None]
SUFFIX = "-rehearsal"


def name_of(project: Project) -> str:
    """The name of the lab, at most 32 characters; the inventory's own lab has another name."""
    return lab_name(project.path.stem)[: 32 - len(SUFFIX)].rstrip("-") + SUFFIX


def spec_of(project: Project, other: Project | None) -> LabSpec:
    """The lab for a deploy of the inventory and of `other` after it: every host of both.

    A host that is a director in one of the inventories is a director in the lab.

    Raises:
        InputError: a host has two addresses in the inventories, or two hosts have the same address.
        LabError: a host has no address that the lab can use.
    """
    hosts = {name: (address, director) for name, address, director in lab_hosts(project)}
    problems = []
    for name, address, director in lab_hosts(other) if other else ():
        owner = next((host for host, (used, _) in hosts.items() if used == address), name)
        first_address, was_director = hosts.get(name, (address, False))
        if owner != name or first_address != address:
            assert other is not None
            problems.append(_clash(project, other, name, address, owner, first_address))
        hosts[name] = (first_address, director or was_director)
    if problems:
        raise InputError(problems)
    return LabSpec.of(name_of(project), [(name, *host) for name, host in hosts.items()])


def _clash(
    project: Project, other: Project, name: str, address: str, owner: str, first_address: str
) -> Problem:
    """The problem of a host whose address or name changes between the inventories."""
    difference = (
        f"which is the address of {owner} in {project.path}"
        if owner != name
        else f"and {first_address} in {project.path}"
    )
    return Problem(
        other.topology.node(name).position,
        "change-moves-host",
        f"{name} has the address {address} here, {difference}",
        "a deploy does not renumber or rename hosts, so this change cannot be rehearsed",
        "give the host the same name and address in both inventories",
    )


@contextmanager
def lab_of(spec: LabSpec, progress: Events, note: Events) -> Iterator[None]:
    """New hosts for the block; they are removed after it, however it ends.

    The leftovers of a killed rehearsal are removed first.

    Raises:
        LabError: a rehearsal of this inventory is running, or the machine is too small for the lab.
    """
    if os.geteuid() != 0:
        raise LabError(
            "a rehearsal needs root, because its lab does", "run the command again with sudo"
        )
    with _rehearsal_lock(spec.name):
        if down(spec.name, progress):
            note(f"lab {spec.name}: removed the leftovers of an earlier rehearsal")
        try:
            up(spec, progress)
            yield
        except KeyboardInterrupt as interruption:
            note(f"{str(interruption) or 'interrupted'}: removing lab {spec.name}")
            raise
        finally:
            with _signals_ignored():
                down(spec.name, progress)


@contextmanager
def _rehearsal_lock(name: str) -> Iterator[None]:
    """Hold the lock of the rehearsal; the kernel releases it when this process dies.

    Raises:
        LabError: another process holds it.
    """
    path = cache_root() / "locks" / f"{name}.run"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                f"{name}: a rehearsal of this inventory is running",
                "wait until it ends, or interrupt it",
            ) from None
        yield


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore SIGINT, SIGTERM and SIGHUP during the block."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
