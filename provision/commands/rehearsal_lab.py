"""The lab of a rehearsal: the hosts of one inventory, or of two, for as long as the rehearsal lasts and no longer."""

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
    """The lab's name: never that of a lab somebody brought up for this inventory, and at most 32 characters long."""
    return lab_name(project.path.stem)[: 32 - len(SUFFIX)].rstrip("-") + SUFFIX


def spec_of(project: Project, other: Project | None) -> LabSpec:
    """The lab in which the inventory can be deployed, and `other` over it: every host of both.

    A host that is a director in either is one.

    Raises:
        InputError: the same host has different addresses in both, or two hosts have one.
        LabError: a host has no address the lab can use.
    """
    hosts = {name: (address, directs) for name, address, directs in lab_hosts(project)}
    problems = []
    for name, address, directs in lab_hosts(other) if other else ():
        owner = next((known for known, (taken, _) in hosts.items() if taken == address), name)
        known, directed = hosts.get(name, (address, False))
        if owner != name or known != address:
            assert other is not None
            problems.append(_clash(project, other, name, address, owner, known))
        hosts[name] = (known, directs or directed)
    if problems:
        raise InputError(problems)
    return LabSpec.of(name_of(project), [(name, *rest) for name, rest in hosts.items()])


def _clash(
    project: Project, other: Project, name: str, address: str, owner: str, known: str
) -> Problem:
    what = f"{name} has the address {address} here"
    was = (
        f"which is {owner}'s in {project.path}"
        if owner != name
        else f"and {known} in {project.path}"
    )
    return Problem(
        other.topology.node(name).position,
        "change-moves-host",
        f"{what}, {was}",
        "a deploy does not renumber or rename hosts, so there is no such change to rehearse",
        "give the host the same name and address in both inventories",
    )


@contextmanager
def lab_of(spec: LabSpec, progress: Events, say: Events) -> Iterator[None]:
    """Fresh hosts for the length of the block; they are gone after it, however it ends.

    What a killed rehearsal left is removed first.

    Raises:
        LabError: a rehearsal of this inventory is running, or the machine cannot carry the lab.
    """
    if os.geteuid() != 0:
        raise LabError(
            "a rehearsal needs root, as its lab's hosts do", "run the command again with sudo"
        )
    with _only_one(spec.name):
        if down(spec.name, progress):
            say(f"lab {spec.name}: removed what an earlier rehearsal had left")
        try:
            up(spec, progress)
            yield
        except KeyboardInterrupt as interruption:
            say(f"{str(interruption) or 'interrupted'}: taking lab {spec.name} away")
            raise
        finally:
            with _undisturbed():
                down(spec.name, progress)


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Hold the rehearsal's lock; the kernel frees it when we die."""
    path = cache_root() / "locks" / f"{name}.run"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                f"{name}: a rehearsal of this inventory is running",
                "wait for its end, or interrupt it",
            ) from None
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Nothing that asks for an end is heard for the length of the block."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
