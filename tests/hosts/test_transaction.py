"""Transactions over a real sshd: their cost, and the rollback after a lost connection."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.core.errors import HostError, Locked
from provision.desired.items import Address, DesiredHost, File, Sysctl
from provision.hosts.agent.host_locks import HostLocks
from provision.hosts.agent.observe import Observed, observe
from provision.hosts.agent.payload import Op, Payload, build_payload
from provision.hosts.agent.transaction import ApplyFailed, Transaction, prepare
from provision.hosts.ssh import SshSession
from tests.hosts.conftest import Net
from tests.waiting import wait_until

pytestmark = pytest.mark.ssh

PASSWORD = "right horse"  # noqa: S105 - of a throw-away user
ITEMS = (
    Sysctl("net.ipv4.ip_forward", "1"),
    File("/etc/hactl/new.conf", b"new\n"),
    File("/etc/motd", b"welcome\n"),
    Address("192.168.227.10/32", "lo", "lo:0"),
)
STAGES = (
    Op("stage", ("1", "/etc/hactl/new.conf", "0640", "root", "adm", "test -s %s")),
    Op("stage", ("2", "/etc/motd", "0644", "root", "root", "")),
    Op("sysctl", ("net.ipv4.ip_forward", "1")),
    Op("file", ("1", "/etc/hactl/new.conf", "absent")),
)


def look(session: SshSession) -> Observed:
    return observe(session, lambda _facts: DesiredHost("web1", ITEMS))[1]


def begin(session: SshSession, *more: Op, deadline: int = 60) -> Transaction:
    motd = look(session).items["file", "/etc/motd"].attributes
    assert motd is not None
    ops = [
        *STAGES,
        Op("file", ("2", "/etc/motd", motd["sha256"])),
        Op("address", ("add", "192.168.227.10/32", "lo", "lo:0")),
        *more,
    ]
    return run(session, build_payload(ops, [b"new\n", b"welcome\n"]), deadline)


def run(session: SshSession, payload: Payload, deadline: int = 60) -> Transaction:
    transaction = prepare(session, payload, "kim@ops", "digest", deadline)
    transaction.apply()
    return transaction


def state(net: Net) -> dict[str, str]:
    """What a rollback must bring back, read without hactl."""
    shown = subprocess.run(
        ["ip", "-n", net.near.namespace.name, "-o", "addr", "show", "dev", "lo"],
        capture_output=True,
        text=True,
        check=True,
    )
    etc = net.near.path("/etc")
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        for path in [
            etc / "motd",
            *etc.glob(".*hactl*"),
            *etc.glob("hactl/*"),
            *etc.glob("hactl/.*"),
        ]
        if path.is_file()
    }
    run = [str(path) for path in net.near.path("/run/hactl").glob("*") if path.name != "loaded"]
    return {**files, "addresses": shown.stdout, "run": str(run), "forward": str(forwarding(net))}


def forwarding(net: Net) -> int:
    shown = subprocess.run(
        ["ip", "netns", "exec", net.near.namespace.name, "cat", "/proc/sys/net/ipv4/ip_forward"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(shown.stdout)


def wait_until_back(net: Net, before: dict[str, str], timeout: float = 15) -> None:
    wait_until(lambda: state(net) == before, timeout, 0.1, what=f"the state {before}")


@pytest.fixture(autouse=True)
def clean(net: Net) -> Iterator[None]:
    """A message of the day of our own to be replaced, and nothing left over of the test before."""
    net.near.path("/etc/motd").write_text("old\n")
    yield
    subprocess.run(
        ["ip", "-n", net.near.namespace.name, "addr", "flush", "dev", "lo", "label", "lo:0"],
        check=False,
    )
    subprocess.run(
        ["ip", "netns", "exec", net.near.namespace.name, "sysctl", "-qw", "net.ipv4.ip_forward=0"],
        check=True,
    )
    net.near.path("/etc/hactl/new.conf").unlink(missing_ok=True)


def test_a_change_costs_two_execs(net: Net, session: SshSession) -> None:
    before = net.near.sessions()
    begin(session).confirm()
    assert (session.execs, net.near.sessions() - before) == (2, 2)
    path = net.near.path("/etc/hactl/new.conf")
    assert path.read_bytes() == b"new\n" and path.stat().st_mode & 0o7777 == 0o640
    assert forwarding(net) == 1 and "scope global lo:0" in state(net)["addresses"]
    assert look(session).items["address", "192.168.227.10/32"].attributes == {"device": "lo"}


def test_as_a_user_with_sudo(net: Net, known: Path) -> None:
    target = net.target(known, user="asked", become=True, become_password=PASSWORD)
    with net.connect(target) as session:
        begin(session).confirm()
        assert session.execs == 2
    assert net.near.path("/etc/motd").read_bytes() == b"welcome\n"


def test_nothing_changes_before_it_is_told_to_go(net: Net, session: SshSession) -> None:
    before = state(net)
    payload = build_payload([STAGES[0], *STAGES[2:]], [b"new\n"])
    with prepare(session, payload, "kim@ops", "digest", 60):
        assert state(net)["addresses"] == before["addresses"] and forwarding(net) == 0
        assert not net.near.path("/etc/hactl/new.conf").exists()
    wait_until_back(net, before)


def test_a_connection_cut_before_it_is_told_to_go(net: Net, session: SshSession) -> None:
    before = state(net)
    transaction = prepare(session, build_payload([STAGES[0]], [b"new\n"]), "kim@ops", "digest", 60)
    net.near.cut()
    with pytest.raises(ApplyFailed):
        transaction.apply()
    wait_until_back(net, before)


def test_an_unconfirmed_change_is_undone(net: Net, session: SshSession) -> None:
    before = state(net)
    with begin(session):
        assert state(net) != before
    wait_until_back(net, before)


def test_a_connection_cut_before_the_confirmation(net: Net, session: SshSession) -> None:
    before = state(net)
    transaction = begin(session)
    net.near.cut()
    with pytest.raises(ApplyFailed, match="either kept the changes or rolled them back") as failure:
        transaction.confirm()
    assert failure.value.outcome == "unknown"
    wait_until_back(net, before)


def test_a_connection_cut_in_mid_apply(net: Net, session: SshSession) -> None:
    """The connection is lost in a slow step. The agent notices, ends the step and rolls back."""
    before = state(net)
    slow = net.near.path("/usr/local/bin/systemctl")
    slow.write_text("#!/bin/sh\nsleep 1\nexit 0\n")
    slow.chmod(0o755)
    try:

        def cut() -> None:
            wait_until(net.near.path("/etc/hactl/new.conf").exists, interval=0.02)
            net.near.cut()

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(ApplyFailed, match="rolls them back") as failure:
            begin(session, Op("unit", ("-", "daemon-reload")), Op("unit", ("-", "daemon-reload")))
        thread.join()
        assert failure.value.outcome == "unknown"
        wait_until_back(net, before)
    finally:
        slow.unlink()


def test_the_deadline_undoes_it_although_the_connection_stands(
    net: Net, session: SshSession
) -> None:
    before = state(net)
    begin(session, deadline=1)
    wait_until_back(net, before)
    assert not session.is_dead()


def test_two_at_once(net: Net, known: Path, session: SshSession) -> None:
    with begin(session) as first:
        with net.connect(net.target(known)) as other:
            holder = look(other).lock
            assert holder is not None and (holder.who, holder.alive) == ("kim@ops", True)
            with pytest.raises(Locked, match="locked by kim@ops since"):
                begin(other)
        first.confirm()


def test_a_full_disk(net: Net, session: SshSession) -> None:
    before = state(net)
    etc = net.near.path("/etc/hactl")
    etc.mkdir(exist_ok=True)
    inside = [
        "nsenter",
        "-t",
        str(net.near.process.pid),
        "-m",
        f"--root=/proc/{net.near.process.pid}/root",
    ]
    subprocess.run(
        [*inside, "mount", "-t", "tmpfs", "-o", "size=16k", "none", "/etc/hactl"], check=True
    )
    try:
        payload = build_payload([STAGES[0], STAGES[2], STAGES[3]], [b"x" * 100_000])
        with pytest.raises(
            ApplyFailed, match=r"cannot stage /etc/hactl/new.conf: .*[Nn]o space left"
        ) as failure:
            run(session, payload)
        assert failure.value.outcome == "rolled_back"
    finally:
        subprocess.run([*inside, "umount", "/etc/hactl"], check=True)
    assert state(net) == before


def test_a_read_only_place(session: SshSession) -> None:
    payload = build_payload(
        [Op("stage", ("1", "/proc/x.conf", "0644", "root", "root", ""))], [b"x"]
    )
    with pytest.raises(HostError, match=r"cannot stage /proc/x\.conf"):
        run(session, payload)


def test_a_large_payload(net: Net, session: SshSession) -> None:
    content = bytes(range(256)) * 20_000
    payload = build_payload(
        [Op("stage", ("1", "/etc/hactl/new.conf", "0644", "root", "root", "")), STAGES[3]],
        [content],
    )
    run(session, payload).confirm()
    assert net.near.path("/etc/hactl/new.conf").read_bytes() == content


def test_a_run_of_drills_and_a_deploy_keep_each_other_out(net: Net, known: Path) -> None:
    with net.connect(net.target(known)) as drills, net.connect(net.target(known)) as deploys:
        logins = SimpleNamespace(of=lambda _: drills)
        held = HostLocks(cast(Any, logins), ("web1",), "kim@ops (failover-test)")
        with held, pytest.raises(Locked, match=r"locked by kim@ops \(failover-test\)"):
            begin(deploys)
        begin(deploys).roll_back()
        with HostLocks(cast(Any, logins), ("web1",), "kim@ops (failover-test)"):
            net.near.cut()  # the line has gone: nobody says goodbye
            wait_until(lambda: not net.near.path("/run/hactl/lock").exists())
