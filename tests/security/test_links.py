"""hactl never follows planted symbolic links, and nobody can predict its file names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.hosts.agent.payload import Op
from provision.hosts.agent.transaction import ApplyFailed
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.scenario import begin, install, leftovers, sha
from tests.security.conftest import NOBODY, unprivileged

pytestmark = pytest.mark.agent

VICTIM = b"root:*:0:0:root:/root:/bin/sh\n"
NEW = b"new\n"


@pytest.fixture
def victim(host: LocalHost) -> Path:
    """What the links point at: a file of root in a folder of root."""
    return host.write("etc/victims/passwd", VICTIM)


def shared(host: LocalHost, name: str = "srv/shared") -> Path:
    """A folder such as /tmp: everybody may make files there, and remove his own only."""
    folder = host.root / name
    folder.mkdir(parents=True)
    folder.chmod(0o1777)
    return folder


def own(path: Path) -> Path:
    """Give something, a link itself, to the unprivileged user."""
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


def link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return own(path)


def at_the_target(host: LocalHost, victim: Path) -> str:
    link(shared(host) / "z.conf", victim)
    return "/srv/shared/z.conf"


def in_place_of_a_folder(host: LocalHost, victim: Path) -> str:
    link(shared(host) / "app", victim.parent)
    return "/srv/shared/app/passwd"


def in_place_of_a_folder_to_be_made(host: LocalHost, victim: Path) -> str:
    link(shared(host) / "app", victim.parent / "fresh")
    return "/srv/shared/app/z.conf"


def behind_a_link_of_root(host: LocalHost, _victim: Path) -> str:
    own(host.write("srv/theirs/app/x", b"").parent)
    (host.root / "srv/app").symlink_to(host.root / "srv/theirs/app")
    return "/srv/app/z.conf"


def in_a_folder_of_another_user(host: LocalHost, _victim: Path) -> str:
    own(host.write("home/kim/app/x", b"").parent)
    return "/home/kim/app/z.conf"


def in_a_folder_everybody_may_change(host: LocalHost, _victim: Path) -> str:
    host.write("srv/open/x", b"").parent.chmod(0o777)
    return "/srv/open/z.conf"


PLANTED = [
    at_the_target,
    in_place_of_a_folder,
    in_place_of_a_folder_to_be_made,
    behind_a_link_of_root,
    in_a_folder_of_another_user,
    in_a_folder_everybody_may_change,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda each: each.__name__)
@pytest.mark.parametrize("removing", [False, True], ids=["write", "remove"])
def test_a_place_that_others_can_redirect_is_refused(
    host: LocalHost, victim: Path, plant: Callable[[LocalHost, Path], str], removing: bool
) -> None:
    path = plant(host, victim)
    there = sha(VICTIM) if path.endswith("passwd") else "absent"
    before = host.snapshot()
    ops = [Op("remove", (path, sha(VICTIM)))] if removing else install(path, there)
    with pytest.raises(ApplyFailed) as failure:
        begin(host, ops, NEW)
    assert failure.value.outcome == "rolled_back"
    assert victim.read_bytes() == VICTIM and list(victim.parent.iterdir()) == [victim]
    assert host.snapshot() == before and leftovers(host) == []


@pytest.mark.parametrize("plant", PLANTED[1:], ids=lambda each: each.__name__)
def test_the_message_names_the_folder(
    host: LocalHost, victim: Path, plant: Callable[[LocalHost, Path], str]
) -> None:
    folder = plant(host, victim).rpartition("/")[0]
    with pytest.raises(ApplyFailed) as failure:
        begin(host, install(f"{folder}/z.conf"), NEW)
    assert f"{folder.replace('/srv/app', '/srv/theirs/app')} " in failure.value.message
    assert "than root" in failure.value.message or "everybody" in failure.value.message


def test_links_and_folders_of_root_are_as_good_as_any(host: LocalHost) -> None:
    """As where /var/www is a link to another disk."""
    (host.root / "disk/www").mkdir(parents=True)
    (host.root / "var/www").symlink_to(host.root / "disk/www")
    begin(host, install("/var/www/new/z.conf"), NEW).confirm()
    assert (host.root / "disk/www/new/z.conf").read_bytes() == NEW


def test_no_name_in_a_shared_folder_can_be_foreseen(host: LocalHost, victim: Path) -> None:
    """A user plants links at all earlier names, again and again during the transaction."""
    folder = shared(host)
    (folder / "z.conf").write_bytes(b"old\n")
    path = "/srv/shared/z.conf"
    names: list[str] = []
    for tool in ("ln", "cp", "rm", "mktemp", "mv"):
        host.command(
            tool,
            '#!/bin/sh\nsleep 0.02\necho "$*" >>"$HACTL_ROOT/calls"\n'
            f'/bin/{tool} "$@" || exit\nsleep 0.02\n',
        )
    before = sha(b"old\n")
    for _ in range(2):
        links = {folder / name: victim for name in names}
        with unprivileged("nothing", [folder], links) as spied:
            transaction = begin(host, install(path, before), NEW)
            names += [
                entry.name
                for entry in folder.iterdir()
                if entry.name != "z.conf" and not entry.is_symlink()
            ]
            transaction.roll_back()
        assert (folder / "z.conf").read_bytes() == b"old\n"
        assert victim.read_bytes() == VICTIM and victim.stat().st_nlink == 1
    assert names and len(set(names)) == len(names), "the same name twice"
    assert spied.rounds > 10


def test_where_links_cannot_be_made_the_old_file_is_copied_to_a_fresh_one(host: LocalHost) -> None:
    """As on a file system without hard links."""
    host.command("ln", '#!/bin/sh\n[ "${1#-s}" = "$1" ] || exec /bin/ln "$@"\nexit 1\n')
    host.write("etc/z.conf", b"old\n").chmod(0o604)
    transaction = begin(host, install("/etc/z.conf", sha(b"old\n")), NEW)
    assert (host.root / "etc/z.conf").read_bytes() == NEW
    transaction.roll_back()
    path = host.root / "etc/z.conf"
    assert path.read_bytes() == b"old\n" and path.stat().st_mode & 0o7777 == 0o604
    assert leftovers(host) == []


def test_the_log_is_not_written_through_a_link(host: LocalHost, victim: Path) -> None:
    """On some distributions the logger's group may make files in /var/log."""
    (host.root / "var/log").chmod(0o1777)
    link(host.root / "var/log/hactl.log", victim)
    begin(host, install("/etc/z.conf"), NEW).confirm()
    assert victim.read_bytes() == VICTIM
