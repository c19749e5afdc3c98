"""Every rule with an example that breaks it, and a similar inventory that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from provision.checks.lint.rules import RULES, findings
from provision.core.shipped import shipped
from provision.inventory.reader import read_inventory
from provision.inventory.topology import Topology, build
from tests.inventory.building import DUAL, GROUPS, HOSTS, frontend, service, topology

API = frontend(name="api", vips=["192.168.227.20"], vrrp={"virtual_router_id": 20})


def host(name: str, **changes: Any) -> Mapping[str, Mapping[str, Any]]:
    """The usual hosts; one of them has more variables."""
    return {**HOSTS, name: {**HOSTS[name], **changes}}


def served(**changes: Any) -> list[dict[str, Any]]:
    """The usual front end with another service."""
    return [frontend(services=[service(**changes)])]


def vrrp(**fields: Any) -> list[dict[str, Any]]:
    """The usual front end with VRRP settings."""
    return [frontend(vrrp={"virtual_router_id": 10, **fields})]


@dataclass(frozen=True)
class Example:
    """The front ends of an inventory that breaks a rule, and of a similar one that does not.

    `hosts` and `groups` belong to both, unless there are `sound_hosts`.
    """

    broken: list[dict[str, Any]]
    sound: list[dict[str, Any]]
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: HOSTS)
    sound_hosts: Mapping[str, Mapping[str, Any]] | None = None
    groups: Mapping[str, Any] = field(default_factory=lambda: GROUPS)


def differing(**keepalived: Any) -> Mapping[str, Mapping[str, Any]]:
    """The usual hosts; one director has other Keepalived settings."""
    return host("lvs2", keepalived=keepalived)


UNICAST = vrrp(unicast=True)
TUNNELLED = served(forward="tun", check={"type": "ping"})
ACROSS = {
    **HOSTS,
    "web1": {"ansible_host": "fd00:227::103"},
    "web2": {"ansible_host": "fd00:227::104"},
}
ALONE = {
    name: {**variables, "keepalived": {"lvs_sync_daemon": False}}
    for name, variables in ACROSS.items()
}
SEPARATE = {
    **HOSTS,
    **{
        f"d{number}": {
            "ansible_host": f"10.0.0.{number}",
            "keepalived": {"lvs_sync_daemon": {"sync_id": 9}},
        }
        for number in (1, 2)
    },
    **{
        f"lvs{number}": {**HOSTS[f"lvs{number}"], "keepalived": {"lvs_sync_daemon": {"sync_id": 9}}}
        for number in (1, 2)
    },
}

EXAMPLES: dict[str, Example] = {
    # The whole topology.
    "real-server-is-director": Example(
        served(real_servers=["web", "lvs2"]), served(real_servers=["web", "lvs2"], forward="nat")
    ),
    "tunnel-across-families-synchronised": Example(
        TUNNELLED, TUNNELLED, hosts=ACROSS, sound_hosts=ALONE
    ),
    "vip-is-a-host-address": Example([frontend(vips=["192.168.227.103"])], [frontend()]),
    "vip-twice": Example(
        [frontend(), {**API, "vips": ["192.168.227.10"], "services": []}], [frontend(), API]
    ),
    "vrid-clash": Example(
        [frontend(), {**API, "vrrp": {"virtual_router_id": 10}}], [frontend(), API]
    ),
    "equal-priorities": Example(
        [frontend(priorities={"lvs2": 100})], [frontend(priorities={"lvs2": 101})]
    ),
    "single-director": Example(
        [frontend(directors="lvs1")],
        [frontend()],
        hosts=host("lvs2", hactl_roles=["web"]),
        sound_hosts=HOSTS,
    ),
    "dr-port-mapping": Example(
        served(real_server_defaults={"port": 8080}, check={"type": "tcp"}),
        served(real_server_defaults={"port": 8080}, forward="nat"),
    ),
    "no-check": Example(served(check=None), served()),
    "sorry-server-is-vip": Example(
        served(sorry_server="192.168.227.10"), served(sorry_server="192.168.227.9")
    ),
    "advert-too-quick": Example(vrrp(advert_int=0.05), vrrp(advert_int=0.1)),
    "vrrp-strict": Example(vrrp(strict_mode=True), vrrp(strict_mode=False)),
    # Directors that must agree.
    "adverts-not-heard": Example(vrrp(), UNICAST, hosts=differing(vrrp_mcast_group4="224.0.0.99")),
    "down-timers-differ": Example(
        vrrp(), vrrp(down_timer_adverts=3), hosts=differing(vrrp_down_timer_adverts=5)
    ),
    "connections-not-heard": Example(
        vrrp(),
        vrrp(),
        hosts=differing(lvs_sync_daemon={"port": 9000}),
        sound_hosts={
            name: {**variables, "keepalived": {"lvs_sync_daemon": {"port": 9000}}}
            for name, variables in HOSTS.items()
        },
    ),
    "sync-instance-unknown": Example(
        vrrp(),
        vrrp(),
        hosts=differing(lvs_sync_daemon={"instance": "VI_wbe"}),
        sound_hosts=differing(lvs_sync_daemon={"instance": "VI_web"}),
    ),
    "sync-follows-one-of-several": Example(
        [frontend(), API], [frontend()], hosts=differing(lvs_sync_daemon={"instance": "VI_web"})
    ),
    "unicast-peer-is-director": Example(
        vrrp(unicast={"peers": ["192.168.227.102"]}), vrrp(unicast={"peers": ["192.168.227.200"]})
    ),
    "track-weight-too-small": Example(
        vrrp(track_interfaces=[{"interface": "eth1", "weight": -1}]),
        vrrp(track_interfaces=[{"interface": "eth1", "weight": -2}, "eth2"]),
    ),
    "hand-over-impossible": Example(vrrp(nopreempt=True), vrrp(preempt_delay=5)),
    "sync-group-split": Example(
        [
            *vrrp(sync_group="g"),
            {
                **API,
                "directors": ["lvs2", "lvs1"],
                "vrrp": {"virtual_router_id": 20, "sync_group": "g"},
            },
        ],
        [*vrrp(sync_group="g"), {**API, "vrrp": {"virtual_router_id": 20, "sync_group": "g"}}],
    ),
    "sync-id-clash": Example(
        [frontend(), {**API, "directors": ["d1", "d2"]}],
        [frontend(), {**API, "directors": ["lvs2", "d1", "d2"]}],
        hosts=SEPARATE,
    ),
    # Services.
    "service-twice": Example(
        [frontend(services=[service(), service()])],
        [frontend(services=[service(), service(protocol="udp", check={"type": "ping"})])],
    ),
    "real-server-is-vip": Example(
        served(real_server_options={"web1": {"address": "192.168.227.10"}}),
        served(real_server_options={"web1": {"address": "192.168.227.113"}}),
    ),
    "quorum-unreachable": Example(served(quorum=2, hysteresis=1), served(quorum=2)),
    "nobody-serves": Example(
        served(real_server_defaults={"weight": 0}),
        served(real_server_options={"web1": {"weight": 0}}),
    ),
    "weight-without-effect": Example(
        served(real_server_options={"web1": {"weight": 5}}),
        served(real_server_options={"web1": {"weight": 5}}, scheduler="wrr"),
    ),
    "sorry-port-mapping": Example(
        served(sorry_server={"address": "192.168.227.9", "port": 81}),
        served(sorry_server={"address": "192.168.227.9", "port": 81, "forward": "nat"}),
    ),
    "check-of-another-port": Example(
        served(check={"type": "tcp", "port": 22}),
        served(check=[{"type": "tcp", "port": 22}, {"type": "http"}]),
    ),
    "check-without-effect": Example(
        [frontend(ipvs_manager="ipvsadm")],
        [frontend(ipvs_manager="ipvsadm", services=[service(check=None)])],
    ),
    "tunnel-shrinks-packets": Example(served(forward="tun"), served()),
}


def topology_of(
    frontends: list[dict[str, Any]],
    hosts: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Any],
) -> Topology:
    """The topology. Hosts outside the front ends get a role, so that they may stay."""
    with_roles = {name: {"hactl_roles": ["web"], **variables} for name, variables in hosts.items()}
    return topology(frontends, hosts=with_roles, groups=groups)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rule_finds_its_mistake_and_nothing_else(name: str) -> None:
    example = EXAMPLES[name]
    broken = findings(topology_of(example.broken, example.hosts, example.groups))
    assert name in [finding.problem.rule for finding in broken]
    for finding in broken:
        problem = finding.problem
        assert problem.what and problem.why and problem.fix, problem
    sound = findings(
        topology_of(example.sound, example.sound_hosts or example.hosts, example.groups)
    )
    assert name not in [finding.problem.rule for finding in sound]


def test_every_rule_has_an_example() -> None:
    """`client-is-director` needs a group; its test is below. Kafka's are in test_kafka_rules."""
    tested_here = {rule.id for rule in RULES if not rule.id.startswith("kafka-")}
    assert tested_here == {*EXAMPLES, "client-is-director"}


def test_a_client_must_not_be_a_director() -> None:
    broken = findings(topology_of([frontend()], HOSTS, {**GROUPS, "clients": ["lvs1"]}))
    assert [finding.problem.rule for finding in broken] == ["client-is-director"]


def test_every_rule_has_a_title_a_reason_and_a_source() -> None:
    for rule in RULES:
        assert rule.title and rule.reason and rule.source
        assert rule.severity in ("error", "warning")
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_errors_come_before_warnings() -> None:
    both = findings(
        topology_of(
            [frontend(priorities={"lvs2": 100}, services=[service(check=None)])], HOSTS, GROUPS
        )
    )
    assert [finding.severity for finding in both] == ["error", "warning"]


@pytest.mark.parametrize("name", ["lab", "active-active", "ipv6"])
def test_the_shipped_examples_break_no_rule(name: str) -> None:
    assert findings(build(read_inventory(shipped("inventories") / f"{name}.yml"))) == []


def test_both_families_are_sound() -> None:
    assert (
        findings(topology_of([frontend(vips=["192.168.227.10", "fd00:227::10"])], DUAL, GROUPS))
        == []
    )
