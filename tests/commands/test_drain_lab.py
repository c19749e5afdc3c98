"""Drains, a decommission and manual changes on a lab under load: no request is lost.

All tests share one lab, and each test restores it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provision.hosts.ssh import connect
from provision.lab.access import lab_target
from provision.prober.record import ProbeService, Recording
from provision.prober.session import Prober
from tests.e2e import model
from tests.e2e.model import VIP
from tests.e2e.site import Site, patiently

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

NAME = "drain"
SELECTOR = f"-t {VIP}:80"
WEB1, WEB2 = {"this is web1!"}, {"this is web2!"}
DIRECTORS = ("lvs1", "lvs2")


def inventory() -> model.Model:
    """With `mh` any director takes a connection in the middle, so that a hand-over resets none."""
    wanted = model.base(NAME)
    model.frontend(wanted)["services"][0] |= {"scheduler": "mh", "scheduler_flags": ["mh-port"]}
    return wanted


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(NAME, tmp_path_factory.mktemp(NAME))
    site.hosts = (*DIRECTORS, "web1", "web2", "client")
    site.write(inventory())
    site.lab("down")
    try:
        site.lab("up")
        site.deploy()
        site.await_pages(VIP, WEB1 | WEB2)
        yield site
    finally:
        for host in site.hosts:
            site.forget(host)
        site.lab("down")


class Asked:
    """What clients saw: the recording comes when the block has ended."""

    recording: Recording

    @property
    def failed(self) -> list[str]:
        return [request.error for request in self.recording.requests if request.error]

    @property
    def lost(self) -> list[str]:
        return [one.error for one in self.recording.connections if one.lost is not None]


@contextmanager
def asked(connections: int = 0) -> Iterator[Asked]:
    """A request every 10 ms from the client during the block, beside long-lived connections."""
    service = ProbeService("web", f"web {VIP}:80", VIP, 80, "/")
    session, found = connect(lab_target(NAME, "client")), Asked()
    with Prober.start(session, [service], cadence=0.01, connections=connections) as prober:
        for _ in patiently(20):
            if prober.established >= connections:
                break
        yield found
        prober.check()
        found.recording = prober.stop()
    session.close()
    assert len(found.recording.requests) > 100


def rule(site: Site, director: str, last: int) -> str:
    """What a director's table has of a real server."""
    return site.ssh(director, f"ipvsadm -Sn | grep ' -r 192.168.227.{last}:80 ' || :")


def await_holder(site: Site, *hosts: str) -> None:
    for _ in patiently(60):
        if site.holders(VIP) == list(hosts):
            return
    raise AssertionError(f"{VIP} is on {site.holders(VIP)}")


def test_a_drained_server_gets_nothing_new_and_keeps_what_it_has(site: Site) -> None:
    with asked(connections=20) as clients:
        done = site.hactl("drain", "web2", "--wait", "3", "--json")
        assert (done.code, done.json["ok"], done.json["drained"]) == (1, False, True), done
        left = sum(one["connections"] for one in done.json["left"])
        assert 0 < left <= 20
        assert set(site.pages(VIP, 12)) == WEB1
        assert all(rule(site, director, 104).endswith("-w 0") for director in DIRECTORS)
    assert (clients.failed, clients.lost) == ([], [])
    again = site.hactl("drain", "web2", "--wait", "60", "--json")
    assert (again.code, again.json["left"]) == (0, []), again
    refused = site.hactl("drain", "web1")
    assert (
        refused.code == 1
        and "web1 is the last real server" in refused.err
        and "web2 is drained" in refused.err
    )

    site.assert_in_step()
    shown = site.hactl("status")
    assert (
        shown.code == 0
        and "web2 192.168.227.104:80     0/1" in shown.out
        and "drained" in shown.out
    ), shown

    site.ssh("lvs1", "systemctl reload keepalived")
    site.ssh("lvs2", "systemctl stop keepalived; systemctl start keepalived")
    changed = inventory()
    model.frontend(changed)["vrrp"]["advert_int"] = 0.25
    site.write(changed)
    site.deploy()
    site.reboot("lvs2")
    site.ssh("lvs1", "systemctl stop keepalived")
    await_holder(site, "lvs2")
    assert set(site.pages(VIP, 12)) == WEB1
    site.ssh("lvs1", "systemctl start keepalived")
    await_holder(site, "lvs1")
    assert all(rule(site, director, 104).endswith("-w 0") for director in DIRECTORS)

    assert site.hactl("undrain", "web2").code == 0
    site.await_pages(VIP, WEB1 | WEB2)
    assert "outcome=undrained server=web2" in site.ssh("lvs1", "tail -n 1 /var/log/hactl.log")
    site.write(inventory())
    site.deploy()
    site.assert_in_step()


def test_a_drained_director_hands_over_and_stays_out(site: Site) -> None:
    with asked(connections=20) as clients:
        done = site.hactl("drain", "lvs1", "--wait", "60", "--json")
        assert (done.code, done.json["left"]) == (0, []), done
        assert site.holders(VIP) == ["lvs2"]
        refused = site.hactl("drain", "lvs2")
        assert (
            refused.code == 1
            and "lvs2 is the last director" in refused.err
            and "lvs1 is drained" in refused.err
        )
        site.reboot("lvs1")
        site.ssh("lvs1", "sleep 8")  # longer than a director that came back is last in line
        assert site.holders(VIP) == ["lvs2"]
        site.assert_in_step()
        assert "(drained)" in site.hactl("status").out
        assert site.hactl("undrain", "lvs1").code == 0
        await_holder(site, "lvs1")
    assert (clients.failed, clients.lost) == ([], [])


def test_a_server_that_leaves_is_drained_before_it_is_taken_out(site: Site) -> None:
    changed = inventory()
    children = changed["all"]["children"]
    children["decommissioned"] = {"hosts": {"web2": children["web"]["hosts"].pop("web2")}}
    site.write(changed)
    with asked() as clients:
        site.deploy()
    assert clients.failed == []
    assert not any(rule(site, director, 104) for director in DIRECTORS)
    assert site.ssh("web2", f"ip -o addr show to {VIP}") == ""
    site.assert_in_step()
    site.write(inventory())
    site.deploy()
    site.await_pages(VIP, WEB1 | WEB2)


def test_a_table_changed_by_hand_is_seen_and_put_right_without_losing_the_address(
    site: Site,
) -> None:
    pid = site.main_pid("lvs1", "keepalived")
    site.ssh(
        "lvs1", "ipvsadm -C; ipvsadm -A -t 10.9.9.9:25 -s rr; ip addr add 10.7.7.7/32 dev eth0"
    )
    site.ssh("lvs1", "echo >/etc/keepalived/extra.conf")
    site.ssh(
        "lvs2",
        f"ipvsadm -e {SELECTOR} -r 192.168.227.104:80 -g -w 7; "
        f"ipvsadm -d {SELECTOR} -r 192.168.227.103:80",
    )
    planned = site.plan()
    assert planned["lvs1"] == [{"kind": "virtual", "name": SELECTOR, "action": "create"}]
    assert planned["lvs2"] == [
        {"kind": "virtual", "name": SELECTOR, "action": each} for each in ("update", "create")
    ]
    said = site.hactl("plan").out
    for line in (
        "file /etc/keepalived/extra.conf",
        "IPVS service -t 10.9.9.9:25",
        "address 10.7.7.7/32 on eth0",
    ):
        assert f"left alone on lvs1: {line}" in said
    site.deploy()
    assert all(
        rule(site, each, server).endswith("-w 1") for each in DIRECTORS for server in (103, 104)
    )
    assert (site.main_pid("lvs1", "keepalived"), site.holders(VIP)) == (pid, ["lvs1"])
    site.await_pages(VIP, WEB1 | WEB2)
    site.assert_in_step()
    site.ssh(
        "lvs1",
        "ipvsadm -D -t 10.9.9.9:25; ip addr del 10.7.7.7/32 dev eth0; "
        "rm /etc/keepalived/extra.conf",
    )


def test_a_server_that_its_check_took_out_is_planned_nowhere(site: Site) -> None:
    site.ssh("web2", "systemctl stop nginx")
    for _ in patiently(30):
        if not any(rule(site, each, 104) for each in DIRECTORS):
            break
    planned = site.plan()
    assert (planned["lvs1"], planned["lvs2"]) == ([], [])
    site.ssh("web2", "systemctl start nginx")
    site.await_pages(VIP, WEB1 | WEB2)


def test_an_address_added_by_hand_is_seen_and_taken_off(site: Site) -> None:
    site.ssh("lvs2", f"ip addr add {VIP}/24 dev eth0")
    assert site.plan()["lvs2"] == [{"kind": "address", "name": f"{VIP}/24", "action": "remove"}]
    site.deploy()
    assert site.holders(VIP) == ["lvs1"]
    site.assert_in_step()


def test_an_address_taken_off_by_hand_is_put_back_by_keepalived_itself(site: Site) -> None:
    site.ssh("lvs1", f"ip addr del {VIP}/32 dev eth0")
    await_holder(site, "lvs1")
    site.assert_in_step()
