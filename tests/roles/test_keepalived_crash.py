"""Role keepalived: one director holds a VIP, even after a stop or a kill; with real daemons."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.desired.host_variables import host_variables
from provision.desired.templates import render_file
from tests.inventory.building import DUAL, frontend, topology
from tests.roles.site import REDHAT, content, render
from tests.waiting import wait_until

TEMPLATES = shipped("roles") / "keepalived" / "templates"
SCRIPT = "/usr/local/lib/hactl/director"
LIST = "/etc/hactl/director"
DROP_IN = "/etc/systemd/system/keepalived.service.d/hactl.conf"
VIP = "192.168.227.10"
HOOKS = [
    ("ExecStartPre", "start"),
    ("ExecStartPost", "started"),
    ("ExecReload", "reload"),
    ("ExecStop", "stop"),
    ("ExecStopPost", "stopped"),
]

ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"
)
KEEPALIVED = pytest.mark.skipif(
    shutil.which("keepalived") is None or os.geteuid() != 0,
    reason="needs root and the package keepalived",
)


@pytest.mark.parametrize("facts", [{}, REDHAT])
def test_systemd_hands_over_before_a_stop_and_cleans_up_after_a_crash(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    desired = render(tmp_path, "lvs1", **facts)
    lines = content(desired, DROP_IN).splitlines()
    for hook, word in HOOKS:
        assert f"{hook}=-/bin/sh {SCRIPT} {word}" in lines
    assert "Restart=on-failure" in lines
    drop_in = desired.get("file", DROP_IN)
    assert drop_in is not None and not getattr(drop_in, "unit", None), (
        "a new drop-in must not reload keepalived"
    )


@pytest.mark.parametrize(
    ("vrrp", "seconds"),
    [
        ({}, "0.8"),
        ({"advert_int": 0.1}, "0.4"),
        ({"advert_int": 1}, "4"),
        ({"advert_int": 0.5, "down_timer_adverts": 5}, "3"),
    ],
)
def test_the_addresses_stay_until_a_backup_has_taken_over(
    vrrp: dict[str, object], seconds: str
) -> None:
    """The wait is longer than any backup's, whose skew is less than an advert interval."""
    vips = [
        {"address": VIP, "prefix": 24},
        "fd00:227::10",
        {"address": "192.168.227.11", "excluded": True},
    ]
    site = topology([frontend(vips=vips, vrrp={"virtual_router_id": 10, **vrrp})], hosts=DUAL)
    text = render_file(TEMPLATES, "director.j2", host_variables(site, "lvs1", Facts()))
    assert text.splitlines()[1:] == [
        f"wait {seconds}",
        "rejoin 5",
        "handover /var/lib/hactl/handover/web",
        VIP,
        "192.168.227.11",
        "fd00:227::10",
    ]


def test_a_real_server_does_not_have_the_list(tmp_path: Path) -> None:
    assert render(tmp_path, "web1").get("file", LIST) is None


class Director:
    """The rendered script with a test list, in new namespaces with the director's interface."""

    def __init__(self, folder: Path) -> None:
        self.list = folder / "list"
        self.script = folder / "director"
        self.mark = folder / "drained"
        text = content(render(folder, "lvs1"), SCRIPT).replace(LIST, str(self.list))
        self.script.write_text(text.replace("/var/lib/hactl/drained", str(self.mark)))
        self.handover = folder / "web"
        self.list.write_text(
            f"# a comment\nwait 0.3\nhandover {self.handover}\n{VIP}\n192.168.227.11\nfd00::10\n"
        )

    def run(self, shell: str, word: str, result: str, addresses: str) -> tuple[str, float]:
        """The addresses on the interface after the script, and its duration in seconds."""
        add = "".join(f"ip address add {address} dev eth0; " for address in addresses.split())
        run = f"SERVICE_RESULT={result} {shell} {self.script} {word} >&2 || echo failed; "
        show = "ip -o address show dev eth0"
        text = f"ip link add eth0 type veth peer name p; ip link set eth0 up; {add}{run}{show}"
        before = time.monotonic()
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", text], capture_output=True, text=True, timeout=20
        )
        return done.stdout, time.monotonic() - before


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    yield Director(tmp_path)


EVERY = (
    f"192.168.227.101/24 {VIP}/24 192.168.227.11/32 192.168.227.110/32 fd00::101/64 fd00::10/128"
)


@ROOT
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
@pytest.mark.parametrize("result", ["signal", "core-dump", "exit-code", "timeout", "oom-kill"])
def test_only_the_addresses_of_a_killed_keepalived_are_removed(
    director: Director, shell: str, result: str
) -> None:
    left, seconds = director.run(shell, "stopped", result, EVERY)
    assert [line.split()[3] for line in left.splitlines() if "scope link" not in line] == [
        "192.168.227.101/24",
        "192.168.227.110/32",
        "fd00::101/64",
    ]
    assert seconds >= 0.3


@ROOT
def test_after_a_regular_stop_no_address_is_removed(director: Director) -> None:
    left, _ = director.run("dash", "stopped", "success", EVERY)
    assert f"{VIP}/24" in left and "fd00::10/128" in left


@ROOT
def test_without_an_address_to_remove_there_is_no_wait(director: Director) -> None:
    director.list.write_text(f"wait 9\n{VIP}\n")
    left, seconds = director.run("dash", "stopped", "signal", "192.168.227.101/24")
    assert "192.168.227.101/24" in left and "failed" not in left and seconds < 5


@ROOT
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
@pytest.mark.parametrize(("drained", "number"), [(False, "0\n"), (True, "-253\n")])
def test_a_director_starts_last_in_line_and_stays_last_while_it_is_drained(
    director: Director, shell: str, drained: bool, number: str
) -> None:
    director.list.write_text(f"rejoin 0.2\nhandover {director.handover}\n{VIP}\n")
    director.handover.write_text("0\n")
    if drained:
        director.mark.write_text("ops@desk 2026-11-22T08:00:00Z\n")
    director.run(shell, "start", "success", EVERY)
    assert director.handover.read_text() == "-253\n"
    director.run(shell, "started; sleep 1", "success", EVERY)
    assert director.handover.read_text() == number


@ROOT
@pytest.mark.parametrize("number", ["0", "100"])
def test_a_drained_director_does_not_become_master_of_a_new_front_end(
    director: Director, number: str
) -> None:
    director.handover.write_text(f"{number}\n")
    director.run("dash", "reload", "success", EVERY)
    assert director.handover.read_text() == f"{number}\n", "a director in service keeps its number"
    director.mark.write_text("ops@desk 2026-11-22T08:00:00Z\n")
    director.run("dash", "reload", "success", EVERY)
    assert director.handover.read_text() == "-253\n"


@ROOT
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_a_master_lowers_its_priority_and_waits_before_it_is_stopped(
    director: Director, shell: str
) -> None:
    left, seconds = director.run(shell, "stop", "success", EVERY)
    assert director.handover.read_text() == "-253\n"
    assert seconds >= 0.3 and f"{VIP}/24" in left, "it still answers"


@ROOT
def test_a_backup_is_stopped_at_once(director: Director) -> None:
    director.list.write_text(f"wait 9\nhandover {director.handover}\n{VIP}\n")
    _, seconds = director.run("dash", "stop", "success", "192.168.227.101/24")
    assert seconds < 5 and not director.handover.exists()


@ROOT
@pytest.mark.parametrize(
    ("number", "number_after_start"), [("-253\n", "-253\n"), ("0\n", "-253\n"), ("100\n", "100\n")]
)
def test_a_director_starts_last_in_line_unless_an_operator_has_set_a_number(
    director: Director, number: str, number_after_start: str
) -> None:
    director.handover.write_text(number)
    director.run("dash", "start", "success", "192.168.227.101/24")
    assert director.handover.read_text() == number_after_start


@ROOT
def test_at_the_very_first_start_no_file_is_written(director: Director) -> None:
    director.run("dash", "start", "success", "192.168.227.101/24")
    assert not director.handover.exists()


@ROOT
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_a_started_director_waits_for_connections_before_it_uses_its_priority(
    director: Director, shell: str
) -> None:
    director.list.write_text(f"rejoin 0.5\nhandover {director.handover}\n{VIP}\n")
    director.handover.write_text("-253\n")
    _, seconds = director.run(shell, "started", "success", "192.168.227.101/24")
    assert seconds < 0.5 and director.handover.read_text() == "-253\n", "systemd does not wait"
    wait_until(lambda: director.handover.read_text() == "0\n", 5, what="0 in the hand-over file")


@ROOT
def test_a_backup_accepts_packets_for_addresses_that_it_does_not_have(director: Director) -> None:
    show = "ip -4 route show table local proto 112; ip -6 route show table local proto 112"
    script = f"sh {director.script}"
    edit = f"sed -i s/192.168.227.11/192.168.227.12/ {director.list}"
    text = f"""
        ip link set lo up; {script} start; {show}; echo
        {edit}; {script} reload; {show}; ip -4 -o address show; echo
        SERVICE_RESULT=signal {script} stopped; {show}; echo
        SERVICE_RESULT=success {script} stopped; {show}"""
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", text], capture_output=True, text=True, timeout=20, check=True
    )
    parts = [[line.split()[1] for line in part.splitlines()] for part in done.stdout.split("\n\n")]
    assert parts[0] == [VIP, "192.168.227.11", "fd00::10"]
    assert parts[1] == [VIP, "192.168.227.12", "fd00::10", "lo"], "127.0.0.1 is the only address"
    assert parts[2] == parts[1][:3], "a killed Keepalived starts again"
    assert "".join(done.stdout.split("\n\n")[3:]).strip() == ""


PAIR = """
for n in 1 2; do
    ip netns add $1-$n; ip -n $1-$n link set lo up
done
ip link add eth0 netns $1-1 type veth peer name eth0 netns $1-2
for n in 1 2; do
    ip -n $1-$n address add 192.168.227.10$n/24 dev eth0; ip -n $1-$n link set eth0 up
done
"""


class Pair:
    """Two directors with the real keepalived, VRRP only, in two namespaces."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"hl-crash-{os.getpid()}"
        self.daemons: list[subprocess.Popen[bytes]] = []
        subprocess.run(["sh", "-ec", PAIR, "sh", self.name], check=True, timeout=20)
        for number in (1, 2):
            self.daemons.append(self._start(number))

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        conf = self.folder / f"lvs{number}.conf"
        text = content(render(self.folder, f"lvs{number}"), "/etc/keepalived/keepalived.conf")
        text = text.replace("/var/lib/hactl/handover/web", f"{self.folder}/handover{number}").split(
            "virtual_server "
        )[0]
        conf.write_text(
            "\n".join(line for line in text.splitlines() if "lvs_sync_daemon" not in line)
        )
        pids = [f"--{kind}={self.folder}/{kind}{number}" for kind in ("pid", "vrrp_pid")]
        enter = ["ip", "netns", "exec", f"{self.name}-{number}"]
        command = [*enter, "keepalived", "-n", "-P", "-f", str(conf), *pids]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def holders(self) -> list[int]:
        """The numbers of the directors that have the virtual IP."""
        show = ["ip", "-o", "address", "show", "to", VIP]
        return [
            n
            for n in (1, 2)
            if subprocess.check_output(["ip", "netns", "exec", f"{self.name}-{n}", *show])
        ]

    def wait_for(self, holders: list[int], reason: str) -> None:
        """Wait until these directors are the holders; fails after five seconds."""
        wait_until(lambda: self.holders() == holders, 5, what=reason)

    def kill(self) -> None:
        """Send SIGKILL to all processes of the first director at once: none can clean up."""
        pids = [(self.folder / f"{kind}1").read_text().strip() for kind in ("vrrp_pid", "pid")]
        subprocess.run(["kill", "-9", *pids], check=True)
        self.daemons[0].wait(5)

    def systemd(self, script: Path, word: str) -> None:
        """Run systemd's command in the first director's network, after a crash or before a stop."""
        command = ["ip", "netns", "exec", f"{self.name}-1", "sh", str(script), word]
        subprocess.run(command, env={"SERVICE_RESULT": "signal"}, check=True, timeout=20)

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.terminate()
            daemon.wait(10)
        for number in (1, 2):
            subprocess.run(["ip", "netns", "del", f"{self.name}-{number}"], check=True)


@pytest.fixture
def pair(tmp_path: Path, director: Director) -> Iterator[Pair]:
    text = content(render(tmp_path, "lvs1"), LIST)
    director.list.write_text(text.replace("/var/lib/hactl/handover/web", f"{tmp_path}/handover1"))
    pair = Pair(tmp_path)
    try:
        pair.wait_for([1], "the director with the higher priority is master")
        yield pair
    finally:
        pair.close()


@pytest.mark.keepalived
@KEEPALIVED
def test_after_sigkill_both_hold_the_address_until_the_clean_up(
    pair: Pair, director: Director
) -> None:
    pair.kill()
    pair.wait_for([1, 2], "a killed keepalived leaves the address")
    pair.systemd(director.script, "stopped")
    assert pair.holders() == [2]


@pytest.mark.keepalived
@KEEPALIVED
def test_the_backup_has_the_address_before_the_master_is_stopped(
    pair: Pair, director: Director
) -> None:
    pair.systemd(director.script, "stop")
    pair.wait_for([2], "the backup has taken over")
    assert pair.daemons[0].poll() is None
