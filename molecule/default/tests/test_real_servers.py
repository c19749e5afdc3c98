"""Each real server is ready for direct routing: it has the VIP and does not answer ARP for it."""

from __future__ import annotations

import pytest
from testinfra.host import Host

VIP = "192.168.231.10"


@pytest.mark.parametrize(("name", "value"), [("arp_ignore", 1), ("arp_announce", 2)])
def test_the_vip_stays_out_of_arp(real_server: Host, name: str, value: int) -> None:
    # The kernel uses max(all, interface) (Linux, networking/ip-sysctl).
    scopes = ("all", "eth0")
    assert max(real_server.sysctl(f"net.ipv4.conf.{scope}.{name}") for scope in scopes) == value


def test_the_vip_is_on_the_loopback_only(real_server: Host) -> None:
    shown = real_server.check_output("ip -oneline -4 address show to %s", VIP).splitlines()
    assert len(shown) == 1
    assert f" lo    inet {VIP}/32 " in shown[0]
    assert shown[0].split("\\")[0].endswith(" lo:0")


def test_the_vip_and_the_arp_settings_survive_a_reboot(real_server: Host) -> None:
    assert real_server.service("hactl-lo-vip").is_enabled
    settings = real_server.file("/etc/sysctl.d/99-zz-hactl.conf").content_string
    assert "net.ipv4.conf.all.arp_ignore = 1\n" in settings


def test_the_page_is_served(real_server: Host) -> None:
    assert real_server.service("nginx").is_enabled
    assert real_server.socket("tcp://0.0.0.0:80").is_listening
