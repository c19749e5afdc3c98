"""What counts as worse than before, on the example inventory: addresses, services, real servers, tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from provision.deploy.drift import kernel_rules
from provision.deploy.external.client_view import ClientView, direct, tried, tries
from provision.deploy.external.compare import Comparison, ExpectedView, wrong
from provision.deploy.external.observation import Observation
from provision.deploy.project import load
from provision.hosts.agent.transaction import HostState
from provision.inventory.topology import Topology
from tests import REPOSITORY

VIP, PLACE = "192.168.227.10", ("192.168.227.10", 80)
MAC1, MAC2, MACW = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:00:00:00:00:03"
NAMES = {MAC1: "lvs1", MAC2: "lvs2", MACW: "web1"}
WELL = ClientView(
    {VIP: (MAC1,)}, {VIP: MAC1}, {PLACE: ("page", "page")}, {("web1", PLACE): "syn-ack"}
)
NOBODY = ClientView({VIP: ()}, {VIP: ""}, {PLACE: ("timeout", "timeout")}, {})
SERVERS = "".join(f"-a -t {VIP}:80 -r 192.168.227.{last}:80 -g -w 1\n" for last in (103, 104))
RULES = f"-A -t {VIP}:80 -s rr\n{SERVERS}"
HAS = (
    "1: lo    inet 127.0.0.1/8 scope host lo\\ x",
    f"2: eth0    inet {VIP}/32 scope global eth0\\       valid_lft",
)
HAS_NOT = HAS[:1]
TABLE = tuple(RULES.splitlines())


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load(REPOSITORY / "inventories/lab.yml").topology


def judge(
    topology: Topology, after: Observation, before: Observation | None = None, **how: object
) -> list[str]:
    batch = how.pop("batch", ("lvs1",))
    case = Comparison(before or Observation(WELL), after, batch, NAMES, {})  # type: ignore[arg-type]
    expected = ExpectedView(topology.frontends[0], (VIP,), **how)  # type: ignore[arg-type]
    return wrong(case, [expected])


def seen(**how: object) -> Observation:
    return Observation(dataclasses.replace(WELL, **how))  # type: ignore[arg-type]


def test_all_is_well(topology: Topology) -> None:
    assert judge(topology, Observation(WELL)) == []
    assert (
        judge(
            topology,
            Observation(WELL, {"lvs1": HostState(HAS, TABLE), "lvs2": HostState(HAS_NOT, TABLE)}),
        )
        == []
    )


def test_a_second_holder_that_was_there_before_is_not_the_batchs(topology: Topology) -> None:
    """Somebody's hand put it there; it goes with the director that has it, at the latest with the last one."""
    both = Observation(WELL, {"lvs1": HostState(HAS), "lvs2": HostState(HAS)})
    assert judge(topology, both, both) == []
    assert judge(topology, both, both, due=True) == [f"one holder: lvs1 and lvs2 both have {VIP}"]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (seen(owners={VIP: (MAC1, MAC2)}), f"one holder: lvs1 and lvs2 both have {VIP}"),
        (seen(owners={VIP: ()}), f"one holder: nobody answers for {VIP}"),
        (seen(owners={VIP: (MACW,)}, believed={}), f"one holder: web1 answers for {VIP}, and is no director of web"),
        (seen(owners={VIP: ("02:aa:00:00:00:00",)}, believed={}),
         f"one holder: 02:aa:00:00:00:00 answers for {VIP}, and is no director of web"),
        (seen(believed={VIP: MAC2}),
         f"one holder: the client sends what is for {VIP} to lvs2, and lvs1 answers for it"),
        (seen(replies={PLACE: ("page", "refused")}),
         f"service: {VIP}:80: 1 of 2 tries: refused; before the batch: page"),
        (seen(replies={PLACE: ("open", "open")}), f"service: {VIP}:80: 2 of 2 tries: open; before the batch: page"),
        (Observation(WELL, {"lvs1": HostState(HAS), "lvs2": HostState(HAS)}), f"one holder: lvs1 and lvs2 both have {VIP}"),
    ],
)  # fmt: skip
def test_what_is_worse_is_named_with_its_evidence(
    topology: Topology, after: Observation, said: str
) -> None:
    assert judge(topology, after) == [said]


def test_what_was_down_before_may_stay_down(topology: Topology) -> None:
    assert judge(topology, Observation(NOBODY), Observation(NOBODY)) == []


def test_a_front_end_that_is_due_must_be_held_and_answer(topology: Topology) -> None:
    told = {"lvs1": HostState(HAS, TABLE)}
    assert judge(topology, Observation(NOBODY), Observation(NOBODY), due=True) == [
        f"one holder: nobody answers for {VIP}"
    ]
    silent = dataclasses.replace(WELL, replies={PLACE: ("refused",)})
    assert judge(topology, Observation(silent, told), Observation(NOBODY), due=True) == [
        f"service: {VIP}:80: 1 of 1 tries: refused"
    ]


def test_a_service_without_a_well_server_need_not_answer(topology: Topology) -> None:
    """Health checks have emptied the table: the real servers have nothing to serve yet."""
    silent = dataclasses.replace(WELL, replies={PLACE: ("refused",)})
    told = {"lvs1": HostState(HAS, TABLE[:1])}
    assert judge(topology, Observation(silent, told), Observation(NOBODY), due=True) == []
    assert judge(topology, Observation(silent, told), Observation(WELL), due=True) != [], (
        "it answered before"
    )


def test_an_excuse_is_not_for_the_address(topology: Topology) -> None:
    told = {"lvs1": HostState(HAS_NOT, TABLE[:1]), "lvs2": HostState(HAS_NOT)}
    assert judge(topology, Observation(None, told), Observation(None), due=True) == [
        f"one holder: none of lvs1, lvs2 has {VIP}"
    ]


def test_of_directors_that_told_nothing_nothing_is_said(topology: Topology) -> None:
    assert (
        judge(
            topology, Observation(None, {"lvs2": HostState(HAS_NOT)}), Observation(None), due=True
        )
        == []
    )


def test_who_hands_over_must_let_go(topology: Topology) -> None:
    stays = Observation(WELL, {"lvs1": HostState(HAS, TABLE)})
    assert judge(topology, stays, away=frozenset({"lvs1"})) == [f"hand-over: lvs1 still has {VIP}"]
    gone = seen(owners={VIP: (MAC2,)}, believed={VIP: MAC2})
    assert judge(topology, gone, away=frozenset({"lvs1"})) == []


def test_who_takes_back_must_have_it(topology: Topology) -> None:
    gone = seen(owners={VIP: (MAC2,)}, believed={VIP: MAC2})
    assert judge(topology, gone, at="lvs1") == [f"hand-over: lvs2 has {VIP}, not lvs1"]
    assert judge(topology, Observation(WELL), at="lvs1") == []


def test_a_virtual_mac_names_no_director(topology: Topology) -> None:
    mac = "00:00:5e:00:01:0a"
    assert judge(topology, seen(owners={VIP: (mac,)}, believed={VIP: mac}), at="lvs1") == []


def test_a_real_server_of_the_batch_must_take_connections_as_before(topology: Topology) -> None:
    after = seen(servers={("web1", PLACE): "rst"})
    said = [f"real server: web1 refuses connections to {VIP}:80, which it took before"]
    assert judge(topology, after, batch=("web1",)) == said
    assert judge(topology, after, batch=("web2",)) == [], "another batch is not to blame"
    before = Observation(dataclasses.replace(WELL, servers={("web1", PLACE): "silent"}))
    assert judge(topology, after, before, batch=("web1",)) == []


def tables(after: str, before: str = RULES, rules: str = RULES) -> list[str]:
    def told(text: str) -> Observation:
        return Observation(None, {"lvs1": HostState((), tuple(text.splitlines()))})

    return wrong(
        Comparison(
            told(before), told(after), ("lvs1",), {}, {"lvs1": kernel_rules(rules.encode())}
        ),
        [],
    )


def test_the_intended_table() -> None:
    assert tables(RULES) == []
    assert tables(RULES, before="") == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("", f"IPVS table: lvs1 has no -t {VIP}:80; it has nothing at all"),
        (RULES.replace("-s rr", "-s wlc"), f"IPVS table: lvs1 has -t {VIP}:80 with `-s wlc` in place of `-s rr`"),
        ("\n".join(TABLE[:2]), f"IPVS table: lvs1 has lost 192.168.227.104:80 from -t {VIP}:80"),
        (RULES.replace("104:80 -g -w 1", "104:80 -g -w 0"),
         f"IPVS table: lvs1 has lost 192.168.227.104:80 from -t {VIP}:80"),
        (RULES.replace("104:80 -g", "104:80 -m"),
         f"IPVS table: lvs1 has 192.168.227.104:80 in -t {VIP}:80 with `-m -w 1` in place of "
         "`-g -w 1`"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_the_intended_one(after: str, said: str) -> None:
    assert tables(after) == [said]


def test_servers_that_were_down_before_may_stay_down() -> None:
    without = "\n".join(TABLE[:2])
    drained = RULES.replace("104:80 -g -w 1", "104:80 -g -w 0")
    assert tables(without, before=without) == []
    assert tables(drained, before=drained) == []
    assert tables(without, before="") == [], "the first table: a server that is not well yet"


def test_a_drained_server_is_intended_so() -> None:
    drained = RULES.replace("104:80 -g -w 1", "104:80 -g -w 0")
    assert tables(drained, before=RULES, rules=drained) == []


def test_limits_are_never_saved_and_comments_are_no_rules() -> None:
    rules = "# Managed by hactl\n" + RULES.replace("104:80 -g -w 1", "104:80 -g -w 1 -x 100 -y 50")
    assert tables(RULES, rules=rules) == []


def test_what_is_asked_for(topology: Topology) -> None:
    assert [(one.address, one.port, one.path) for one in tried(topology)] == [(VIP, 80, "/")]
    assert tries(topology) == 2
    assert list(direct(topology.frontends)) == [
        ("web1", "192.168.227.103", PLACE),
        ("web2", "192.168.227.104", PLACE),
    ]


def test_only_http_is_asked_for_a_page(tmp_path: Path) -> None:
    """Whatever else listens there would log a GET as a mistake."""
    text = (REPOSITORY / "inventories/lab.yml").read_text().replace("port: 80", "port: 9092")
    (tmp_path / "site.yml").write_text(text)
    assert [one.path for one in tried(load(tmp_path / "site.yml").topology)] == [None]
    (tmp_path / "site.yml").write_text(
        text.replace("type: tcp", "type: http, urls: [{path: /up, status_code: 200}]")
    )
    assert [one.path for one in tried(load(tmp_path / "site.yml").topology)] == ["/up"]
