"""Role director_sysctl: no redirects, and forwarding only if a service needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.facts import Interface
from provision.desired.render import SYSCTL_FILE
from tests.roles.site import content, render, sysctls


def test_redirects_are_off_on_all_on_default_and_on_the_interface(tmp_path: Path) -> None:
    parameters = sysctls(render(tmp_path, "lvs1"))
    for name in ("all", "default", "eth0"):
        assert parameters[f"net.ipv4.conf.{name}.send_redirects"] == "0"


def test_a_backup_that_accepts_packets_for_a_vip_does_not_claim_it(tmp_path: Path) -> None:
    parameters = sysctls(render(tmp_path, "lvs1"))
    assert parameters["net.ipv4.conf.all.arp_ignore"] == "1"
    assert parameters["net.ipv4.conf.all.arp_announce"] == "2"


def test_a_dot_in_the_name_of_an_interface_becomes_a_slash(tmp_path: Path) -> None:
    vlan = (Interface("eth0.100", ("192.168.227.101/24",)),)
    desired = render(tmp_path, "lvs1", interfaces=vlan)
    assert sysctls(desired)["net.ipv4.conf.eth0/100.send_redirects"] == "0"
    assert "net.ipv4.conf.eth0/100.send_redirects = 0\n" in content(desired, SYSCTL_FILE)


@pytest.mark.parametrize(
    ("service", "director", "vips", "forwarding"),
    [
        ("forward: dr", "hactl_facts: {}", "[192.168.227.10]", set()),
        ("forward: tun", "hactl_facts: {}", "[192.168.227.10]", set()),
        ("forward: nat", "hactl_facts: {}", "[192.168.227.10]", {"net.ipv4.ip_forward"}),
        (
            "forward: dr",
            "director_ip_forward: true",
            "[192.168.227.10]",
            {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"},
        ),
    ],
)
def test_forwarding_is_on_for_nat_and_by_request_of_the_inventory(
    tmp_path: Path, service: str, director: str, vips: str, forwarding: set[str]
) -> None:
    parameters = sysctls(render(tmp_path, "lvs1", service=service, director=director, vips=vips))
    assert {name for name in parameters if "forward" in name} == forwarding
    assert all(parameters[name] == "1" for name in forwarding)
