"""From looks to a status: who holds what, what each server's state is, and that nothing stale is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provision.checks.status.build import recalled, status
from provision.checks.status.model import GenerationStatus, ServerStatus, Status
from provision.formats.ip_addr import LiveAddress
from provision.hosts.live.state import LiveUnit
from tests.checks.status.building import LAB, NOW, SERVICE, VIP, looked
from tests.hosts.live.building import healthy
from tests.hosts.live.test_health import TCP


def of(*gone: str, before: Status | None = None, **changes: Any) -> Status:
    return status("site.yml", looked(*gone, **changes), before)


def server(found: Status, name: str) -> ServerStatus:
    return next(each for each in found.frontends[0].services[0].servers if each.name == name)


def test_a_site_that_is_well() -> None:
    found = of()
    front = found.frontends[0]
    assert found.ok
    assert front.vips[0].holders == (("lvs1", "02:68:61:00:00:01"),)
    assert [(one.host, one.state, one.priority) for one in front.directors] == [
        ("lvs1", "MASTER", 100), ("lvs2", "BACKUP", 99),
    ]  # fmt: skip
    assert front.services[0].director == "lvs1"
    assert [(one.name, one.weight, one.intended, one.state, one.active) for one in front.services[0].servers] == [
        ("web1", 1, 1, "up", 3), ("web2", 1, 1, "up", 0),
    ]  # fmt: skip


def test_a_director_that_does_not_answer_is_never_shown_as_master() -> None:
    before = of()
    found = of("lvs1", before=before)
    assert next((one.host, one.state) for one in found.frontends[0].directors) == (
        "lvs1",
        "unreachable",
    )
    assert found.frontends[0].vips[0].holders == ()
    assert not found.ok
    assert "MASTER" not in str(found.json()["frontends"])


def test_what_was_not_seen_is_unknown_in_the_document() -> None:
    told = of("lvs1").json()
    front = told["frontends"][0]
    assert (told["verdict"], told["hosts_seen"], told["unseen"]) == (
        "unknown",
        3,
        {"lvs1": "no route to host"},
    )
    assert [(vip["held"], vip["unseen"]) for vip in front["vips"]] == [("unknown", ("lvs1",))]
    assert set(front["directors"][0].values()) == {"lvs1", "", "unreachable", None}
    none = of(*LAB.managed()).json()["frontends"][0]
    assert [(one["director"], one["present"]) for one in none["services"]] == [("", None)]
    assert (
        of().json()["frontends"][0]["vips"][0]["held"] == "one" and of().json()["verdict"] == "well"
    )


def test_a_keepalived_that_is_stopped_or_silent() -> None:
    down = {"keepalived.service": LiveUnit("keepalived.service", "inactive", "enabled")}
    assert of(lvs1={"vrrp": (), "units": down}).frontends[0].directors[0].state == "stopped"
    assert of(lvs1={"vrrp": ()}).frontends[0].directors[0].state == "silent"


def test_two_holders_are_both_told() -> None:
    own = healthy(LAB)["lvs2"].addresses
    found = of(lvs2={"addresses": (*own, LiveAddress("eth0", VIP, 32, "eth0", "global"))})
    assert [host for host, _ in found.frontends[0].vips[0].holders] == ["lvs1", "lvs2"]
    assert any("both hold" in finding.what for finding in found.findings)


def test_why_a_real_server_is_not_in_the_table() -> None:
    only = replace(SERVICE, servers=SERVICE.servers[1:])
    down = server(of(lvs1={"services": (only,)}, sections={"checks": TCP}), "web1")
    assert (down.state, down.weight, down.reason) == (
        "down",
        None,
        "TCP_CHECK failed after 1 retries",
    )
    assert down.seconds is not None and abs(down.seconds - (NOW - 1795325509.8)) < 0.1
    assert server(of(lvs1={"services": (only,)}), "web1").state == "missing"


def test_weight_zero_is_drained_unless_the_check_fails() -> None:
    zero = replace(SERVICE, servers=(replace(SERVICE.servers[0], weight=0), SERVICE.servers[1]))
    assert server(of(lvs1={"services": (zero,)}), "web1").state == "drained"
    assert server(of(lvs1={"services": (zero,)}, sections={"checks": TCP}), "web1").state == "down"


def test_what_a_host_recalls() -> None:
    about = '{"format": 1, "number": 3, "who": "ops@desk", "when": "2026-11-22T05:31:20Z", "digest": "3fa8"}'
    handover = ["/var/lib/hactl/handover/web:100", "/elsewhere/web:9"]
    found = recalled({"clock": ["5.5"], "generation": ["3", about], "handover": handover})
    assert found.generation == GenerationStatus(3, "ops@desk", "2026-11-22T05:31:20Z", "3fa8")
    assert (found.clock, found.handover) == (5.5, {"web": 100})
    assert recalled({"generation": ["3", "{broken"]}).generation == GenerationStatus(3)
    assert recalled({}).generation is None


def test_a_hand_over_in_force_is_shown() -> None:
    found = of(sections={"handover": ["/var/lib/hactl/handover/web:100"]})
    assert [one.handover for one in found.frontends[0].directors] == [100, 0]


def test_advert_rates_are_counted_between_two_looks() -> None:
    before = of(taken=NOW)
    sent = replace(healthy(LAB)["lvs1"].vrrp[0], adverts_sent=110)
    now = of(before=before, taken=NOW + 2, lvs1={"vrrp": (sent,)})
    assert [one.rate for one in now.frontends[0].directors] == [5.0, 0.0]
    restarted = replace(sent, adverts_sent=1)
    assert (
        of(before=before, taken=NOW + 2, lvs1={"vrrp": (restarted,)}).frontends[0].directors[0].rate
        is None
    )
