"""A killed login, a lost connection, a power cut: the host always rolls back by itself."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.core.errors import Locked
from provision.hosts.agent import program
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, prepare, recover
from tests.hosts.agent.local import STUBS, LocalChannel, LocalHost
from tests.hosts.agent.scenario import CONFIG, FILES, begin, everything, install, leftovers, sha
from tests.waiting import wait_until

pytestmark = pytest.mark.agent

OPS = 18
"""The number of ops of `everything`."""

SHELLS = ("dash", "busybox", "bash")


def started(host: LocalHost, ops: list[Op]) -> LocalChannel:
    """An agent that was told everything up to `go`."""
    channel = host.run_agent(program("apply"))
    payload = build_payload(ops, FILES).archive
    channel.send(
        f"kim@ops\x1fd1ge57\x1f60\x1f7\x1f+3~2-1\n{len(payload)}\n".encode() + payload + b"go\n"
    )
    return channel


def until_step(channel: LocalChannel, steps: int) -> None:
    """Read answers up to that of op number `steps`; after the last op, up to `applied`."""
    while steps >= 0:
        line = channel.read_line()
        assert line, channel.stderr()
        steps -= line.startswith((b"step", b"applied"))


@pytest.fixture(params=SHELLS)
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[LocalHost]]:
    """A host for each interruption: at the beginning, between two ops, and after `applied`."""
    many = [LocalHost(tmp_path / str(step), request.param) for step in range(OPS + 1)]
    yield many
    for host in many:
        host.end()


def processes(host: LocalHost) -> list[int]:
    """All that run for this host."""
    marker = f"HACTL_ROOT={host.root}\0".encode()
    pids = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker in entry.read_bytes():
                pids.append(int(entry.parent.name))
        except OSError:
            continue
    return pids


def cut_power(host: LocalHost) -> None:
    """Kill all processes at once, and clear the memory: /run, parameters, addresses, units."""
    for _ in range(3):
        for pid in processes(host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    host.channels[-1].process.wait()
    wait_until(lambda: processes(host) == [])
    shutil.rmtree(host.root / "run/hactl")
    host.write("proc/sys/net/ipv4/ip_forward", "0\n")
    lines = host.read("addresses").splitlines(keepends=True)
    host.write("addresses", "".join(line for line in lines if "192.168.227.10/" not in line))


def boot(host: LocalHost) -> None:
    """What systemd would do early in a boot: start the units that sysinit.target wants."""
    for link in (host.root / "etc/systemd/system/sysinit.target.wants").glob("*"):
        [command] = re.findall(r"^ExecStart=(.*)", link.read_text(), re.M)
        subprocess.run(command.split(), env=host.env, check=True)


@pytest.mark.parametrize("way", ["close", "kill_login"])
def test_cut_off_at_any_step_the_host_is_as_it_was(hosts: list[LocalHost], way: str) -> None:
    """`kill_login`: a login manager may kill all processes of a login but detached ones."""
    before = []
    for step, host in enumerate(hosts):
        ops = everything(host)
        before.append(host.snapshot())
        channel = started(host, ops)
        until_step(channel, step)
        getattr(channel, way)()
    for host, was in zip(hosts, before, strict=True):
        wait_until(lambda host=host, was=was: host.snapshot() == was and not leftovers(host), 20)  # type: ignore[misc]
        wait_until(lambda host=host: host.exists("var/log/hactl.log"))  # type: ignore[misc]
        log = host.read("var/log/hactl.log").split(" ", 1)[1]
        assert log.startswith(
            "kim@ops inventory=d1ge57 generation=7 changes=+3~2-1 outcome=rolled-back why="
        ), log
    wait_until(lambda: not any(processes(host) for host in hosts))


def test_killed_between_the_note_of_a_swap_and_the_swap(host: LocalHost) -> None:
    """The file and the one kept aside are still one: there is nothing to put back."""
    host.write("etc/k.conf", "old\n")
    before = host.snapshot()
    host.command(
        "mv",
        """#!/bin/sh
case "$*" in
*.hactl-*k.conf) [ -e "$HACTL_ROOT/once" ] || { : >"$HACTL_ROOT/once"; kill -9 $PPID; exit 1; } ;;
esac
exec /bin/mv "$@"
""",
    )
    with pytest.raises(ApplyFailed, match="the agent was killed") as failure:
        begin(host, install("/etc/k.conf", sha(b"old\n")), CONFIG)
    assert failure.value.outcome == "rolled_back"
    assert host.snapshot() == before and leftovers(host) == []


def test_a_confirmation_that_outlives_its_agent_counts_or_is_undone(host: LocalHost) -> None:
    """The agent is killed during its last rename: the rollback must not miss the journal."""
    host.write("etc/k.conf", "old\n")
    before = host.snapshot()
    host.command(
        "mv",
        """#!/bin/sh
case "$*" in
*journal*confirmed) kill -9 $PPID; until [ -e "$HACTL_ROOT/go" ]; do sleep 0.01; done ;;
esac
exec /bin/mv "$@"
""",
    )
    host.command(
        "systemctl",
        f"""#!/bin/sh
[ "$1" != is-system-running ] || {{ : >"$HACTL_ROOT/go"; sleep 0.5; }}
{STUBS["systemctl"].removeprefix("#!/bin/sh")}""",
    )
    transaction = begin(host, install("/etc/k.conf", sha(b"old\n")), CONFIG)
    with pytest.raises(ApplyFailed, match="the agent was killed") as failure:
        transaction.confirm()
    assert failure.value.outcome == "rolled_back"
    assert host.snapshot() == before and leftovers(host) == []


def test_what_cannot_be_cleared_away_is_no_host_that_is_as_it_was(host: LocalHost) -> None:
    host.command(
        "rm",
        """#!/bin/sh
case "$*" in
*hactl-undo*) [ -e "$HACTL_ROOT/writable" ] || { echo 'rm: Read-only file system' >&2; exit 1; } ;;
esac
exec /bin/rm "$@"
""",
    )
    before = host.snapshot()
    transaction = prepare(host, build_payload([Op("module", ("x",))]), "kim@ops", "digest", 60)
    with pytest.raises(
        ApplyFailed, match=r"disarm hactl-undo\.service: rm: Read-only file system"
    ) as failure:
        transaction.roll_back()
    assert failure.value.outcome == "rollback_failed"
    host.write("writable", "")
    recover(host)
    assert leftovers(host) == []
    assert {
        name: state for name, state in host.snapshot().items() if name != "etc/systemd/system"
    } == {name: state for name, state in before.items() if name != "etc/systemd/system"}


def on_disk(host: LocalHost) -> dict[str, tuple[str, str]]:
    """What a power cut leaves: files, and which units are enabled."""
    entries = host.snapshot()
    return {
        name: state
        for name, state in entries.items()
        if name.startswith(("etc", "var")) or "/enabled" in name
    }


def test_a_power_cut_at_any_step_is_undone_by_the_next_boot(hosts: list[LocalHost]) -> None:
    for step, host in enumerate(hosts):
        ops = everything(host)
        before = on_disk(host)
        channel = started(host, ops)
        until_step(channel, step)
        cut_power(host)
        boot(host)
        assert on_disk(host) == before, step
        assert leftovers(host) == []
        assert host.read("proc/sys/net/ipv4/ip_forward") == "0\n"


def test_a_power_cut_before_anything_is_staged_leaves_nothing_for_the_next_deploy(
    host: LocalHost,
) -> None:
    host.command("tar", "#!/bin/sh\ntouch $HACTL_ROOT/stopped; sleep 60\n")
    before = on_disk(host)
    started(host, install("/etc/k.conf"))
    wait_until(lambda: host.exists("stopped"))
    cut_power(host)
    (host.bin / "tar").unlink()
    boot(host)
    assert on_disk(host) == before and leftovers(host) == []


def test_a_boot_in_the_middle_waits_for_no_unit(host: LocalHost) -> None:
    """The units that it would wait for are waiting for it."""
    begin(host, everything(host), *FILES)
    cut_power(host)
    host.write("units/log", "")
    boot(host)
    assert not {"reload k.service", "start old.service", "stop v.service"} & set(host.calls())
    assert {
        "--no-block start old.service",
        "--no-block stop v.service",
        "enable old.service",
    } <= set(host.calls())


def test_a_unit_that_starts_after_such_a_boot_is_known_to_run_what_is_installed(
    host: LocalHost,
) -> None:
    begin(host, everything(host), *FILES)
    cut_power(host)
    boot(host)
    assert (
        host.read("run/hactl/loaded/k.service")
        == f"boot 1000500000\n{sha(b'old' + bytes([10]))} /etc/k.conf\n"
    )


def test_on_the_way_down_it_is_left_to_the_next_boot(host: LocalHost) -> None:
    """In a reboot no unit can be reloaded any more, and half a rollback helps nobody."""
    ops = everything(host)
    before = on_disk(host)
    begin(host, ops, *FILES)
    host.write("system-state", "stopping\n")
    host.channels[-1].process.terminate()
    assert host.channels[-1].process.wait(10) == 1
    cut_power(host)
    assert on_disk(host) != before
    host.write("system-state", "starting\n")
    boot(host)
    assert on_disk(host) == before and leftovers(host) == []


def test_what_was_confirmed_survives_a_power_cut_in_the_clean_up(host: LocalHost) -> None:
    """The confirmation is one rename; whatever comes after it is done by the next boot."""
    stop_at = "#!/bin/sh\ncase $* in *hactl/ledger) touch $HACTL_ROOT/stopped; sleep 60 ;; esac\n"
    host.command("mv", f'{stop_at}exec /bin/mv "$@"\n')
    transaction = begin(host, everything(host), *FILES)
    (work,) = (host.root / "var/lib/hactl").glob("run-*")
    transaction._channel.send(b"confirm\n")
    wait_until(lambda: host.exists("stopped"))
    assert (work / "confirmed").exists()
    cut_power(host)
    (host.bin / "mv").unlink()
    boot(host)
    assert (host.root / "etc/k.conf").read_bytes() == CONFIG
    assert host.exists("var/lib/hactl/ledger")
    assert leftovers(host) == []
    assert host.read("var/log/hactl.log").endswith("outcome=confirmed\n")


def killed(host: LocalHost) -> dict[str, tuple[str, str]]:
    """All that could undo is killed, without a reboot."""
    ops = everything(host)
    before = host.snapshot()
    begin(host, ops, *FILES)
    for _ in range(3):
        for pid in processes(host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    host.channels[-1].process.wait()
    return before


def test_the_next_run_undoes_first(host: LocalHost) -> None:
    before = killed(host)
    assert host.snapshot() != before
    done = recover(host)
    assert done is not None and (done.outcome, done.who) == ("undone", "kim@ops")
    assert host.snapshot() == before and leftovers(host) == []
    assert recover(host) is None


def test_nobody_begins_over_what_was_cut_off(host: LocalHost) -> None:
    """Also where the lock is gone, since it was in memory."""
    killed(host)
    for lock in (True, False):
        if not lock:
            shutil.rmtree(host.root / "run/hactl/lock")
        before = host.snapshot()
        with pytest.raises(Locked, match="run deploy again"):
            begin(host, install("/etc/new.conf"), CONFIG)
        assert host.snapshot() == before


def test_it_is_not_undone_under_a_run_that_lives(host: LocalHost) -> None:
    with begin(host, everything(host), *FILES) as first:
        with pytest.raises(Locked, match="still running"):
            recover(host)
        first.confirm()


def test_a_controller_that_fell_silent_before_go_holds_no_host(host: LocalHost) -> None:
    """Its words are waited for a minute; `wait` is such a word."""
    host.command("sleep", '#!/bin/sh\nexec /bin/sleep "0.0$1"\n')
    transaction = prepare(host, build_payload([Op("module", ("x",))]), "kim@ops", "digest", 60)
    for _ in range(30):
        transaction.keep_waiting()
        subprocess.run(["sleep", "0.1"], check=True)
    assert host.exists("run/hactl/lock")
    wait_until(lambda: not host.exists("run/hactl/lock"), 15)
    with pytest.raises(ApplyFailed, match="nothing was heard from the controller for 60 seconds"):
        transaction.apply()


def test_what_somebody_else_put_in_a_place_never_reached_stays(host: LocalHost) -> None:
    """The journal precedes the changes: its entries for later changes must do no harm."""
    host.write("etc/a.conf", "old\n")
    host.unit("k.service", slow="1")
    ops = [Op("unit", ("k.service", "reload")), *install("/etc/a.conf", sha(b"old\n"))]
    ops = [ops[1], ops[0], ops[2]]
    channel = started(host, ops)
    wait_until(lambda: "reload k.service" in host.calls())
    (host.root / "etc/a.conf").unlink()
    host.write("etc/a.conf", "somebody else's\n")
    channel.process.wait(20)
    assert host.read("etc/a.conf") == "somebody else's\n"
    assert leftovers(host) == []


def test_after_a_boot_no_process_is_taken_for_one_of_the_dead_run(host: LocalHost) -> None:
    """Process numbers begin anew: what had the number of the run's reader may be anything."""
    begin(host, everything(host), *FILES)
    (work,) = (host.root / "var/lib/hactl").glob("run-*")
    cut_power(host)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (work / "applied").write_text(f"{bystander.pid}\n")
        boot(host)
        assert bystander.poll() is None
        bystander.kill()
