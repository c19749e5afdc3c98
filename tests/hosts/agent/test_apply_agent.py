"""What the apply agent does to a scratch root, and that it takes back whatever is not confirmed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.core.errors import HostError, Locked
from provision.desired.items import DesiredHost, File, Unit
from provision.hosts.agent import program
from provision.hosts.agent.observe import observe
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, prepare, recover
from tests.hosts.agent.local import GROUP, ME, LocalHost
from tests.hosts.agent.scenario import (
    CONFIG,
    FILES,
    LEDGER,
    begin,
    everything,
    install,
    leftovers,
    sha,
    stage,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.agent


def test_confirmed_changes_stay(host: LocalHost) -> None:
    ops = everything(host)
    transaction = begin(host, ops, *FILES)
    assert not host.exists("var/lib/hactl/ledger"), "the ledger is written by the confirmation only"
    transaction.confirm()

    assert [step.ok for step in transaction.steps] == [True] * len(ops)
    path = host.root / "etc/k.conf"
    assert path.read_bytes() == CONFIG and path.stat().st_mode & 0o7777 == 0o640
    assert not host.exists("etc/gone")
    assert host.read("proc/sys/net/ipv4/ip_forward") == "1\n"
    assert "inet 192.168.227.10/32 scope global lo:0" in host.read("addresses")
    assert "192.168.227.20" not in host.read("addresses")
    assert host.exists("sys/module/ip_vs") and host.exists("units/v.service/active")
    assert host.read("run/hactl/loaded/k.service") == f"inv77 0\n{sha(CONFIG)} /etc/k.conf\n"
    assert host.read("var/lib/hactl/ledger").encode() == LEDGER
    assert host.calls() == [
        "daemon-reload",
        "daemon-reload",
        "stop old.service",
        "disable old.service",
        "enable v.service",
        "start v.service",
        "reload k.service",
    ]
    assert leftovers(host) == []


def test_after_a_confirmed_change_the_unit_is_current(host: LocalHost) -> None:
    begin(host, everything(host), *FILES).confirm()
    items = (File("/etc/k.conf", CONFIG, "0640", ME, GROUP, unit="k.service"), Unit("k.service"))
    _, observed = observe(host, lambda _facts: DesiredHost("web1", items))
    for item in items:
        assert observed.items[item.kind, item.name].attributes == item.attributes()


def test_a_host_that_owns_nothing_any_more_keeps_no_ledger(host: LocalHost) -> None:
    begin(host, everything(host), *FILES).confirm()
    assert host.exists("var/lib/hactl/ledger")
    begin(host, [Op("remove", ("/etc/k.conf", sha(CONFIG))), Op("ledger", ("1",))], b"").confirm()
    assert not host.exists("var/lib/hactl/ledger")
    assert leftovers(host) == []


def test_rolled_back_changes_leave_the_host_as_it_was(host: LocalHost) -> None:
    ops = everything(host)
    before = host.snapshot()
    begin(host, ops, *FILES).roll_back()
    assert host.snapshot() == before


def test_the_end_of_the_input_rolls_back(host: LocalHost) -> None:
    ops = everything(host)
    before = host.snapshot()
    with begin(host, ops, *FILES):
        pass
    host.channels[-1].exit_status(10)
    assert host.snapshot() == before


def test_the_deadline_rolls_back_although_the_connection_stands(host: LocalHost) -> None:
    ops = everything(host)
    before = host.snapshot()
    transaction = begin(host, ops, *FILES, deadline=1)
    assert host.channels[-1].exit_status(10) == 1
    assert host.snapshot() == before
    with pytest.raises(ApplyFailed, match="before the deadline") as failure:
        transaction.confirm()
    assert failure.value.outcome == "rolled_back"


@pytest.mark.parametrize("signal", ["HUP", "INT", "TERM", "KILL"])
def test_a_signal_rolls_back(host: LocalHost, signal: str) -> None:
    ops = everything(host)
    before = host.snapshot()
    begin(host, ops, *FILES)
    subprocess.run(["/bin/kill", f"-{signal}", str(host.channels[-1].process.pid)], check=True)
    host.channels[-1].exit_status(10)
    wait_until(lambda: host.snapshot() == before)


@pytest.mark.parametrize("way", ["close", "kill"])
def test_a_connection_that_dies_in_the_middle_rolls_back(host: LocalHost, way: str) -> None:
    ops = everything(host)
    host.write("units/k.service/slow", "1")
    before = host.snapshot()
    channel = host.run_agent(program("apply"))
    payload = build_payload(ops, FILES).archive
    channel.send(f"kim\x1fd\x1f60\n{len(payload)}\n".encode() + payload + b"go\n")
    wait_until(lambda: "reload k.service" in host.calls())
    getattr(channel, way)()
    channel.exit_status(20)
    wait_until(lambda: host.snapshot() == before)


def every_failure(host: LocalHost) -> dict[str, tuple[list[Op], str]]:
    """Ways to fail late, and what must be said."""
    old = host.write("etc/z.conf", "z\n").read_bytes()
    host.unit("dying.service", dies="yes")
    host.unit("broken.service", active="", broken="yes")
    link = host.root / "etc/link"
    link.symlink_to("z.conf")
    return {
        "sysctl the kernel lacks": (
            [Op("sysctl", ("net.ipv4.nothing", "1"))],
            "no net.ipv4.nothing",
        ),
        "file changed by somebody else": (
            install("/etc/z.conf", sha(b"other")),
            "not what was observed",
        ),
        "file that appeared": (install("/etc/z.conf"), "not what was observed"),
        "removed file changed": (
            [Op("remove", ("/etc/z.conf", sha(b"other")))],
            "not what was observed",
        ),
        "symbolic link": (install("/etc/link", sha(old)), "symbolic link"),
        "folder": (install("/etc"), "not a regular file"),
        "owner": (
            [Op("stage", ("1", "/etc/z.conf", "0644", "no-such-user", "root"))],
            "no-such-user",
        ),
        "parser": (install("/etc/z.conf", sha(old), "sh -n %s"), "refused by its parser"),
        "reload that kills": (
            [Op("unit", ("dying.service", "reload"))],
            "dying.service is not active",
        ),
        "start that fails": (
            [Op("unit", ("broken.service", "start"))],
            "systemctl start broken.service failed: Job",
        ),
        "package": ([Op("package", ("no-such",))], "Unable to locate package no-such"),
        "operation": ([Op("unit", ("k.service", "dance"))], "unknown verb dance"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "sysctl the kernel lacks",
        "file changed by somebody else",
        "file that appeared",
        "removed file changed",
        "symbolic link",
        "folder",
        "owner",
        "parser",
        "reload that kills",
        "start that fails",
        "package",
        "operation",
    ],
)
def test_a_failed_operation_undoes_all_before_it(host: LocalHost, name: str) -> None:
    first = everything(host)
    more, message = every_failure(host)[name]
    before = host.snapshot()
    with pytest.raises(ApplyFailed, match=message) as failure:
        begin(host, [*first[:-1], *more], b"(unclosed", *FILES[1:])
    assert host.snapshot() == before
    assert failure.value.outcome == "rolled_back"
    assert not failure.value.steps[-1].ok


def test_a_rollback_that_fails_says_so(host: LocalHost) -> None:
    ops = everything(host)
    with begin(host, ops, *FILES) as transaction:
        host.write("units/k.service/broken", "")
        with pytest.raises(
            ApplyFailed, match=r"rollback failed, look at the host: .*reload.*k.service"
        ) as failure:
            transaction.roll_back()
    assert failure.value.outcome == "rollback_failed"
    assert host.read("etc/k.conf") == "old\n", "the rest was undone nevertheless"


def test_a_rollback_that_failed_is_tried_once_more_before_anything_else(host: LocalHost) -> None:
    ops = everything(host)
    before = host.snapshot()
    for mended in (True, False):
        with begin(host, ops, *FILES) as transaction:
            host.write("units/k.service/broken", "")
            with pytest.raises(ApplyFailed, match="tries again"):
                transaction.roll_back()
        wait_until(lambda: not host.exists("run/hactl/lock"))
        with pytest.raises(Locked, match="run deploy again"):
            begin(host, ops, *FILES)
        if mended:
            (host.root / "units/k.service/broken").unlink()
            done = recover(host)
            assert done is not None and done.outcome == "undone"
            assert host.snapshot() == before
        else:
            with pytest.raises(ApplyFailed, match="look at the host"):
                recover(host)
        assert leftovers(host) == [], "no host is kept from every further deploy"


def test_an_installed_package_stays_and_is_named(host: LocalHost) -> None:
    with pytest.raises(ApplyFailed, match="installed packages stay: nginx curl"):
        begin(
            host,
            [
                Op("package", ("nginx",)),
                Op("package", ("curl",)),
                Op("module", ("x",)),
                Op("remove", ("/etc/os-release", "x")),
            ],
        )
    assert host.read("apt-log").count("\n") == 1, "one command for all packages"
    assert "--force-confold" in host.read("apt-log") and host.read("apt-log").startswith("1 ")


def test_a_full_disk_is_found_before_anything_changes(host: LocalHost) -> None:
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = host.root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=True)
    try:
        host.unit("k.service")
        ops = [
            Op("package", ("nginx",)),
            stage(1, "/small/x.conf"),
            Op("sysctl", ("net.ipv4.ip_forward", "1")),
            Op("file", ("1", "/small/x.conf", "absent")),
        ]
        before = host.snapshot()
        with pytest.raises(
            ApplyFailed, match=r"cannot stage /small/x.conf: .*[Nn]o space left"
        ) as failure:
            begin(host, ops, b"x" * 200_000)
        assert failure.value.outcome == "rolled_back"
        assert host.snapshot() == before and not host.exists("apt-log")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_parser_sees_the_staged_file_before_the_old_one_goes(host: LocalHost) -> None:
    host.write("etc/k.conf", "old\n")
    parser = host.write(
        "bin/parser",
        f'#!/bin/sh\ncp -p "$2" {host.root}/seen; cat {host.root}/etc/k.conf >{host.root}/then\n',
    )
    parser.chmod(0o755)
    begin(host, install("/etc/k.conf", sha(b"old\n"), "parser --file=x %s"), CONFIG).confirm()
    assert (host.root / "seen").read_bytes() == CONFIG
    assert (host.root / "seen").stat().st_mode & 0o777 == 0o640
    assert host.read("then") == "old\n"


def test_a_hostile_path_is_only_a_path(host: LocalHost) -> None:
    path = "/etc/a b $(touch pwned) `id` ' \" \\ * ;/x\ty.conf"
    begin(host, install(path, validate="test -f %s"), CONFIG).confirm()
    assert (host.root / path[1:]).read_bytes() == CONFIG
    host.write(path, b"changed")
    before = host.snapshot()
    begin(host, install(path, sha(b"changed")), CONFIG).roll_back()
    assert host.snapshot() == before


def test_two_at_once(host: LocalHost) -> None:
    with begin(host, [Op("sysctl", ("net.ipv4.ip_forward", "1"))]) as first:
        with pytest.raises(Locked, match=r"locked by kim@ops since 20..-.*still running"):
            begin(host, [Op("sysctl", ("net.ipv4.ip_forward", "0"))])
        first.confirm()
    begin(host, [Op("sysctl", ("net.ipv4.ip_forward", "0"))]).confirm()


def test_the_lock_of_a_run_that_died_before_it_began_is_taken(host: LocalHost) -> None:
    host.write("run/hactl/lock/owner", "kim@ops\x1f2026-01-01T00:00:00Z\x1f4194999\n")
    host.write("run/hactl/lock-4194998/owner", "")  # of one that died while it made the lock
    begin(host, install("/etc/new.conf"), CONFIG).confirm()
    assert leftovers(host) == []


def test_a_lock_that_names_no_owner_names_the_command_that_breaks_it(host: LocalHost) -> None:
    host.write("run/hactl/lock/owner", "")
    with pytest.raises(Locked, match=r"no longer running\n.*rm -r /run/hactl/lock"):
        begin(host, [Op("module", ("x",))])


def test_leftovers_of_a_power_cut_are_swept(host: LocalHost) -> None:
    host.write("etc/.k.conf.hactl-abc123", "half")
    begin(host, install("/etc/k.conf"), CONFIG).confirm()
    assert leftovers(host) == []


def test_a_daemon_that_dies_after_its_reload_is_not_confirmed(host: LocalHost) -> None:
    host.unit("k.service")
    transaction = begin(
        host, [*install("/etc/k.conf"), Op("unit", ("k.service", "reload"))], CONFIG
    )
    (host.root / "units/k.service/active").unlink()
    with pytest.raises(ApplyFailed, match="did not stay up"):
        transaction.confirm()
    assert not host.exists("etc/k.conf")


def test_a_daemon_that_is_still_reloading_is_waited_for(host: LocalHost) -> None:
    host.unit("k.service", lingers="yes")
    transaction = begin(host, [Op("unit", ("k.service", "reload"))])
    transaction.confirm()
    assert transaction.steps[0].ok
    assert not host.exists("units/k.service/reloading")


def test_a_unit_may_be_told_more_than_once(host: LocalHost) -> None:
    host.unit("k.service")
    verbs = ("reload", "restart", "reload", "stamp")
    begin(host, [Op("unit", ("k.service", verb)) for verb in verbs]).confirm()
    assert host.calls() == ["reload k.service", "restart k.service", "reload k.service"]
    assert host.read("run/hactl/loaded/k.service") == "inv101 0\n", (
        "the stamp is of the process that runs now"
    )


def test_the_agent_lives_audibly_during_a_long_step(host: LocalHost) -> None:
    host.unit("k.service", slow="6")
    channel = host.run_agent(program("apply"))
    payload = build_payload([Op("unit", ("k.service", "reload"))]).archive
    channel.send(f"kim\x1fd\x1f60\n{len(payload)}\n".encode() + payload + b"go\n")
    assert channel.read_line() == b"ready\n"
    assert channel.read_line() == b"alive\n"


def test_no_process_outlives_its_transaction(host: LocalHost) -> None:
    begin(host, [Op("module", ("x",))]).confirm()
    host.channels[-1].exit_status(5)
    marker = f"HACTL_ROOT={host.root}".encode()

    def ours() -> list[str]:
        lines = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if marker in entry.read_bytes():
                    lines.append(entry.parent.name)
            except OSError:
                continue
        return lines

    wait_until(lambda: ours() == [], 3)


def test_an_unreadable_answer_is_an_error_of_the_host(host: LocalHost) -> None:
    with pytest.raises(HostError):
        begin(host, [Op("stage", ("7", "/etc/x", "0644", ME, GROUP))])


def test_until_it_is_told_to_go_nothing_has_changed(host: LocalHost) -> None:
    """All hosts validate before the first change, so a refusal leaves all of them unchanged."""
    host.write("etc/k.conf", "old\n")
    before = host.snapshot()
    ops = install("/etc/k.conf", sha(b"old\n"))
    transaction = prepare(host, build_payload(ops, [CONFIG]), "kim@ops", "digest", 60)
    assert (host.root / "etc/k.conf").read_text() == "old\n"
    transaction.roll_back()
    assert host.snapshot() == before


def test_a_file_that_came_with_a_package_of_this_run_is_replaced(host: LocalHost) -> None:
    ops = [Op("package", ("nginx",)), *install("/etc/k.conf")]
    transaction = prepare(host, build_payload(ops, [CONFIG]), "kim@ops", "digest", 60)
    host.write("etc/k.conf", "the package's\n")
    transaction.apply()
    transaction.roll_back()
    assert (host.root / "etc/k.conf").read_text() == "the package's\n"


def test_a_file_that_appeared_otherwise_is_somebody_elses(host: LocalHost) -> None:
    transaction = prepare(
        host, build_payload(install("/etc/k.conf"), [CONFIG]), "kim@ops", "digest", 60
    )
    host.write("etc/k.conf", "somebody else's\n")
    with pytest.raises(ApplyFailed, match="somebody else changed it"):
        transaction.apply()
    assert (host.root / "etc/k.conf").read_text() == "somebody else's\n"


def test_a_reload_that_hangs_is_given_up_and_taken_back(host: LocalHost) -> None:
    """systemd waits for ever: Keepalived took the signal, its child hangs in the kernel."""
    host.command(
        "timeout", '#!/bin/sh\nshift\nexec /usr/bin/timeout 1 "$@"\n'
    )  # a second for a minute
    host.unit("k.service", slow="30")
    host.write("etc/k.conf", "old\n")
    ops = [*install("/etc/k.conf", sha(b"old\n")), Op("unit", ("k.service", "reload"))]
    with pytest.raises(ApplyFailed, match=r"did not end within 60 s: is k\.service hung"):
        begin(host, ops, CONFIG)
    assert (host.root / "etc/k.conf").read_text() == "old\n"


@pytest.mark.parametrize(
    ("start", "stop", "seconds"),
    [
        ("infinity", "5min", 360),
        ("15min", "1min 30s", 1050),
        ("1h 2s", "500ms", 3662),
        ("1month", "1.5s", 61),
    ],
)
def test_a_restart_may_take_what_systemd_gives_the_unit_and_a_minute(
    host: LocalHost, start: str, stop: str, seconds: int
) -> None:
    """A broker moves its leaderships first. Its restart may take as long as systemd allows."""
    host.command("timeout", '#!/bin/sh\necho "$*" >>"$HACTL_ROOT/limits"\nshift\nexec "$@"\n')
    host.unit("k.service", **{"start-limit": start, "stop-limit": stop})
    begin(host, [Op("unit", ("k.service", "restart")), Op("unit", ("k.service", "reload"))], CONFIG)
    limits = [line for line in host.read("limits").splitlines() if "k.service" in line]
    assert limits == [f"{seconds} systemctl restart k.service", "60 systemctl reload k.service"]
