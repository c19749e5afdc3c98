"""The lab with real guests and containers on this machine; tests remove their labs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision.core.errors import LabError
from provision.lab import cgroups, cleanup, control, image, network
from provision.lab.access import lab_target
from provision.lab.layout import Layout, cache_root
from provision.lab.plan import LabSpec
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

Triples = list[tuple[str, str, bool]]
FIVE: Triples = [
    ("lvs1", "192.168.227.101", True),
    ("lvs2", "192.168.227.102", True),
    ("web1", "192.168.227.103", False),
    ("web2", "192.168.227.104", False),
    ("client", "192.168.227.100", False),
]
PAIR: Triples = [("a", "192.168.227.1", False), ("b", "192.168.227.2", False)]


class Lab:
    """A lab of a test; `events` are its progress messages."""

    def __init__(self, name: str, hosts: Triples) -> None:
        self.name = f"t{os.getpid()}-{name}"
        self.spec = LabSpec.of(self.name, hosts)
        self.layout = Layout(self.name, cache_root())
        self.events: list[str] = []

    def up(self) -> float:
        """Start the lab; returns the duration in seconds."""
        began = time.monotonic()
        control.up(self.spec, self.events.append)
        return time.monotonic() - began

    def down(self) -> bool:
        return control.down(self.name, self.events.append)

    def ssh(self, host: str, command: str, ok: bool = True) -> str:
        """The output of a command on a host."""
        argv = ["ssh", "-F", str(self.layout.ssh_config), "-o", "BatchMode=yes", host, command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) is ok, done.stderr
        return done.stdout.strip()

    def remains(self) -> list[str]:
        """Everything on this machine with the lab's name."""
        remains = [path.name for path in Path("/run/netns").glob(f"{self.layout.namespace}*")]
        remains += [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if self.name in line
        ]
        remains += [
            str(root / self.layout.cgroup)
            for root in cgroups.roots()
            if (root / self.layout.cgroup).exists()
        ]
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{self.name}/" in line or f"-{self.name}" in line:
                remains.append(line)
        return remains + [
            str(path) for path in (self.layout.state, self.layout.data) if path.exists()
        ]


@pytest.fixture
def lab() -> Iterator[Callable[[str, Triples], Lab]]:
    labs: list[Lab] = []

    def make(name: str, hosts: Triples) -> Lab:
        labs.append(Lab(name, hosts))
        return labs[-1]

    yield make
    for site in labs:
        site.down()
        assert site.remains() == []
        # `down` leaves the cache; that of a test is removed.
        for folder in (image.location(site.layout.cache) / "warm" / site.name, site.layout.keys):
            cleanup.remove(folder)
        site.layout.lock.unlink()


MakeLab = Callable[[str, Triples], Lab]


def the_clock_is_right(lab: Lab, host: str) -> bool:
    """Whether a host's clock is right within 0.4 s."""
    before = time.time()
    host_time = float(lab.ssh(host, "date +%s.%N"))
    return before - 0.4 < host_time < time.time() + 0.4


def test_five_hosts_cold_then_warm(lab: MakeLab) -> None:
    image.ensure(cache_root(), print)
    five = lab("five", FIVE)
    cold = five.up()
    assert {five.ssh(host, "hostname; systemctl is-system-running") for host, *_ in FIVE} == {
        f"{host}\nrunning" for host, *_ in FIVE
    }
    assert five.ssh("lvs1", "modprobe ip_vs && wc -l </proc/net/ip_vs") == "3"
    assert the_clock_is_right(five, "lvs2"), "the clock did not sleep while the snapshot was taken"
    five.ssh("lvs1", "touch /root/changed")
    five.down()
    warm = five.up()
    assert five.ssh("lvs1", "ls /root") == "", "a host of a new lab is fresh"
    assert the_clock_is_right(five, "lvs2"), "the clock did not sleep with the snapshot"
    assert five.ssh("client", "ping -c1 -W2 192.168.227.101 >/dev/null && echo there") == "there"
    print(f"cold {cold:.1f} s, warm {warm:.1f} s")
    assert cold < 60
    assert warm < 10


def test_the_hosts_do_not_depend_on_the_umask_of_the_operator(lab: MakeLab) -> None:
    site = lab("mask", PAIR)
    before = os.umask(0o077)
    try:
        site.up()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert site.ssh("a", "runuser -u nobody -- cat /etc/hostname") == "a"


@pytest.mark.proof
def test_packages_are_installed_without_a_network(lab: MakeLab) -> None:
    site = lab("apt", [("lvs1", "10.1.0.1", True), ("web1", "10.1.0.2", False)])
    site.up()
    site.ssh(
        "web1",
        "! command -v nginx && apt-get -qq -y install nginx-light"
        " && curl -fsS -o /dev/null http://localhost",
    )
    site.ssh("lvs1", "! command -v keepalived && ! command -v ipvsadm")
    began = time.monotonic()
    site.ssh("lvs1", "apt-get -qq -y install keepalived ipvsadm")
    print(f"keepalived and ipvsadm on a director: {time.monotonic() - began:.1f} s")
    assert "IP Virtual Server" in site.ssh(
        "lvs1", "modprobe ip_vs && ipvsadm -Ln && keepalived --version 2>&1"
    )


def test_a_director_survives_a_power_cut(lab: MakeLab) -> None:
    site = lab("cut", [("lvs1", "10.1.0.1", True), ("client", "10.1.0.2", False)])
    site.up()
    site.ssh("lvs1", "echo kept >/root/file; sync; echo $$ >/run/gone")
    control.cut(site.name, "lvs1", site.events.append)
    site.ssh("client", "ping -c1 -W1 10.1.0.1", ok=False)
    with pytest.raises(LabError, match="off already"):
        control.cut(site.name, "lvs1", site.events.append)
    control.boot(site.name, "lvs1", site.events.append)
    assert (
        site.ssh("lvs1", "cat /root/file; ls /run/gone 2>/dev/null || echo booted")
        == "kept\nbooted"
    )
    with pytest.raises(LabError, match="is running"):
        control.boot(site.name, "lvs1", site.events.append)


def test_a_node_survives_a_power_cut_and_does_not_answer_meanwhile(lab: MakeLab) -> None:
    site = lab("cutnode", PAIR)
    site.up()
    site.ssh("a", "echo kept >/root/file")
    assert site.ssh("b", "arping -c1 -w2 -I eth0 192.168.227.1 >/dev/null && echo there") == "there"
    control.cut(site.name, "a", site.events.append)
    site.ssh("b", "arping -c1 -w1 -I eth0 192.168.227.1", ok=False)
    state = control.status(site.name)
    assert state is not None and [(host.name, host.running) for host in state.hosts] == [
        ("a", False),
        ("b", True),
    ]
    control.boot(site.name, "a", site.events.append)
    assert site.ssh("a", "cat /root/file") == "kept"


def test_a_reboot_drops_settings_that_are_not_persistent(lab: MakeLab) -> None:
    site = lab("reboot", PAIR)
    site.up()
    site.ssh("a", "ip address add 10.9.9.9/32 dev lo")
    site.ssh("a", "systemd-run --quiet --on-active=0.2 systemctl reboot")
    command = "ip -br address show lo; systemctl is-system-running --wait"
    output = ""

    def rebooted() -> bool:
        nonlocal output
        argv = ["ssh", "-F", str(site.layout.ssh_config), "a", command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        output = done.stdout
        return done.returncode == 0 and "10.9.9.9" not in output

    wait_until(rebooted, 30, 0.3, "a reboot")
    assert output.endswith("running\n")


def test_two_labs_may_have_the_same_addresses(lab: MakeLab) -> None:
    left, right = lab("left", PAIR), lab("right", PAIR)
    left.up()
    right.up()
    left.ssh("a", "echo left >/root/side")
    right.ssh("a", "echo right >/root/side")
    assert (left.ssh("a", "cat /root/side"), right.ssh("a", "cat /root/side")) == ("left", "right")
    left.down()
    assert right.ssh("b", "ping -c1 -W1 192.168.227.1 >/dev/null && echo there") == "there"


def test_hosts_of_other_subnets_and_ipv6_reach_each_other(lab: MakeLab) -> None:
    mixed = lab(
        "mixed",
        [("a", "10.1.0.1", False), ("b", "172.16.9.1", False), ("six", "2001:db8::6", False)],
    )
    mixed.up()
    assert mixed.ssh("a", "ping -c1 -W1 172.16.9.1 >/dev/null && echo there") == "there"
    assert "2001:db8::6/64" in mixed.ssh("six", "ip -br -6 address show eth0")
    mixed.ssh("a", "ip address add 2001:db8:9::1/128 dev eth0 nodad")
    assert mixed.ssh("six", "ping -c1 -W1 2001:db8:9::1 >/dev/null && echo there") == "there"


def test_up_of_a_running_lab_only_boots_hosts_that_are_off(lab: MakeLab) -> None:
    site = lab("again", PAIR)
    site.up()
    site.ssh("a", "touch /root/mine")
    site.up()
    assert "is up" in site.events[-1]
    control.cut(site.name, "a", site.events.append)
    site.up()
    assert site.ssh("a", "ls /root") == "mine"


def test_a_lab_of_the_same_name_with_other_hosts_is_refused(lab: MakeLab) -> None:
    site = lab("other", PAIR)
    site.up()
    site.spec = LabSpec.of(site.name, PAIR[:1])
    with pytest.raises(LabError, match="is up with other hosts") as caught:
        site.up()
    assert "hactl lab down" in caught.value.hint


def test_a_changed_host_key_is_refused(lab: MakeLab) -> None:
    site = lab("key", PAIR)
    site.up()
    new = "rm $f*; ssh-keygen -q -t ed25519 -N '' -f $f; systemctl restart ssh"
    site.ssh("a", f"f=/etc/ssh/ssh_host_ed25519_key; {new}")
    site.ssh("a", "true", ok=False)
    assert site.ssh("b", "hostname") == "b"


def test_hactl_logs_in_with_the_settings_of_the_lab(lab: MakeLab) -> None:
    site = lab("target", PAIR)
    with pytest.raises(LabError, match="is not up"):
        lab_target(site.name, "a")
    site.up()
    target = lab_target(site.name, "a")
    assert (target.address, target.user, target.strict) == ("192.168.227.1", "root", True)
    assert str(site.layout.known_hosts) in target.known_hosts
    with pytest.raises(LabError, match="no host c"):
        lab_target(site.name, "c")


@pytest.mark.parametrize("seconds", [0.25, 0.4, 0.6, 0.9, 1.5, 4])
def test_down_removes_everything_of_a_killed_up(lab: MakeLab, seconds: float) -> None:
    hosts: Triples = [
        ("lvs1", "10.1.0.1", True),
        ("w_1", "10.1.0.2", False),
        ("w2", "10.2.0.2", False),
    ]
    site = lab("killed", hosts)
    spec = f"plan.LabSpec.of({site.name!r}, {hosts!r})"
    code = f"from provision.lab import control, plan; control.up({spec}, print)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    site.down()
    assert site.remains() == []
    assert site.down() is False
    assert "not up; nothing to do" in site.events[-1]


def test_up_starts_again_after_a_killed_up(lab: MakeLab) -> None:
    site = lab("anew", PAIR)
    site.up()
    site.layout.ready.unlink()  # as after a kill just before the end
    site.up()
    assert any("removed the remains of an interrupted start" in line for line in site.events)
    assert site.ssh("a", "hostname") == "a"


def test_without_a_command_up_creates_nothing(
    lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = lab("poor", PAIR)
    for command in ("ip", "unshare", "true", "nsenter", "umount"):
        (tmp_path / command).symlink_to(str(shutil.which(command)))
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(LabError, match="qemu-img") as caught:
            site.up()
    assert "apt-get install" in caught.value.hint and "qemu-utils" in caught.value.hint
    assert site.remains() == []


def test_the_remains_of_a_killed_build_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HACTL_CACHE", str(tmp_path))
    code = "from provision.lab import image, layout; image.ensure(layout.cache_root(), print)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    time.sleep(6)  # in the middle of the build
    process.kill()
    process.wait()
    assert cgroups.members("hl-.image"), "the processes of the build outlive their parent"
    assert image.clear_orphans(cache_root())
    assert not cgroups.members("hl-.image")
    assert list((tmp_path / "lab/images").iterdir()) == []


def test_sockets_of_the_lab_stay_in_its_namespace(lab: MakeLab) -> None:
    site = lab("sock", PAIR)
    site.up()
    assert network.ssh_answers(site.layout.namespace, "192.168.227.1")
    routes = subprocess.check_output(["ip", "route", "get", "192.168.227.1"], text=True)
    assert "br0" not in routes and "p0" not in routes
