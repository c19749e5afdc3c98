"""Role real_server: the VIP on lo without ARP, now and at boot; the script runs in a namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.desired.items import Address, Module, Unit
from tests.roles.site import REDHAT, content, render, sysctls

SCRIPT = "/usr/local/lib/hactl/lo-vip"
ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"
)


def test_the_arp_parameters_are_set_on_all_and_on_the_interface(tmp_path: Path) -> None:
    assert sysctls(render(tmp_path, "web1")) == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
        "net.ipv4.conf.ens33.arp_ignore": "1",
        "net.ipv4.conf.ens33.arp_announce": "2",
        "net.ipv4.conf.ens33.rp_filter": "2",
    }


def test_every_vip_is_a_host_address_on_lo_with_another_label(tmp_path: Path) -> None:
    addresses = render(tmp_path, "web1", vips="[192.168.227.10, 192.168.227.11]").of("address")
    assert addresses == (
        Address("192.168.227.10/32", "lo", "lo:0"),
        Address("192.168.227.11/32", "lo", "lo:1"),
    )


def test_ipv6_needs_no_arp_parameters_and_has_no_labels(tmp_path: Path) -> None:
    web = "address: [fd00::103]"
    lvs = "address: [fd00::101]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.roles.site.INVENTORY", _ipv6_inventory())
        desired = render(tmp_path, "web1", vips='["fd00::10"]', director=lvs, real_server=web)
    assert desired.of("address") == (Address("fd00::10/128", "lo", ""),)
    assert sysctls(desired) == {}
    assert content(desired, "/etc/hactl/lo-vips").endswith("\nfd00::10/128 -\n")


def _ipv6_inventory() -> str:
    from tests.roles.site import INVENTORY

    return (
        INVENTORY.replace("192.168.227.102", '"fd00::102"')
        .replace("192.168.227.101", '"fd00::101"')
        .replace("192.168.227.103", '"fd00::103"')
    )


def test_with_nat_the_host_gets_no_vip(
    tmp_path: Path,
) -> None:
    desired = render(tmp_path, "web1", service="forward: nat")
    assert desired.of("address") == () and sysctls(desired) == {}
    assert desired.get("unit", "hactl-lo-vip.service") is None


def test_a_unit_sets_the_vip_at_boot_and_is_reloaded_after_a_change(
    tmp_path: Path,
) -> None:
    desired = render(tmp_path, "web1")
    assert Unit("hactl-lo-vip.service", on_change="reload") in desired.items
    assert content(desired, "/etc/hactl/lo-vips").splitlines()[1:] == ["192.168.227.10/32 lo:0"]
    unit = content(desired, "/etc/systemd/system/hactl-lo-vip.service")
    assert "After=systemd-sysctl.service " in unit and "Before=network.target\n" in unit
    assert f"ExecStart=/bin/sh {SCRIPT} add\n" in unit


def test_red_hat_with_network_scripts_gets_an_alias_file_and_a_route(tmp_path: Path) -> None:
    desired = render(tmp_path, "web1", **REDHAT, network_scripts=True)
    scripts = "/etc/sysconfig/network-scripts"
    assert content(desired, f"{scripts}/ifcfg-lo:0").splitlines()[1:] == [
        "DEVICE=lo:0",
        "ONBOOT=yes",
        "IPADDR=192.168.227.10",
        "NETMASK=255.255.255.255",
        "NM_CONTROLLED=no",
    ]
    assert content(desired, f"{scripts}/route-lo").endswith("\n192.168.227.10/32 dev lo\n")
    assert "192.168.227.10" not in content(desired, "/etc/hactl/lo-vips")


def test_red_hat_without_network_scripts_is_like_debian(tmp_path: Path) -> None:
    desired = render(tmp_path, "web1", **REDHAT)
    assert desired.get("file", "/etc/sysconfig/network-scripts/ifcfg-lo:0") is None
    assert "192.168.227.10/32 lo:0" in content(desired, "/etc/hactl/lo-vips")


@pytest.mark.parametrize(
    ("tunnel", "modules", "lines"),
    [
        ("tunnel: {type: ipip}", ["ipip"], ["up tunl0"]),
        ("tunnel: {type: gre}", ["ip_gre"], ["up gre0"]),
        ("tunnel: {type: gue, port: 6080}", ["ipip", "fou"], ["gue4 6080", "up tunl0"]),
    ],
)
def test_a_tunnel_ends_at_a_device_without_reverse_path_filtering(
    tmp_path: Path, tunnel: str, modules: list[str], lines: list[str]
) -> None:
    desired = render(tmp_path, "web1", service=f"forward: tun, {tunnel}")
    assert desired.of("module") == tuple(Module(name) for name in modules)
    assert content(desired, "/etc/hactl/lo-vips").splitlines()[2:] == lines
    parameters = sysctls(desired)
    device = lines[-1].split()[1]
    assert (
        parameters["net.ipv4.conf.all.rp_filter"]
        == parameters[f"net.ipv4.conf.{device}.rp_filter"]
        == "0"
    )


class Sandbox:
    """A shell in a new network namespace, with the rendered script and list."""

    def __init__(self, folder: Path) -> None:
        desired = render(folder, "web1", vips="[192.168.227.10, 192.168.227.11]")
        self.script = folder / "lo-vip"
        self.vips = folder / "lo-vips"
        self.vips.write_text(content(desired, "/etc/hactl/lo-vips") + "fd00::10/128 -\n")
        self.script.write_text(
            content(desired, SCRIPT).replace("/etc/hactl/lo-vips", str(self.vips))
        )

    def run(self, shell: str, commands: str) -> subprocess.CompletedProcess[str]:
        prepare = "ip link set lo up; ip link add eth7 type veth peer name p; ip link set eth7 up; "
        text = prepare + commands.replace("SCRIPT", f"{shell} {self.script}")
        return subprocess.run(
            ["unshare", "-n", "sh", "-c", text], capture_output=True, text=True, timeout=20
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    yield Sandbox(tmp_path)


CONF = "/proc/sys/net/ipv4/conf"
NO_ARP = f"echo 1 >{CONF}/all/arp_ignore; echo 2 >{CONF}/all/arp_announce; "


@ROOT
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_the_script_adds_and_removes_the_vips(sandbox: Sandbox, shell: str) -> None:
    result = sandbox.run(
        shell,
        NO_ARP
        + "SCRIPT add && SCRIPT add && ip -o addr show lo; SCRIPT remove; ip -o addr show lo",
    )
    added, _, removed = result.stdout.partition("192.168.227.11/32 ")
    assert "192.168.227.10/32 scope global lo:0" in added and "fd00::10/128" in result.stdout
    assert (
        removed.count("127.0.0.1/8") == 1
        and "192.168.227.10" not in removed.split("127.0.0.1/8")[1]
    )


@ROOT
@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ("", "would claim the virtual IPs: its effective arp_ignore is 0, must be 1"),
        (
            f"echo 1 >{CONF}/all/arp_ignore; ",
            "its effective arp_announce is 0, must be 2",
        ),
        (
            NO_ARP + f"echo 3 >{CONF}/eth7/arp_ignore; ",
            "eth7 would claim the virtual IPs: its effective arp_ignore is 3",
        ),
        (
            f"echo 1 >{CONF}/lo/arp_ignore; echo 2 >{CONF}/lo/arp_announce; ",
            "its effective arp_ignore is 0",
        ),
    ],
)
def test_the_script_fails_if_an_interface_would_answer_for_the_vip(
    sandbox: Sandbox, parameters: str, error: str
) -> None:
    result = sandbox.run("dash", parameters + "SCRIPT add; echo status $?; ip -o addr show lo")
    assert error in result.stderr
    assert "status 1" in result.stdout and "192.168.227.10" not in result.stdout
