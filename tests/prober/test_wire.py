"""Queries on a real network: two hosts with one address, hosts without it, VRRP routers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.prober import measure
from provision.prober.session import Prober
from provision.prober.wire import ByMac, Listen, MacOf, OnLink, WhoHas, ask
from tests.prober.lan import VIP, VIP6, Host, Lan, service
from tests.waiting import wait_until

ROUTER = """
global_defs {{ router_id {name} }}
vrrp_instance four {{
    version 3
    interface eth0
    virtual_router_id 61
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{ 10.78.0.61/32 }}
}}
vrrp_instance six {{
    version 3
    interface eth0
    virtual_router_id 62
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{ fe80::62/64
        fd78::62/128 }}
}}
vrrp_instance two {{
    version 2
    interface eth0
    virtual_router_id 63
    priority {priority}
    advert_int 1
    virtual_ipaddress {{ 10.78.0.63/32 }}
}}
"""


BLOCK_VRRP = """
table inet deaf {
    chain in {
        type filter hook input priority 0;
        ip protocol 112 drop; ip6 nexthdr 112 drop;
    }
}
"""


@contextmanager
def address(hosts: list[Host], device: str) -> Iterator[None]:
    """The VIPs on a device of each of these hosts."""
    for host in hosts:
        host.add(f"{VIP}/32", device)
        host.add(f"{VIP6}/128", device, "nodad")
    try:
        yield
    finally:
        for host in hosts:
            host.call("ip", "addr", "del", f"{VIP}/32", "dev", device)
            host.call("ip", "addr", "del", f"{VIP6}/128", "dev", device)


@contextmanager
def router(host: Host, folder: Path, priority: int) -> Iterator[None]:
    """A real Keepalived."""
    text = folder / f"{priority}.conf"
    text.write_text(ROUTER.format(name=f"r{priority}", priority=priority))
    pids = [f"--{kind}={folder / f'{priority}{kind}'}" for kind in ("pid", "vrrp_pid")]
    process = host.popen("keepalived", "--dont-fork", "--vrrp", f"--use-file={text}", *pids)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_everybody_who_has_an_address_answers(lan: Lan) -> None:
    with address([lan.a, lan.b], "eth0"):
        four, six, alone, nobody = ask(
            lan.session(), [WhoHas(VIP), WhoHas(VIP6), WhoHas(lan.a.address), WhoHas("10.78.0.99")]
        )
    assert sorted(four.macs) == sorted(six.macs) == [lan.a.mac, lan.b.mac]
    assert alone.macs == (lan.a.mac,) and nobody.macs == () and nobody.problem == ""


def test_the_clients_own_table_is_read(lan: Lan) -> None:
    lan.client.call(
        "ip", "neigh", "replace", "10.78.0.98", "lladdr", "02:00:00:00:00:98", "dev", "eth0"
    )
    known, unknown = ask(lan.session(), [MacOf("10.78.0.98"), MacOf("10.78.0.97")])
    assert known.macs == ("02:00:00:00:00:98",) and unknown.macs == ()


@pytest.mark.parametrize("vip", [VIP, VIP6])
def test_a_real_server_is_asked_for_the_vip_by_its_mac(lan: Lan, vip: str) -> None:
    """Both have the service, but only a has the VIP: a check of b's address does not show it."""
    with lan.b.web(80), address([lan.a], "lo"):
        there, closed, hole = ask(
            lan.session(),
            [ByMac(vip, 80, lan.a.mac), ByMac(vip, 9, lan.a.mac), ByMac(vip, 80, lan.b.mac)],
        )
        waiting = lan.a.call("ss", "-Htan", "state", "syn-recv")
    assert (there.reply, closed.reply, hole.reply) == ("syn-ack", "rst", "silent")
    assert there.macs == hole.macs == ()
    assert waiting == "", "the half-open connection was taken back"


def test_a_host_that_passes_the_question_on_is_not_taken_for_the_answer(lan: Lan) -> None:
    with address([lan.a], "eth0"):
        lan.b.call("sysctl", "-qw", "net.ipv4.ip_forward=1")
        try:
            (answer,) = ask(lan.session(), [ByMac(VIP, 80, lan.b.mac)])
        finally:
            lan.b.call("sysctl", "-qw", "net.ipv4.ip_forward=0")
    assert answer.reply == "silent" and answer.macs == (lan.a.mac,)


def test_what_is_behind_a_gateway_cannot_be_asked(lan: Lan) -> None:
    lan.client.call("ip", "route", "add", "192.0.2.0/24", "via", lan.a.address)
    try:
        near, far, owners, unroutable = ask(
            lan.session(),
            [OnLink(VIP), OnLink("192.0.2.1"), WhoHas("192.0.2.1"), WhoHas("198.51.100.1")],
        )
    finally:
        lan.client.call("ip", "route", "del", "192.0.2.0/24")
    assert (near.interface, far.interface) == ("eth0", "")
    assert (
        owners.problem
        == f"192.0.2.1 is not on a network of the client's: it is reached through {lan.a.address}"
    )
    assert unroutable.problem == "the client has no route to 198.51.100.1"
    (itself,) = ask(lan.session(), [ByMac(lan.client.address, 80, lan.a.mac)])
    assert itself.problem == f"{lan.client.address} is an address of the client itself"


def test_all_questions_take_the_time_of_one(lan: Lan) -> None:
    begin = time.monotonic()
    answers = ask(lan.session(), [WhoHas(f"10.78.0.{at}") for at in range(100, 140)])
    assert len(answers) == 40 and time.monotonic() - begin < 1.2


def test_without_raw_sockets_an_answer_says_so(lan: Lan) -> None:
    session = lan.session("setpriv", "--bounding-set", "-net_raw")
    owners, listen = ask(session, [WhoHas(VIP), Listen(0.1)])
    assert (
        "may not use raw sockets" in owners.problem and "may not use raw sockets" in listen.problem
    )


def test_a_session_that_cannot_run_it_is_a_host_error(lan: Lan) -> None:
    with pytest.raises(HostError, match=r"controller: the (prober|agent) ended"):
        ask(lan.session("timeout", "0.01"), [Listen(2)])


def test_adverts_of_all_kinds_are_heard_and_two_masters_named(lan: Lan, tmp_path: Path) -> None:
    """Two real routers: when VRRP is blocked between them, both advertise: a split brain."""
    with router(lan.a, tmp_path, 150), router(lan.b, tmp_path, 100):
        wait_until(
            lambda: "10.78.0.63" in lan.a.call("ip", "-4", "-o", "addr"),
            8,
            what="a router with its address",
        )
        (heard,) = ask(lan.session(), [Listen(1.2)])
        speakers = {
            (advert.source, advert.vrid, advert.priority, advert.version)
            for advert in heard.adverts
        }
        assert {(lan.a.address, 61, 150, 3), (lan.a.address, 63, 150, 2)} <= speakers
        assert [kind for source, *kind in speakers if ":" in source] == [[62, 150, 3]]
        assert len(speakers) == 3, speakers

        with Prober.start(lan.session(), [service(lan.a)], connections=0) as prober:
            time.sleep(0.5)
            lan.b.call("nft", "-f", "-", text=BLOCK_VRRP)
            try:
                time.sleep(1.2)
            finally:
                lan.b.call("nft", "delete", "table", "inet", "deaf")
            time.sleep(0.5)
            recording = prober.stop()
    (rivalry,) = measure.split_brain_intervals(recording.adverts, 61, 0.1)
    assert rivalry.sources == (lan.a.address, lan.b.address)
    assert 0 < rivalry.known - rivalry.start <= 0.3, "three adverts"
    assert rivalry.end - rivalry.start == pytest.approx(0.84, abs=0.25), (
        "1.2 s less the 0.36 s of waiting"
    )
    assert len(measure.split_brain_intervals(recording.adverts, 62, 0.1)) == 1
    assert measure.split_brain_intervals(recording.adverts, 63, 1) == ()
    assert (
        measure.silences([advert for advert in recording.adverts if advert.vrid == 61], 0.3) == ()
    )
    claimed = {(claim.address, claim.mac) for claim in recording.claims}
    assert {("10.78.0.61", lan.b.mac), ("fd78::62", lan.b.mac)} <= claimed
    times = [
        advert.at
        for advert in recording.adverts
        if (advert.source, advert.vrid) == (lan.a.address, 61)
    ]
    gaps = [late - early for early, late in itertools.pairwise(times)]
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(0.1, abs=0.01)
