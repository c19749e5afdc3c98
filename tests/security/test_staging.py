"""During a transaction, a file with a password has never more readers than at its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provision.hosts.agent.payload import Op
from provision.hosts.agent.transaction import ApplyFailed
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.scenario import begin, leftovers, sha
from tests.security.conftest import NOBODY, unprivileged

pytestmark = pytest.mark.agent

SECRET = "correct horse battery"  # noqa: S105
OLD = f"password {SECRET} before\n".encode()
NEW = f"password {SECRET} after\n".encode()

#: Slow tools: a wrong mode between two steps of the agent lasts long enough to be seen.
SLOW = '#!/bin/sh\nsleep 0.01\n{tool} "$@" || exit\nsleep 0.01\n'
TOOLS = ("mktemp", "cat", "chown", "chmod", "mv", "ln", "cp", "tar", "sync", "rm", "gzip")


@contextmanager
def modes(root: Path) -> Iterator[dict[str, int]]:
    """Collect the files below `root` with the secret, and all their modes during the block."""
    modes_by_path: dict[str, int] = {}
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for folder, _, names in os.walk(root):
                for name in names:
                    path = Path(folder, name)
                    try:
                        if SECRET.encode() in path.read_bytes():
                            at = str(path.relative_to(root))
                            modes_by_path[at] = (
                                modes_by_path.get(at, 0) | path.stat().st_mode & 0o7777
                            )
                    except OSError:
                        continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield modes_by_path
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def slow(host: LocalHost) -> LocalHost:
    """A host with slow tools and an old password in a file of mode 0640. Its folders are open."""
    for tool in TOOLS:
        host.command(tool, SLOW.format(tool=f"/bin/{tool}"))
    host.write("etc/k.conf", OLD).chmod(0o640)
    return host


def change(owner: str = "root", group: str = "root", validate: str = "") -> list[Op]:
    return [
        Op("stage", ("1", "/etc/k.conf", "0640", owner, group, validate)),
        Op("stage", ("2", "/etc/new/n.conf", "0600", owner, group, "")),
        Op("file", ("1", "/etc/k.conf", sha(OLD))),
        Op("file", ("2", "/etc/new/n.conf", "absent")),
    ]


@pytest.mark.parametrize("ending", ["confirm", "undo", "refused"])
def test_nobody_else_can_ever_read_it(slow: LocalHost, ending: str) -> None:
    watched = [slow.root / top for top in ("etc", "var", "run")]
    with modes(slow.root) as seen, unprivileged(SECRET, watched) as spied:
        if ending == "refused":
            with pytest.raises(ApplyFailed):
                begin(slow, change(validate="false %s"), NEW, NEW)
        else:
            transaction = begin(slow, change(), NEW, NEW)
            transaction.confirm() if ending == "confirm" else transaction.roll_back()
    assert {path: oct(mode) for path, mode in seen.items() if mode & ~0o640} == {}
    assert len(seen) >= 5, (
        "the old file, and two new ones where they are unpacked and where they are staged"
    )
    assert spied.rounds > 20 and spied.seen == []
    assert leftovers(slow) == []


def test_the_owner_to_be_is_the_first_who_can(slow: LocalHost) -> None:
    """The owner is set before the mode: only the new owner, who may read it, could read it."""
    with modes(slow.root) as seen:
        begin(slow, change(owner="nobody"), NEW, NEW).confirm()
    assert (slow.root / "etc/new/n.conf").stat().st_uid == NOBODY
    assert all(not mode & ~0o640 for mode in seen.values()), seen


def test_a_file_everybody_can_read_is_seen_by_the_one_who_looks(slow: LocalHost) -> None:
    """What the tests above would notice."""
    with modes(slow.root) as seen, unprivileged(SECRET, [slow.root / "etc"]) as spied:
        (slow.root / "etc/k.conf").chmod(0o644)
        begin(slow, [Op("sysctl", ("net.ipv4.ip_forward", "1"))]).confirm()
    assert seen["etc/k.conf"] == 0o644
    assert spied.seen == [str(slow.root / "etc/k.conf")]


def test_what_a_host_keeps_of_a_run_is_for_root_alone(host: LocalHost) -> None:
    host.write("etc/k.conf", OLD).chmod(0o640)
    kept = [Op("ledger", ("3",)), Op("generation", ("4", "5"))]
    transaction = begin(host, [*change(), *kept], NEW, NEW, b"ledger\n", b"about", NEW)
    run = next((host.root / "var/lib/hactl").glob("run-*"))
    assert run.stat().st_mode & 0o777 == 0o700
    transaction.confirm()
    generations = host.root / "var/lib/hactl/generations"
    paths = [generations, *generations.rglob("*"), host.root / "var/log/hactl.log"]
    assert {oct(path.stat().st_mode & 0o077) for path in paths} == {"0o0"}
    assert SECRET.encode() not in (host.root / "var/log/hactl.log").read_bytes()
