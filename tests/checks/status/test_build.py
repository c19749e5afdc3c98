"""A poll becomes a status: holders, the state of each server, and no stale values."""

from __future__ import annotations

from dataclasses import replace

from provision.checks.status.build import parse_host_log
from provision.checks.status.model import GenerationStatus, ServerStatus, Status
from provision.formats.ip_addr import LiveAddress
from provision.hosts.live.state import LiveUnit
from tests.checks.status.building import LAB, NOW, SERVICE, VIP, site_status
from tests.hosts.live.building import healthy
from tests.hosts.live.test_health import TCP


def server(status: Status, name: str) -> ServerStatus:
    servers = status.frontends[0].services[0].servers
    return next(server for server in servers if server.name == name)


def test_a_healthy_site() -> None:
    status = site_status()
    front = status.frontends[0]
    assert status.ok
    assert front.vips[0].holders == (("lvs1", "02:68:61:00:00:01"),)
    assert [(item.host, item.state, item.priority) for item in front.directors] == [
        ("lvs1", "MASTER", 100),
        ("lvs2", "BACKUP", 99),
    ]
    assert front.services[0].director == "lvs1"
    assert [
        (item.name, item.weight, item.intended, item.state, item.active)
        for item in front.services[0].servers
    ] == [("web1", 1, 1, "up", 3), ("web2", 1, 1, "up", 0)]


def test_a_director_that_does_not_answer_is_never_shown_as_master() -> None:
    before = site_status()
    status = site_status("lvs1", before=before)
    first = status.frontends[0].directors[0]
    assert (first.host, first.state) == ("lvs1", "unreachable")
    assert status.frontends[0].vips[0].holders == ()
    assert not status.ok
    assert "MASTER" not in str(status.json()["frontends"])


def test_unseen_values_are_unknown_in_the_document() -> None:
    document = site_status("lvs1").json()
    front = document["frontends"][0]
    assert (document["verdict"], document["hosts_seen"], document["unseen"]) == (
        "unknown",
        3,
        {"lvs1": "no route to host"},
    )
    assert [(vip["held"], vip["unseen"]) for vip in front["vips"]] == [("unknown", ("lvs1",))]
    assert set(front["directors"][0].values()) == {"lvs1", "", "unreachable", None}
    nothing_seen = site_status(*LAB.managed()).json()["frontends"][0]
    assert [(item["director"], item["present"]) for item in nothing_seen["services"]] == [
        ("", None)
    ]
    healthy_document = site_status().json()
    assert healthy_document["frontends"][0]["vips"][0]["held"] == "one"
    assert healthy_document["verdict"] == "well"


def test_a_keepalived_that_is_stopped_or_silent() -> None:
    down = {"keepalived.service": LiveUnit("keepalived.service", "inactive", "enabled")}
    stopped = site_status(lvs1={"vrrp": (), "units": down})
    assert stopped.frontends[0].directors[0].state == "stopped"
    assert site_status(lvs1={"vrrp": ()}).frontends[0].directors[0].state == "silent"


def test_two_holders_are_both_shown() -> None:
    addresses = healthy(LAB)["lvs2"].addresses
    vip = LiveAddress("eth0", VIP, 32, "eth0", "global")
    status = site_status(lvs2={"addresses": (*addresses, vip)})
    assert [host for host, _ in status.frontends[0].vips[0].holders] == ["lvs1", "lvs2"]
    assert any("both hold" in finding.what for finding in status.findings)


def test_a_real_server_outside_the_table_is_down_or_missing() -> None:
    without_web1 = replace(SERVICE, servers=SERVICE.servers[1:])
    lvs1 = {"services": (without_web1,)}
    down = server(site_status(lvs1=lvs1, sections={"checks": TCP}), "web1")
    assert (down.state, down.weight, down.reason) == (
        "down",
        None,
        "TCP_CHECK failed after 1 retries",
    )
    assert down.seconds is not None and abs(down.seconds - (NOW - 1795325509.8)) < 0.1
    assert server(site_status(lvs1=lvs1), "web1").state == "missing"


def test_weight_zero_is_drained_unless_the_check_fails() -> None:
    zero = replace(SERVICE, servers=(replace(SERVICE.servers[0], weight=0), SERVICE.servers[1]))
    lvs1 = {"services": (zero,)}
    assert server(site_status(lvs1=lvs1), "web1").state == "drained"
    assert server(site_status(lvs1=lvs1, sections={"checks": TCP}), "web1").state == "down"


def test_the_host_log_is_parsed() -> None:
    document = (
        '{"format": 1, "number": 3, "who": "ops@desk", "when": "2026-11-22T05:31:20Z", '
        '"digest": "3fa8"}'
    )
    handover = ["/var/lib/hactl/handover/web:100", "/elsewhere/web:9"]
    log = parse_host_log({"clock": ["5.5"], "generation": ["3", document], "handover": handover})
    assert log.generation == GenerationStatus(3, "ops@desk", "2026-11-22T05:31:20Z", "3fa8")
    assert (log.clock, log.handover) == (5.5, {"web": 100})
    assert parse_host_log({"generation": ["3", "{broken"]}).generation == GenerationStatus(3)
    assert parse_host_log({}).generation is None


def test_a_hand_over_in_force_is_shown() -> None:
    status = site_status(sections={"handover": ["/var/lib/hactl/handover/web:100"]})
    assert [item.handover for item in status.frontends[0].directors] == [100, 0]


def test_advert_rates_are_counted_between_two_polls() -> None:
    before = site_status(taken=NOW)
    sent = replace(healthy(LAB)["lvs1"].vrrp[0], adverts_sent=110)
    now = site_status(before=before, taken=NOW + 2, lvs1={"vrrp": (sent,)})
    assert [item.rate for item in now.frontends[0].directors] == [5.0, 0.0]
    restarted = replace(sent, adverts_sent=1)
    after_restart = site_status(before=before, taken=NOW + 2, lvs1={"vrrp": (restarted,)})
    assert after_restart.frontends[0].directors[0].rate is None
