"""The program on the client, on a real switch: holders, services and real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.deploy.external.client import ClientSession
from provision.deploy.external_check import ExternalCheck
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
def client(lan: Lan, topology: Topology) -> Iterator[ClientSession]:
    with ClientSession.open(lan.session(), topology) as client:
        client.learn()
        yield client


@pytest.fixture
def vips_on_a(lan: Lan) -> Iterator[None]:
    lan.a.add(f"{VIP}/32", "eth0")
    lan.a.add(f"{VIP6}/128", "eth0", "nodad")
    yield
    lan.a.call("ip", "addr", "flush", "to", f"{VIP}/32")
    lan.a.call("ip", "addr", "flush", "to", f"{VIP6}/128")


def test_hosts_are_known_by_their_hardware_addresses(client: ClientSession, lan: Lan) -> None:
    assert client.macs == {"a": lan.a.mac, "b": lan.b.mac}
    assert client.on_link()


def test_without_a_holder_nobody_answers(client: ClientSession) -> None:
    view = client.look()
    assert view.owners == {VIP: (), VIP6: ()}
    assert view.believed == {VIP: "", VIP6: ""}
    places = [(VIP, 80), (VIP, 81), (VIP6, 80), (VIP6, 81)]
    assert {place: view.rank(place) for place in view.replies} == dict.fromkeys(places, 0)


@pytest.mark.usefixtures("vips_on_a")
def test_the_holder_answers_and_serves_a_page(client: ClientSession, lan: Lan) -> None:
    view = client.look()
    assert view.owners == {VIP: (lan.a.mac,), VIP6: (lan.a.mac,)}
    assert view.believed == {VIP: lan.a.mac, VIP6: lan.a.mac}
    assert view.replies[VIP, 80] == ("page", "page") and view.replies[VIP6, 80] == ("page", "page")
    assert view.worst((VIP, 81)) == "refused"


@pytest.mark.usefixtures("vips_on_a")
def test_two_holders_both_answer(client: ClientSession, lan: Lan) -> None:
    lan.b.add(f"{VIP}/32", "eth0")
    try:
        assert set(client.look().owners[VIP]) == {lan.a.mac, lan.b.mac}
    finally:
        lan.b.call("ip", "addr", "flush", "to", f"{VIP}/32")
    assert client.look().owners[VIP] == (lan.a.mac,), "the same program answers again"


def test_a_real_server_answers_for_itself(lan: Lan, topology: Topology) -> None:
    with ClientSession.open(lan.session(), topology) as client:
        client.macs = {"s": lan.a.mac}
        lan.a.add(f"{VIP}/32", "lo")
        try:
            assert client.look(["s"]).servers[("s", (VIP, 80))] == "syn-ack"
            assert client.look(["s"]).servers[("s", (VIP, 81))] == "rst"
        finally:
            lan.a.call("ip", "addr", "flush", "to", f"{VIP}/32")
        assert client.look(["s"]).servers[("s", (VIP, 80))] == "silent"


@pytest.mark.usefixtures("vips_on_a")
def test_a_client_without_raw_sockets_names_the_gap_and_tries_the_services(
    lan: Lan, topology: Topology
) -> None:
    limited = lan.session("setpriv", "--bounding-set", "-net_raw")
    external_check = ExternalCheck(topology, {}, lambda: nullcontext(limited))
    external_check.begin(())
    external_check.close()
    summary = external_check.summary()
    assert (
        summary.startswith(f"not known from outside who answers for {VIP}, {VIP6} (")
        and "may not use raw" in summary
    )
    assert results_json(True, (), summary)["outside"] == summary
    assert "raw sockets" in str(list(results_lines((), summary)))
    view = external_check._before.view
    assert view and view.owners == {} and view.replies[VIP, 80] == ("page", "page")


def test_with_raw_sockets_there_is_no_gap(lan: Lan, topology: Topology) -> None:
    external_check = ExternalCheck(topology, {}, lambda: nullcontext(lan.session()))
    external_check.begin(())
    external_check.close()
    assert external_check.gap() == external_check.summary() == ""


def test_a_lost_client_is_an_error(client: ClientSession) -> None:
    client.__exit__(None, None, None)
    with pytest.raises((HostError, ValueError)):
        client.look()
