"""The lab itself, on this machine: real guests, real containers. Each test has labs of its own and takes them down."""

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
    """A lab of one test."""

    def __init__(self, name: str, hosts: Triples) -> None:
        self.name = f"t{os.getpid()}-{name}"
        self.spec = LabSpec.of(self.name, hosts)
        self.layout = Layout(self.name, cache_root())
        self.said: list[str] = []

    def up(self) -> float:
        """Bring it up; returns the seconds it took."""
        began = time.monotonic()
        control.up(self.spec, self.said.append)
        return time.monotonic() - began

    def down(self) -> bool:
        return control.down(self.name, self.said.append)

    def ssh(self, host: str, command: str, ok: bool = True) -> str:
        """What the command prints on the host."""
        argv = ["ssh", "-F", str(self.layout.ssh_config), "-o", "BatchMode=yes", host, command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) is ok, done.stderr
        return done.stdout.strip()

    def traces(self) -> list[str]:
        """Everything on this machine that bears the lab's name."""
        found = [p.name for p in Path("/run/netns").glob(f"{self.layout.namespace}*")]
        found += [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if self.name in line
        ]
        found += [
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
                found.append(line)
        return found + [
            str(path) for path in (self.layout.state, self.layout.data) if path.exists()
        ]


@pytest.fixture
def lab() -> Iterator[Callable[[str, Triples], Lab]]:
    made: list[Lab] = []

    def make(name: str, hosts: Triples) -> Lab:
        made.append(Lab(name, hosts))
        return made[-1]

    yield make
    for one in made:
        one.down()
        assert one.traces() == []
        # The cache is kept on purpose; not that of a test.
        for folder in (image.location(one.layout.cache) / "warm" / one.name, one.layout.keys):
            cleanup.remove(folder)
        one.layout.lock.unlink()


MakeLab = Callable[[str, Triples], Lab]


def the_clock_is_right(lab: Lab, host: str) -> bool:
    """Whether a host told a time that lies in the time for which it was asked, give or take 0.4 s."""
    before = time.time()
    told = float(lab.ssh(host, "date +%s.%N"))
    return before - 0.4 < told < time.time() + 0.4


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


def test_hosts_are_the_same_whatever_the_operators_umask(lab: MakeLab) -> None:
    one = lab("mask", PAIR)
    before = os.umask(0o077)
    try:
        one.up()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert one.ssh("a", "runuser -u nobody -- cat /etc/hostname") == "a"


@pytest.mark.proof
def test_packages_install_without_any_network(lab: MakeLab) -> None:
    one = lab("apt", [("lvs1", "10.1.0.1", True), ("web1", "10.1.0.2", False)])
    one.up()
    one.ssh(
        "web1",
        "! command -v nginx && apt-get -qq -y install nginx-light && curl -fsS -o /dev/null http://localhost",
    )
    one.ssh("lvs1", "! command -v keepalived && ! command -v ipvsadm")
    began = time.monotonic()
    one.ssh("lvs1", "apt-get -qq -y install keepalived ipvsadm")
    print(f"keepalived and ipvsadm on a director: {time.monotonic() - began:.1f} s")
    assert "IP Virtual Server" in one.ssh(
        "lvs1", "modprobe ip_vs && ipvsadm -Ln && keepalived --version 2>&1"
    )


def test_a_director_survives_a_power_cut(lab: MakeLab) -> None:
    one = lab("cut", [("lvs1", "10.1.0.1", True), ("client", "10.1.0.2", False)])
    one.up()
    one.ssh("lvs1", "echo kept >/root/file; sync; echo $$ >/run/gone")
    control.cut(one.name, "lvs1", one.said.append)
    one.ssh("client", "ping -c1 -W1 10.1.0.1", ok=False)
    with pytest.raises(LabError, match="off already"):
        control.cut(one.name, "lvs1", one.said.append)
    control.boot(one.name, "lvs1", one.said.append)
    assert (
        one.ssh("lvs1", "cat /root/file; ls /run/gone 2>/dev/null || echo booted") == "kept\nbooted"
    )
    with pytest.raises(LabError, match="is running"):
        control.boot(one.name, "lvs1", one.said.append)


def test_a_node_survives_a_power_cut_and_does_not_answer_meanwhile(lab: MakeLab) -> None:
    one = lab("cutnode", PAIR)
    one.up()
    one.ssh("a", "echo kept >/root/file")
    assert one.ssh("b", "arping -c1 -w2 -I eth0 192.168.227.1 >/dev/null && echo there") == "there"
    control.cut(one.name, "a", one.said.append)
    one.ssh("b", "arping -c1 -w1 -I eth0 192.168.227.1", ok=False)
    state = control.status(one.name)
    assert state is not None and [(h.name, h.running) for h in state.hosts] == [
        ("a", False),
        ("b", True),
    ]
    control.boot(one.name, "a", one.said.append)
    assert one.ssh("a", "cat /root/file") == "kept"


def test_a_reboot_forgets_what_was_not_saved(lab: MakeLab) -> None:
    one = lab("reboot", PAIR)
    one.up()
    before = one.ssh("a", "ip address add 10.9.9.9/32 dev lo && stat -c %Y /run/systemd/units")
    one.ssh("a", "systemd-run --quiet --on-active=0.2 systemctl reboot")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.3)
        done = subprocess.run(
            [
                "ssh",
                "-F",
                one.layout.ssh_config,
                "a",
                "ip -br address show lo; systemctl is-system-running --wait",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and "10.9.9.9" not in done.stdout:
            break
    else:
        pytest.fail(f"no reboot: {done.stdout} {done.stderr} {before}")
    assert done.stdout.endswith("running\n")


def test_two_labs_with_the_same_addresses_side_by_side(lab: MakeLab) -> None:
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


def test_up_again_does_nothing_and_mends_a_host_that_is_off(lab: MakeLab) -> None:
    one = lab("again", PAIR)
    one.up()
    one.ssh("a", "touch /root/mine")
    one.up()
    assert "is up" in one.said[-1]
    control.cut(one.name, "a", one.said.append)
    one.up()
    assert one.ssh("a", "ls /root") == "mine"


def test_other_hosts_under_the_same_name_are_refused(lab: MakeLab) -> None:
    one = lab("other", PAIR)
    one.up()
    one.spec = LabSpec.of(one.name, PAIR[:1])
    with pytest.raises(LabError, match="is up with other hosts") as caught:
        one.up()
    assert "hactl lab down" in caught.value.hint


def test_a_changed_host_key_is_refused(lab: MakeLab) -> None:
    one = lab("key", PAIR)
    one.up()
    new = "rm $f*; ssh-keygen -q -t ed25519 -N '' -f $f; systemctl restart ssh"
    one.ssh("a", f"f=/etc/ssh/ssh_host_ed25519_key; {new}")
    one.ssh("a", "true", ok=False)
    assert one.ssh("b", "hostname") == "b"


def test_hactl_logs_in_with_the_labs_own_settings(lab: MakeLab) -> None:
    one = lab("target", PAIR)
    with pytest.raises(LabError, match="is not up"):
        lab_target(one.name, "a")
    one.up()
    target = lab_target(one.name, "a")
    assert (target.address, target.user, target.strict) == ("192.168.227.1", "root", True)
    assert str(one.layout.known_hosts) in target.known_hosts
    with pytest.raises(LabError, match="no host c"):
        lab_target(one.name, "c")


@pytest.mark.parametrize("seconds", [0.25, 0.4, 0.6, 0.9, 1.5, 4])
def test_nothing_stays_of_an_up_that_was_killed(lab: MakeLab, seconds: float) -> None:
    hosts: Triples = [
        ("lvs1", "10.1.0.1", True),
        ("w_1", "10.1.0.2", False),
        ("w2", "10.2.0.2", False),
    ]
    one = lab("killed", hosts)
    code = f"from provision.lab import control, plan; control.up(plan.LabSpec.of({one.name!r}, {hosts!r}), print)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    one.down()
    assert one.traces() == []
    assert one.down() is False
    assert "not up; nothing to do" in one.said[-1]


def test_up_starts_anew_after_a_killed_one(lab: MakeLab) -> None:
    one = lab("anew", PAIR)
    one.up()
    one.layout.ready.unlink()  # as if it had been killed just before the end
    one.up()
    assert any("removed the remains of an interrupted start" in line for line in one.said)
    assert one.ssh("a", "hostname") == "a"


def test_missing_commands_stop_it_before_anything_is_made(
    lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lab("poor", PAIR)
    for command in ("ip", "unshare", "true", "nsenter", "umount"):
        (tmp_path / command).symlink_to(str(shutil.which(command)))
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(LabError, match="qemu-img") as caught:
            one.up()
    assert "apt-get install" in caught.value.hint and "qemu-utils" in caught.value.hint
    assert one.traces() == []


def test_a_killed_image_build_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HACTL_CACHE", str(tmp_path))
    code = "from provision.lab import image, layout; image.ensure(layout.cache_root(), print)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    time.sleep(6)
    process.kill()
    process.wait()
    assert cgroups.members("hl-.image"), "the build outlived its parent"
    assert image.clear_orphans(cache_root())
    assert not cgroups.members("hl-.image")
    assert list((tmp_path / "lab/images").iterdir()) == []


def test_sockets_of_the_lab_stay_in_its_namespace(lab: MakeLab) -> None:
    one = lab("sock", PAIR)
    one.up()
    assert network.ssh_answers(one.layout.namespace, "192.168.227.1")
    routes = subprocess.check_output(["ip", "route", "get", "192.168.227.1"], text=True)
    assert "br0" not in routes and "p0" not in routes
