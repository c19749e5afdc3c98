"""The kernel's table with the inventory's names: /proc/net/ip_vs has hexadecimal addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.drills.table import (
    as_intended,
    hosts_of,
    intended_table,
    kernel_table,
    receives_connections,
)
from tests.inventory.building import DUAL, frontend, service, topology

VIP, WEB1, WEB2 = "-t 192.168.227.10:80", "192.168.227.103:80", "192.168.227.104:80"


def test_a_service_and_its_real_servers_are_read_with_their_weights() -> None:
    assert kernel_table(["TCP C0A8E30A:0050", "C0A8E367:0050 1", "C0A8E368:0050 0"]) == {
        (VIP, WEB1): 1,
        (VIP, WEB2): 0,
    }


def test_firewall_marks_and_ipv6_are_read() -> None:
    fields = [
        "FWM 0000001F",
        "C0A8E367:0000 3",
        "UDP [fd00:0227:0000:0000:0000:0000:0000:0010]:0035",
        "[fd00:0227:0000:0000:0000:0000:0000:0067]:0035 2",
    ]
    assert kernel_table(fields) == {
        ("-f 31", "192.168.227.103:0"): 3,
        ("-u [fd00:227::10]:53", "[fd00:227::67]:53"): 2,
    }


@given(st.ip_addresses(v=4), st.integers(0, 65535), st.integers(0, 65535))
def test_any_address_port_and_weight_is_read(
    address: ipaddress.IPv4Address, port: int, weight: int
) -> None:
    table = kernel_table(
        [f"TCP {int(address):08X}:{port:04X}", f"{int(address):08X}:{port:04X} {weight}"]
    )
    assert table == {(f"-t {address}:{port}", f"{address}:{port}"): weight}


@pytest.mark.parametrize("fields", [["TCP"], ["TCP nonsense"], ["C0A8E367:0050 many"]])
def test_a_field_that_the_kernel_never_writes_is_an_error(fields: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        kernel_table(fields)


def test_the_intended_table_has_both_address_families() -> None:
    both = topology([frontend(vips=["192.168.227.10", "fd00:227::10"])], hosts=DUAL)
    assert intended_table(both.frontends) == {
        (VIP, "192.168.227.103:80"): 1,
        (VIP, "192.168.227.104:80"): 1,
        ("-t [fd00:227::10]:80", "[fd00:227::103]:80"): 1,
        ("-t [fd00:227::10]:80", "[fd00:227::104]:80"): 1,
    }
    assert hosts_of(both.frontends[0])["-t [fd00:227::10]:80", "[fd00:227::103]:80"] == "web1"


def test_as_intended_means_every_weight_of_the_front_end_alone() -> None:
    first = topology([frontend()]).frontends[0]
    table = {(VIP, WEB1): 1, (VIP, WEB2): 1}
    assert as_intended(table, first)
    assert as_intended({**table, ("-t 10.0.0.1:25", "10.0.0.2:25"): 9}, first)
    assert not as_intended({(VIP, WEB1): 1}, first)
    assert not as_intended({**table, (VIP, WEB2): 0}, first)


def test_a_real_server_with_weight_0_gets_no_connections() -> None:
    first = topology([frontend(services=[service(inhibit_on_failure=True)])]).frontends[0]
    assert receives_connections({(VIP, WEB1): 1}, first, "web1")
    assert not receives_connections({(VIP, WEB1): 0}, first, "web1")
    assert not receives_connections({}, first, "web1")
