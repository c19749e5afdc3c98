"""The checks by example: the finding for one broken thing, and no finding for a healthy host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.deploy.project import load
from provision.formats.ip_addr import LiveAddress
from provision.hosts.live.checks import judge
from provision.hosts.live.kernel import effective
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import Listener, LiveFinding, LiveHost, LiveSyncDaemon, VrrpInstance
from provision.hosts.live.table import foreign_services
from provision.hosts.live.vips import holders
from provision.hosts.live.vrrp import adverts
from provision.inventory.topology import Topology
from tests import REPOSITORY
from tests.hosts.live.building import healthy, seen
from tests.inventory.building import DUAL, frontend, service, topology

VIP = "192.168.227.10"
LAB = topology([frontend()])
DIRECTORS = {"directors": ("lvs1", "lvs2")}
NAT = topology([frontend(services=[service(forward="nat")])])
SHIPPED = sorted((REPOSITORY / "inventories").glob("*.yml"))


def found(judged: Iterable[LiveFinding]) -> dict[tuple[str, str], str]:
    """Each finding's words by check and host."""
    return {(finding.check, finding.host): str(finding) for finding in judged}


def without(live: LiveHost, address: str, interface: str) -> dict[str, Any]:
    """The host's addresses but one."""
    return {
        "addresses": tuple(
            entry
            for entry in live.addresses
            if (entry.address, entry.interface) != (address, interface)
        )
    }


def with_address(live: LiveHost, interface: str, address: str, prefix: int = 32) -> dict[str, Any]:
    return {
        "addresses": (*live.addresses, LiveAddress(interface, address, prefix, interface, "global"))
    }


def with_sysctl(live: LiveHost, **values: str) -> dict[str, Any]:
    """Parameters below net.ipv4.conf, written `all__arp_ignore`."""
    changed = {f"net.ipv4.conf.{name.replace('__', '.')}": value for name, value in values.items()}
    return {"sysctls": {**live.sysctls, **changed}}


def instance(live: LiveHost, **changes: Any) -> dict[str, Any]:
    return {"vrrp": (replace(live.vrrp[0], **changes), *live.vrrp[1:])}


def saved(live: LiveHost, old: str, new: str) -> dict[str, Any]:
    """The live table with a line changed, or taken out for an empty one."""
    assert any(old in line for line in live.ipvs_saved)
    lines = (
        line.replace(old, new) if new else "" if old in line else line for line in live.ipvs_saved
    )
    return {"ipvs_saved": tuple(filter(None, lines))}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_nothing_is_said_of_a_site_that_is_well(path: Path) -> None:
    site = load(path).topology
    assert judge(Snapshot(site, healthy(site))) == []


@pytest.mark.parametrize(
    "site",
    [
        NAT,
        topology([frontend(services=[service(forward="tun", check={"type": "ping"})])]),
        topology([frontend(vips=[VIP, "fd00:227::10"])], hosts=DUAL),
        topology(
            [
                frontend(
                    services=[
                        service(port=None, fwmark=7, persistence_timeout=50, check={"type": "ping"})
                    ]
                )
            ]
        ),
        topology([frontend(vrrp={"virtual_router_id": 10, "version": 2, "unicast": True})]),
        topology(
            [frontend(services=[])],
            hosts={"lvs1": DUAL["lvs1"], "lvs2": DUAL["lvs2"]},
            groups=DIRECTORS,
        ),
    ],
    ids=["nat", "tunnel", "both families", "mark", "unicast", "no services"],
)
def test_nor_of_other_kinds_of_site(site: Topology) -> None:
    assert judge(Snapshot(site, healthy(site))) == []


HOSTS = healthy(LAB)
LVS1, LVS2, WEB1 = HOSTS["lvs1"], HOSTS["lvs2"], HOSTS["web1"]

BROKEN: dict[str, tuple[dict[str, dict[str, Any]], tuple[str, str], str]] = {
    "drained on one director alone": (
        {"lvs1": {"drained": {"web2": "ops@desk, 2026-11-22T08:00:00Z"}}},
        ("drained_alike", "lvs2"),
        "web2 is drained on lvs1 and not here; a failover would send it connections again",
    ),
    "the VIP on the backup as well": (
        {"lvs2": with_address(LVS2, "eth0", VIP)},
        ("one_holder", ""),
        f"lvs1 and lvs2 both hold {VIP}; lvs1 on eth0, lvs2 on eth0; "
        "lvs1 is MASTER (100), lvs2 is BACKUP (99); "
        f"only lvs1 is master: `ip address del {VIP} dev eth0` on lvs2",
    ),
    "two masters": (
        {"lvs2": {**with_address(LVS2, "eth0", VIP), **instance(LVS2, state="MASTER")}},
        ("one_holder", ""),
        "they do not hear each other's adverts",
    ),
    "the VIP nowhere": (
        {"lvs1": without(LVS1, VIP, "eth0")},
        ("one_holder", ""),
        f"nobody holds {VIP}",
    ),
    "taken off its master": (
        {"lvs1": without(LVS1, VIP, "eth0")},
        ("holder_is_master", "lvs1"),
        f"does not have {VIP}",
    ),
    "the VIP on a real server": (
        {"lvs1": without(LVS1, VIP, "eth0"), "web1": with_address(WEB1, "eth0", VIP)},
        ("one_holder", "web1"),
        "is no director of web",
    ),
    "a holder that is no master": (
        {"lvs1": instance(LVS1, state="BACKUP")},
        ("holder_is_master", "lvs1"),
        "its VI_web is BACKUP",
    ),
    "killed, its VIP left behind": (
        {"lvs1": {"vrrp": ()}},
        ("holder_is_master", "lvs1"),
        "no Keepalived answers there",
    ),
    "a better backup": (
        {"lvs2": instance(LVS2, priority=150)},
        ("best_is_master", "lvs1"),
        "lvs1 100, lvs2 150",
    ),
    "a deaf backup": (
        {"lvs2": instance(LVS2, adverts_received=0)},
        ("heard", "lvs2"),
        "has heard no advert of VRID 10",
    ),
    "in fault": (
        {"lvs2": instance(LVS2, state="FAULT")},
        ("no_fault", "lvs2"),
        "it takes nothing over",
    ),
    "in fault for want of a carrier": (
        {"lvs2": {**instance(LVS2, state="FAULT"), "carriers": {"eth0": False}}},
        ("no_fault", "lvs2"),
        "eth0 has no carrier",
    ),
    "another VRID": (
        {"lvs2": instance(LVS2, vrid=11)},
        ("instances", "lvs2"),
        "its VRID is 11, not 10",
    ),
    "another interval": (
        {"lvs2": instance(LVS2, advert_int=1.0)},
        ("instances", "lvs2"),
        "interval is 1 s, not 0.2",
    ),
    "another address": (
        {"lvs2": instance(LVS2, vips=("10.0.0.1",))},
        ("instances", "lvs2"),
        f"lacks {VIP}; has 10.0.0.1",
    ),
    "an instance too many": (
        {"lvs2": {"vrrp": (*LVS2.vrrp, replace(LVS2.vrrp[0], name="VI_old"))}},
        ("instances", "lvs2"),
        "runs VI_old, which is not in the inventory",
    ),
    "no Keepalived": (
        {"lvs2": {"units": {}, "vrrp": ()}},
        ("keepalived_runs", "lvs2"),
        "is not there",
    ),
    "not started at boot": (
        {
            "lvs2": {
                "units": {
                    "keepalived.service": replace(
                        LVS2.units["keepalived.service"], enabled="disabled"
                    )
                }
            }
        },
        ("keepalived_runs", "lvs2"),
        "does not start at boot",
    ),
    "a Keepalived that says nothing": (
        {"lvs2": {"vrrp": ()}},
        ("keepalived_runs", "lvs2"),
        "its VRRP process hangs",
    ),
    "an empty table": (
        {"lvs1": {"ipvs_saved": ()}},
        ("table", "lvs1"),
        f"the service -t {VIP}:80 is not in the table",
    ),
    "a server out of the table": (
        {"lvs1": saved(LVS1, "-r 192.168.227.104:80", "")},
        ("table", "lvs1"),
        f"web2 is missing from -t {VIP}:80",
    ),
    "another weight": (
        {"lvs1": saved(LVS1, "104:80 -g -w 1", "104:80 -g -w 0")},
        ("table", "lvs1"),
        "0 in place of 1; 0 takes no new",
    ),
    "another method": (
        {"lvs1": saved(LVS1, "104:80 -g", "104:80 -m")},
        ("table", "lvs1"),
        "`-m -w 1` in place of",
    ),
    "another scheduler": (
        {"lvs1": saved(LVS1, "-s rr", "-s wlc")},
        ("table", "lvs1"),
        "`-s wlc` in place of `-s rr`",
    ),
    "a stranger in the table": (
        {"lvs1": {"ipvs_saved": (*LVS1.ipvs_saved, f"-a -t {VIP}:80 -r 10.0.0.9:80 -g -w 1")}},
        ("table", "lvs1"),
        f"`ipvsadm -d -t {VIP}:80 -r 10.0.0.9:80` removes it",
    ),
    "no sync daemon": (
        {"lvs2": {"sync": ()}},
        ("sync_daemons", "lvs2"),
        "sync daemon does not run",
    ),
    "another sync id": (
        {
            "lvs2": {
                "sync": (LiveSyncDaemon("master", "eth0", 10), LiveSyncDaemon("backup", "eth0", 9))
            }
        },
        ("sync_daemons", "lvs2"),
        "on eth0 with id 9, not on eth0 with 10",
    ),
    "redirects on one interface": (
        {"lvs1": with_sysctl(LVS1, eth0__send_redirects="1")},
        ("send_redirects", "lvs1"),
        "all 0, eth0 1",
    ),
    "redirects on all": (
        {"lvs1": with_sysctl(LVS1, all__send_redirects="1")},
        ("send_redirects", "lvs1"),
        "all 1, eth0 0",
    ),
    "no VIP on lo": (
        {"web1": without(WEB1, VIP, "lo")},
        ("lo_vips", "web1"),
        f"does not have {VIP} on lo",
    ),
    "a whole network on lo": (
        {
            "web1": {
                **without(WEB1, VIP, "lo"),
                "addresses": (LiveAddress("lo", VIP, 24, "lo:0", "global"),),
            }
        },
        ("lo_vips", "web1"),
        f"has {VIP}/24 on lo in place of /32",
    ),
    "a VIP on a director's lo": (
        {"lvs1": with_address(LVS1, "lo", VIP)},
        ("stray_lo_vips", "lvs1"),
        "is no real server of it",
    ),
    "ARP answered": (
        {"web1": with_sysctl(WEB1, all__arp_ignore="0", eth0__arp_ignore="0")},
        ("arp", "web1"),
        "effective arp_ignore on eth0 is 0: all 0, eth0 0",
    ),
    "ARP asked": (
        {"web1": with_sysctl(WEB1, all__arp_announce="1", eth0__arp_announce="0")},
        ("arp", "web1"),
        "sends ARP requests from the VIPs",
    ),
    "a strict filter": (
        {"web1": with_sysctl(WEB1, all__rp_filter="1")},
        ("rp_filter", "web1"),
        "all 1, eth0 0",
    ),
    "nothing listens": (
        {"web1": {"listeners": ()}},
        ("listeners", "web1"),
        "nothing listens on tcp port 80",
    ),
    "only on its own address": (
        {"web1": {"listeners": (Listener("tcp", "192.168.227.103", 80, "nginx.service", 4),)}},
        ("listeners", "web1"),
        f"listens on 192.168.227.103, not on {VIP} port 80; "
        "the checks pass, and clients get a reset",
    ),
    "only for IPv6": (
        {"web1": {"listeners": (Listener("tcp", "*", 80, "", 6),)}},
        ("listeners", "web1"),
        "any IPv6 address",
    ),
    "over UDP in place of TCP": (
        {"web1": {"listeners": (Listener("udp", "*", 80),)}},
        ("listeners", "web1"),
        "nothing listens",
    ),
    "a clock ahead": (
        {"web1": {"clock": 3.0}},
        ("clock", "web1"),
        "3.0 s ahead of the other hosts'",
    ),
    "a clock behind": ({"lvs2": {"clock": -61.0}}, ("clock", "lvs2"), "61.0 s behind"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named(case: str) -> None:
    changes, (check, host), words = BROKEN[case]
    findings = found(judge(seen(LAB, **changes)))
    assert words in findings.get((check, host), ""), findings


def test_each_judgement_has_an_example() -> None:
    from provision.hosts.live.checks import DIRECTOR, FRONTEND, HOST, REAL_SERVER

    every = {check.__name__ for check in (*HOST, *DIRECTOR, *REAL_SERVER, *FRONTEND)} - {
        "forwarding"
    }  # below
    assert every == {check for _, (check, _), _ in BROKEN.values()}


def test_every_finding_says_what_to_do() -> None:
    for changes, _, _ in BROKEN.values():
        for finding in judge(seen(LAB, **changes)):
            assert finding.what, finding
            assert finding.fix, finding


def test_what_is_effective_is_the_larger_of_two() -> None:
    """Kernel ip-sysctl: max(all, interface); the name of a VLAN interface has a slash there."""
    live = replace(
        WEB1, sysctls={"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.eth0/7.arp_ignore": "2"}
    )
    assert effective(live, "eth0.7", "arp_ignore") == 2
    assert effective(live, "eth1", "arp_ignore") == 1
    assert effective(live, "eth1", "rp_filter") is None


def test_one_of_the_two_values_is_enough() -> None:
    assert judge(seen(LAB, web1=with_sysctl(WEB1, all__arp_ignore="1", eth0__arp_ignore="0"))) == []
    assert judge(seen(LAB, web1=with_sysctl(WEB1, all__arp_ignore="0", eth0__arp_ignore="2"))) == []


def test_a_loose_filter_drops_nothing() -> None:
    assert judge(seen(LAB, web1=with_sysctl(WEB1, all__rp_filter="1", eth0__rp_filter="2"))) == []


def test_forwarding_with_nat() -> None:
    live = healthy(NAT)["lvs1"]
    findings = found(
        judge(seen(NAT, lvs1={"sysctls": {**live.sysctls, "net.ipv4.ip_forward": "0"}}))
    )
    assert set(findings) == {("forwarding", "lvs1")}


def test_with_nat_it_listens_on_its_own_address() -> None:
    assert (
        judge(seen(NAT, web1={"listeners": (Listener("tcp", "192.168.227.103", 80, "", 4),)})) == []
    )
    findings = found(judge(seen(NAT, web1={"listeners": (Listener("tcp", VIP, 80, "", 4),)})))
    assert "not on 192.168.227.103 port 80" in findings["listeners", "web1"]


@pytest.mark.parametrize("settings", [{"nopreempt": True}, {"preempt_delay": 60}])
def test_a_better_director_may_wait(settings: dict[str, Any]) -> None:
    site = topology([frontend(vrrp={"virtual_router_id": 10, **settings})])
    live = healthy(site)["lvs2"]
    assert judge(seen(site, lvs2=instance(live, priority=150))) == []


def test_a_planned_hand_over_is_well() -> None:
    """The backup, its priority raised, has taken the VIP."""
    changes = {
        "lvs1": {
            **without(LVS1, VIP, "eth0"),
            **instance(LVS1, state="BACKUP", adverts_received=9),
        },
        "lvs2": {**with_address(LVS2, "eth0", VIP), **instance(LVS2, state="MASTER", priority=199)},
    }
    assert judge(seen(LAB, **changes)) == []


def test_the_sorry_server_in_the_table_is_news() -> None:
    site = topology([frontend(services=[service(sorry_server="192.168.227.110")])])
    live = healthy(site)["lvs1"]
    lines = (live.ipvs_saved[0], f"-a -t {VIP}:80 -r 192.168.227.110:80 -g -w 1")
    findings = [str(finding) for finding in judge(seen(site, lvs1={"ipvs_saved": lines}))]
    assert any("the sorry server answers" in finding for finding in findings), findings


def test_a_weight_that_a_check_sets_is_its_business() -> None:
    check = {"type": "misc", "script": "/usr/local/bin/load", "dynamic": True}
    site = topology([frontend(services=[service(check=check)])])
    live = healthy(site)["lvs1"]
    assert judge(seen(site, lvs1=saved(live, "104:80 -g -w 1", "104:80 -g -w 37"))) == []


def test_services_of_others_are_named_and_not_judged() -> None:
    foreign = {
        "lvs1": {"ipvs_saved": (*LVS1.ipvs_saved, "-A -f 7 -6 -s rr", "-A -u 10.0.0.1:53 -s rr")}
    }
    assert judge(seen(LAB, **foreign)) == []
    assert foreign_services(seen(LAB, **foreign), "lvs1") == ("-f 7 -6", "-u 10.0.0.1:53")


def test_holders_of_every_vip() -> None:
    site = topology([frontend(vips=[VIP, "192.168.227.11"])])
    assert holders(site.frontends[0], healthy(site)) == {
        VIP: ("lvs1",),
        "192.168.227.11": ("lvs1",),
    }


def test_of_a_host_that_was_not_looked_at_nothing_is_said() -> None:
    lives = {host: live for host, live in HOSTS.items() if host != "lvs1"}
    assert judge(Snapshot(LAB, lives)) == []


def test_one_front_end_alone() -> None:
    second = frontend(
        name="api", vips=["192.168.227.20"], vrrp={"virtual_router_id": 20}, services=[]
    )
    site = topology([frontend(), second])
    changes = {"web1": {"listeners": ()}}
    web, api = site.frontends
    assert [finding.check for finding in judge(seen(site, **changes), web)] == ["listeners"]
    assert judge(seen(site, **changes), api) == []


def grown(live: LiveHost, **growth: int) -> VrrpInstance:
    entry = live.vrrp[0]
    return replace(entry, **{name: getattr(entry, name) + more for name, more in growth.items()})


@pytest.mark.parametrize(
    ("lvs1", "lvs2", "host", "words"),
    [
        ({"adverts_sent": 5}, {"adverts_received": 5}, None, ""),
        ({"adverts_sent": 0}, {"adverts_received": 5}, "lvs1", "sends no adverts"),
        ({"adverts_sent": 5}, {"adverts_received": 0}, "lvs2", "heard no advert of VRID 10"),
        (
            {"adverts_sent": 5, "errors": 3},
            {"adverts_received": 5},
            "lvs1",
            "refused 3 adverts of VRID 10",
        ),
        ({"adverts_sent": -50}, {"adverts_received": 5}, None, ""),
    ],
    ids=["well", "a mute master", "a deaf backup", "refused", "started anew"],
)
def test_adverts_between_two_looks(
    lvs1: dict[str, int], lvs2: dict[str, int], host: str | None, words: str
) -> None:
    after = seen(LAB, lvs1={"vrrp": (grown(LVS1, **lvs1),)}, lvs2={"vrrp": (grown(LVS2, **lvs2),)})
    findings = list(adverts(LAB.frontends[0], seen(LAB), after))
    assert [finding.host for finding in findings] == ([host] if host else [])
    assert all(words in str(finding) for finding in findings)
