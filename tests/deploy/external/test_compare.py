"""Problems after a batch, on the example inventory: VIPs, services, real servers, tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from provision.deploy.drift import kernel_rules
from provision.deploy.external.client_view import (
    ClientView,
    direct_routing_servers,
    services_to_try,
    tries_per_service,
)
from provision.deploy.external.compare import Comparison, ExpectedView, problems
from provision.deploy.external.observation import Observation
from provision.deploy.project import load
from provision.hosts.agent.transaction import HostState
from provision.inventory.topology import Topology
from tests import REPOSITORY

VIP, PLACE = "192.168.227.10", ("192.168.227.10", 80)
MAC1, MAC2, MACW = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:00:00:00:00:03"
NAMES = {MAC1: "lvs1", MAC2: "lvs2", MACW: "web1"}
HEALTHY = ClientView(
    {VIP: (MAC1,)}, {VIP: MAC1}, {PLACE: ("page", "page")}, {("web1", PLACE): "syn-ack"}
)
UNSERVED = ClientView({VIP: ()}, {VIP: ""}, {PLACE: ("timeout", "timeout")}, {})
SERVERS = "".join(f"-a -t {VIP}:80 -r 192.168.227.{last}:80 -g -w 1\n" for last in (103, 104))
RULES = f"-A -t {VIP}:80 -s rr\n{SERVERS}"
HAS = (
    "1: lo    inet 127.0.0.1/8 scope host lo\\ x",
    f"2: eth0    inet {VIP}/32 scope global eth0\\       valid_lft",
)
WITHOUT_VIP = HAS[:1]
TABLE = tuple(RULES.splitlines())


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load(REPOSITORY / "inventories/lab.yml").topology


def compare(
    topology: Topology,
    after: Observation,
    before: Observation | None = None,
    batch: tuple[str, ...] = ("lvs1",),
    **expected: Any,
) -> list[str]:
    """The problems of a batch; before it, everything was healthy by default."""
    comparison = Comparison(before or Observation(HEALTHY), after, batch, NAMES, {})
    return problems(comparison, [ExpectedView(topology.frontends[0], (VIP,), **expected)])


def observed(**fields: Any) -> Observation:
    """A healthy view, except for the given fields."""
    return Observation(dataclasses.replace(HEALTHY, **fields))


def test_a_healthy_site_has_no_problems(topology: Topology) -> None:
    assert compare(topology, Observation(HEALTHY)) == []
    assert (
        compare(
            topology,
            Observation(
                HEALTHY, {"lvs1": HostState(HAS, TABLE), "lvs2": HostState(WITHOUT_VIP, TABLE)}
            ),
        )
        == []
    )


def test_a_second_holder_from_before_the_batch_is_no_problem_of_the_batch(
    topology: Topology,
) -> None:
    """A manual change added it; its director removes it, at the latest in the last batch."""
    both = Observation(HEALTHY, {"lvs1": HostState(HAS), "lvs2": HostState(HAS)})
    assert compare(topology, both, both) == []
    assert compare(topology, both, both, must_serve=True) == [
        f"one holder: lvs1 and lvs2 both have {VIP}"
    ]


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (observed(owners={VIP: (MAC1, MAC2)}), f"one holder: lvs1 and lvs2 both have {VIP}"),
        (observed(owners={VIP: ()}), f"one holder: nobody answers for {VIP}"),
        (observed(owners={VIP: (MACW,)}, believed={}),
         f"one holder: web1 answers for {VIP}, but is not a director of web"),
        (observed(owners={VIP: ("02:aa:00:00:00:00",)}, believed={}),
         f"one holder: 02:aa:00:00:00:00 answers for {VIP}, but is not a director of web"),
        (observed(believed={VIP: MAC2}),
         f"one holder: the client sends packets for {VIP} to lvs2, but lvs1 answers for it"),
        (observed(replies={PLACE: ("page", "refused")}),
         f"service: {VIP}:80: 1 of 2 tries: refused; before the batch: page"),
        (observed(replies={PLACE: ("open", "open")}),
         f"service: {VIP}:80: 2 of 2 tries: open; before the batch: page"),
        (Observation(HEALTHY, {"lvs1": HostState(HAS), "lvs2": HostState(HAS)}),
         f"one holder: lvs1 and lvs2 both have {VIP}"),
    ],
)  # fmt: skip
def test_a_problem_is_named_with_its_evidence(
    topology: Topology, after: Observation, problem: str
) -> None:
    assert compare(topology, after) == [problem]


def test_a_front_end_that_was_down_before_may_stay_down(topology: Topology) -> None:
    assert compare(topology, Observation(UNSERVED), Observation(UNSERVED)) == []


def test_a_front_end_that_must_be_served_needs_a_holder_and_answers(topology: Topology) -> None:
    states = {"lvs1": HostState(HAS, TABLE)}
    assert compare(topology, Observation(UNSERVED), Observation(UNSERVED), must_serve=True) == [
        f"one holder: nobody answers for {VIP}"
    ]
    silent = dataclasses.replace(HEALTHY, replies={PLACE: ("refused",)})
    assert compare(
        topology, Observation(silent, states), Observation(UNSERVED), must_serve=True
    ) == [f"service: {VIP}:80: 1 of 1 tries: refused"]


def test_a_service_without_a_healthy_server_need_not_answer(topology: Topology) -> None:
    """Health checks have emptied the table: the real servers do not serve yet."""
    silent = dataclasses.replace(HEALTHY, replies={PLACE: ("refused",)})
    states = {"lvs1": HostState(HAS, TABLE[:1])}
    assert (
        compare(topology, Observation(silent, states), Observation(UNSERVED), must_serve=True) == []
    )
    assert (
        compare(topology, Observation(silent, states), Observation(HEALTHY), must_serve=True) != []
    ), "it answered before"


def test_an_empty_table_does_not_excuse_a_missing_address(topology: Topology) -> None:
    states = {"lvs1": HostState(WITHOUT_VIP, TABLE[:1]), "lvs2": HostState(WITHOUT_VIP)}
    assert compare(topology, Observation(None, states), Observation(None), must_serve=True) == [
        f"one holder: none of lvs1, lvs2 has {VIP}"
    ]


def test_directors_without_an_answer_are_not_compared(topology: Topology) -> None:
    assert (
        compare(
            topology,
            Observation(None, {"lvs2": HostState(WITHOUT_VIP)}),
            Observation(None),
            must_serve=True,
        )
        == []
    )


def test_a_director_that_hands_over_must_not_hold_the_address(topology: Topology) -> None:
    stays = Observation(HEALTHY, {"lvs1": HostState(HAS, TABLE)})
    assert compare(topology, stays, non_holders=frozenset({"lvs1"})) == [
        f"hand-over: lvs1 still has {VIP}"
    ]
    moved = observed(owners={VIP: (MAC2,)}, believed={VIP: MAC2})
    assert compare(topology, moved, non_holders=frozenset({"lvs1"})) == []


def test_a_director_that_takes_back_must_hold_the_address(topology: Topology) -> None:
    moved = observed(owners={VIP: (MAC2,)}, believed={VIP: MAC2})
    assert compare(topology, moved, holder="lvs1") == [f"hand-over: lvs2 has {VIP}, not lvs1"]
    assert compare(topology, Observation(HEALTHY), holder="lvs1") == []


def test_a_virtual_mac_belongs_to_no_director(topology: Topology) -> None:
    mac = "00:00:5e:00:01:0a"
    assert (
        compare(topology, observed(owners={VIP: (mac,)}, believed={VIP: mac}), holder="lvs1") == []
    )


def test_a_real_server_of_the_batch_must_accept_connections_as_before(topology: Topology) -> None:
    after = observed(servers={("web1", PLACE): "rst"})
    lines = [f"real server: web1 refuses connections to {VIP}:80, which it accepted before"]
    assert compare(topology, after, batch=("web1",)) == lines
    assert compare(topology, after, batch=("web2",)) == [], "web1 is not in this batch"
    before = Observation(dataclasses.replace(HEALTHY, servers={("web1", PLACE): "silent"}))
    assert compare(topology, after, before, batch=("web1",)) == []


def tables(after: str, before: str = RULES, rules: str = RULES) -> list[str]:
    """The problems of lvs1 with this live table and these rules."""

    def observation(table: str) -> Observation:
        return Observation(None, {"lvs1": HostState((), tuple(table.splitlines()))})

    intended = {"lvs1": kernel_rules(rules.encode())}
    comparison = Comparison(observation(before), observation(after), ("lvs1",), {}, intended)
    return problems(comparison, [])


def test_the_intended_table_has_no_problems() -> None:
    assert tables(RULES) == []
    assert tables(RULES, before="") == []


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ("", f"IPVS table: lvs1 has no -t {VIP}:80; it has nothing at all"),
        (RULES.replace("-s rr", "-s wlc"),
         f"IPVS table: lvs1 has -t {VIP}:80 with `-s wlc` in place of `-s rr`"),
        ("\n".join(TABLE[:2]), f"IPVS table: lvs1 has lost 192.168.227.104:80 from -t {VIP}:80"),
        (RULES.replace("104:80 -g -w 1", "104:80 -g -w 0"),
         f"IPVS table: lvs1 has lost 192.168.227.104:80 from -t {VIP}:80"),
        (RULES.replace("104:80 -g", "104:80 -m"),
         f"IPVS table: lvs1 has 192.168.227.104:80 in -t {VIP}:80 with `-m -w 1` in place of "
         "`-g -w 1`"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_the_intended_one(after: str, problem: str) -> None:
    assert tables(after) == [problem]


def test_servers_that_were_down_before_may_stay_down() -> None:
    without = "\n".join(TABLE[:2])
    drained = RULES.replace("104:80 -g -w 1", "104:80 -g -w 0")
    assert tables(without, before=without) == []
    assert tables(drained, before=drained) == []
    assert tables(without, before="") == [], (
        "the first table may lack a server that is not healthy yet"
    )


def test_a_rule_with_weight_0_allows_a_drained_server() -> None:
    drained = RULES.replace("104:80 -g -w 1", "104:80 -g -w 0")
    assert tables(drained, before=RULES, rules=drained) == []


def test_limits_and_comments_of_the_rules_file_are_ignored() -> None:
    rules = "# Managed by hactl\n" + RULES.replace("104:80 -g -w 1", "104:80 -g -w 1 -x 100 -y 50")
    assert tables(RULES, rules=rules) == []


def test_the_services_tries_and_servers_of_a_look(topology: Topology) -> None:
    assert [
        (service.address, service.port, service.path) for service in services_to_try(topology)
    ] == [(VIP, 80, "/")]
    assert tries_per_service(topology) == 2
    assert list(direct_routing_servers(topology.frontends)) == [
        ("web1", "192.168.227.103", PLACE),
        ("web2", "192.168.227.104", PLACE),
    ]


def test_only_http_services_are_asked_for_a_page(tmp_path: Path) -> None:
    """Another server would log a GET as an error."""

    def paths() -> list[str | None]:
        return [service.path for service in services_to_try(load(tmp_path / "site.yml").topology)]

    text = (REPOSITORY / "inventories/lab.yml").read_text().replace("port: 80", "port: 9092")
    (tmp_path / "site.yml").write_text(text)
    assert paths() == [None]
    (tmp_path / "site.yml").write_text(
        text.replace("type: tcp", "type: http, urls: [{path: /up, status_code: 200}]")
    )
    assert paths() == ["/up"]
