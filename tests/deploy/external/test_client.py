"""The client's program on a real switch: who answers, what services say, and what a real server says itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.deploy.external.client import ClientSession
from provision.deploy.external_check import Outside
from provision.deploy.plan_output import results_json, results_lines
from provision.deploy.project import load
from provision.inventory.topology import Topology
from tests.prober.lan import VIP, VIP6, Lan

INVENTORY = """
all:
  vars:
    frontends:
      - name: web
        vips: ["{vip}", "{vip6}"]
        directors: [a, b]
        vrrp: {{virtual_router_id: 10}}
        services:
          - {{port: 80, real_servers: [s], check: {{type: tcp}}}}
          - {{port: 81, real_servers: [s], check: {{type: tcp}}}}
  hosts:
    a: {{ansible_host: {a}, address: ["{a}", "{a6}"]}}
    b: {{ansible_host: {b}, address: ["{b}", "{b6}"]}}
    s: {{ansible_host: 10.78.0.99, address: [10.78.0.99, "fd78::99"]}}
"""


@pytest.fixture
def topology(lan: Lan, tmp_path: Path) -> Topology:
    text = INVENTORY.format(
        vip=VIP, vip6=VIP6, a=lan.a.address, a6=lan.a.address6, b=lan.b.address, b6=lan.b.address6
    )
    (tmp_path / "site.yml").write_text(text)
    return load(tmp_path / "site.yml").topology


@pytest.fixture
def gate(lan: Lan, topology: Topology) -> Iterator[ClientSession]:
    with ClientSession.open(lan.session(), topology) as gate:
        gate.learn()
        yield gate


@pytest.fixture
def held(lan: Lan) -> Iterator[None]:
    lan.a.add(f"{VIP}/32", "eth0")
    lan.a.add(f"{VIP6}/128", "eth0", "nodad")
    yield
    lan.a.call("ip", "addr", "flush", "to", f"{VIP}/32")
    lan.a.call("ip", "addr", "flush", "to", f"{VIP6}/128")


def test_hosts_are_known_by_their_hardware_addresses(gate: ClientSession, lan: Lan) -> None:
    assert gate.macs == {"a": lan.a.mac, "b": lan.b.mac}
    assert gate.on_link()


def test_nobody_holds_it(gate: ClientSession) -> None:
    view = gate.look()
    assert view.owners == {VIP: (), VIP6: ()}
    assert view.believed == {VIP: "", VIP6: ""}
    assert {place: view.rank(place) for place in view.replies} == {
        (VIP, 80): 0, (VIP, 81): 0, (VIP6, 80): 0, (VIP6, 81): 0,
    }  # fmt: skip


@pytest.mark.usefixtures("held")
def test_one_holds_it_and_serves_a_page(gate: ClientSession, lan: Lan) -> None:
    view = gate.look()
    assert view.owners == {VIP: (lan.a.mac,), VIP6: (lan.a.mac,)}
    assert view.believed == {VIP: lan.a.mac, VIP6: lan.a.mac}
    assert view.replies[VIP, 80] == ("page", "page") and view.replies[VIP6, 80] == ("page", "page")
    assert view.worst((VIP, 81)) == "refused"


@pytest.mark.usefixtures("held")
def test_two_hold_it(gate: ClientSession, lan: Lan) -> None:
    lan.b.add(f"{VIP}/32", "eth0")
    try:
        assert set(gate.look().owners[VIP]) == {lan.a.mac, lan.b.mac}
    finally:
        lan.b.call("ip", "addr", "flush", "to", f"{VIP}/32")
    assert gate.look().owners[VIP] == (lan.a.mac,), "the same program is asked again and again"


def test_a_real_server_answers_for_itself(lan: Lan, topology: Topology) -> None:
    with ClientSession.open(lan.session(), topology) as gate:
        gate.macs = {"s": lan.a.mac}
        lan.a.add(f"{VIP}/32", "lo")
        try:
            assert gate.look(["s"]).servers[("s", (VIP, 80))] == "syn-ack"
            assert gate.look(["s"]).servers[("s", (VIP, 81))] == "rst"
        finally:
            lan.a.call("ip", "addr", "flush", "to", f"{VIP}/32")
        assert gate.look(["s"]).servers[("s", (VIP, 80))] == "silent"


@pytest.mark.usefixtures("held")
def test_a_client_without_raw_sockets_says_what_it_cannot_ask_and_tries_the_services(
    lan: Lan, topology: Topology
) -> None:
    limited = lan.session("setpriv", "--bounding-set", "-net_raw")
    outside = Outside(topology, {}, lambda: nullcontext(limited))
    outside.begin(())
    outside.close()
    said = outside.summary()
    assert (
        said.startswith(f"not asked from outside who answers for {VIP}, {VIP6} (")
        and "may not use raw" in said
    )
    assert results_json(True, (), said)["outside"] == said and "raw sockets" in str(
        list(results_lines((), said))
    )
    view = outside._before.view
    assert view and view.owners == {} and view.replies[VIP, 80] == ("page", "page")


def test_with_them_nothing_is_left_unasked(lan: Lan, topology: Topology) -> None:
    outside = Outside(topology, {}, lambda: nullcontext(lan.session()))
    outside.begin(())
    outside.close()
    assert outside.gap() == outside.summary() == ""


def test_a_client_that_is_gone_is_an_error(gate: ClientSession) -> None:
    gate.__exit__(None, None, None)
    with pytest.raises((HostError, ValueError)):
        gate.look()
