"""The files of hosts and users."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from provision.lab import files
from provision.lab.layout import Layout
from provision.lab.plan import LabSpec

SPEC = LabSpec.of("site", [("lvs1", "10.0.0.1", True), ("web_1", "fd00::2", False)])
LAYOUT = Layout("site", Path("/cache/lab"))
KEYS = files.HostKeys("PRIVATE\n", "ssh-ed25519 AAAA comment\n", "ssh-ed25519 BBBB me\n")


def test_ssh_config_goes_through_the_namespace_without_delay_and_checks_keys() -> None:
    text = files.ssh_config(SPEC, LAYOUT)
    assert "Host lvs1 10.0.0.1\n" in text
    assert "ProxyCommand nsenter --net=/run/netns/hl-site socat - TCP4:10.0.0.1:%p,nodelay" in text
    assert "ProxyCommand nsenter --net=/run/netns/hl-site socat - TCP6:[fd00::2]:%p,nodelay" in text
    assert text.count("StrictHostKeyChecking yes") == len(SPEC.hosts)


def test_known_hosts_names_each_host_and_address_once() -> None:
    text = files.known_hosts(SPEC, {"lvs1": KEYS.public, "web_1": KEYS.public})
    assert text == "lvs1,10.0.0.1 ssh-ed25519 AAAA\nweb_1,fd00::2 ssh-ed25519 AAAA\n"


def test_interfaces_of_an_ipv4_host() -> None:
    text = files.interfaces(SPEC.hosts[0])
    assert text.startswith("source /etc/network/interfaces.d/*\n")
    assert "iface eth0 inet static\n    address 10.0.0.1/24\n" in text
    assert "up ip route replace 169.254.113.1/32 dev eth0" in text


def test_interfaces_of_an_ipv6_host_skip_duplicate_address_detection() -> None:
    text = files.interfaces(SPEC.hosts[1])
    assert "iface eth0 inet6 static\n    address fd00::2/64\n    dad-attempts 0\n" in text
    assert "up ip route replace fd68:6163:746c::1/128 dev eth0" in text


def test_the_seed_holds_keys_only_root_can_read_and_is_reproducible() -> None:
    seed = files.seed(SPEC, SPEC.hosts[0], KEYS)
    data = files.seed_tar(seed)
    assert data == files.seed_tar(seed)
    assert len(data) % 512 == 0  # it becomes a disk
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        modes = {member.name: member.mode for member in tar}
        key = tar.extractfile("etc/ssh/ssh_host_ed25519_key")
        assert key is not None and key.read() == b"PRIVATE\n"
    assert modes["etc/ssh/ssh_host_ed25519_key"] == modes["root/.ssh/authorized_keys"] == 0o600
    assert modes["root/.ssh"] == 0o700


def test_a_host_with_an_underscore_has_both_names() -> None:
    assert "fd00::2 web-1 web_1\n" in files.hosts_file(SPEC)
    assert files.seed(SPEC, SPEC.hosts[1], KEYS)["etc/hostname"].text == "web-1\n"


def test_hosts_have_different_machine_ids() -> None:
    ids = {files.seed(SPEC, host, KEYS)["etc/machine-id"].text for host in SPEC.hosts}
    assert len(ids) == 2
    assert all(len(text) == 33 and int(text, 16) for text in ids)
