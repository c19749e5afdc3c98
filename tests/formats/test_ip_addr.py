"""Addresses as ip(8) shows them."""

from __future__ import annotations

import pytest

from provision.formats.ip_addr import LiveAddress, live_address, live_addresses

IPV4 = "2: eth0    inet 192.0.2.10/32 scope global eth0\\       valid_lft forever"
LOOPBACK = (
    "1: lo    inet 192.0.2.10/32 scope global lo:0\\       valid_lft forever preferred_lft forever"
)
IPV6 = "3: eth0@if7    inet6 2001:db8::10/128 scope global nodad \\       valid_lft forever"
PEER = "4: tun0    inet 192.0.2.1 peer 192.0.2.2/24 scope global tun0\\       valid_lft forever"


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (IPV4, LiveAddress("eth0", "192.0.2.10", 32, "eth0", "global")),
        (LOOPBACK, LiveAddress("lo", "192.0.2.10", 32, "lo:0", "global")),
        (IPV6, LiveAddress("eth0", "2001:db8::10", 128, "eth0", "global")),
        (PEER, LiveAddress("tun0", "192.0.2.1", 24, "tun0", "global")),
    ],
)
def test_interface_prefix_label_and_scope_are_read(line: str, address: LiveAddress) -> None:
    assert live_address(line) == address


@pytest.mark.parametrize("line", ["", "2: eth0: <BROADCAST,UP> mtu 1500", "Timestamp: Tue Dec  1"])
def test_a_line_without_an_address_is_skipped(line: str) -> None:
    assert list(live_addresses([line, IPV4])) == [live_address(IPV4)]
