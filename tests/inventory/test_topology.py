"""The topology: resolved front ends, the order of a rollout, and the variables of hosts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import InputError
from provision.core.facts import Facts, Interface
from provision.core.shipped import shipped
from provision.desired.firewall import Opening
from provision.desired.host_variables import host_variables
from provision.inventory.reader import read_inventory
from provision.inventory.templating import resolve_inventory
from provision.inventory.topology import Topology, build
from tests.inventory.building import DUAL, GROUPS, HOSTS, frontend, inventory, service, topology

API = frontend(
    name="api", vips=["192.168.227.20"], directors=["lvs2", "lvs1"], vrrp={"virtual_router_id": 20}
)


def rules(frontends: Any, **options: Any) -> list[str]:
    """The rules that an inventory breaks."""
    with pytest.raises(InputError) as caught:
        topology(frontends, **options)
    return [problem.rule for problem in caught.value.problems]


def variables(site: Topology, host: str, **facts: Any) -> dict[str, Any]:
    return host_variables(site, host, Facts(**facts))


# --- the roles of hosts


def test_the_order_of_the_directors_is_the_order_of_their_priorities() -> None:
    resolved = topology([frontend(directors=["lvs2", "lvs1"])]).frontends[0]
    assert [(director.host, director.priority) for director in resolved.directors] == [
        ("lvs2", 100),
        ("lvs1", 99),
    ]


def test_a_host_s_priority_beats_the_order_and_the_front_end_s_beats_both() -> None:
    hosts = {**HOSTS, "lvs2": {**HOSTS["lvs2"], "vrrp_priority": 150}}
    assert topology([frontend()], hosts=hosts).frontends[0].master == "lvs2"
    assert topology([frontend(priorities={"lvs1": 200})], hosts=hosts).frontends[0].master == "lvs1"


def test_roles_follow_from_the_place_in_the_front_ends() -> None:
    hosts = {**HOSTS, "web1": {**HOSTS["web1"], "hactl_roles": ["web", "firewall"]}}
    site = topology([frontend()], hosts=hosts)
    assert site.roles_of("lvs1") == ("director_sysctl", "keepalived", "ipvs", "firewall")
    assert site.roles_of("web1") == ("real_server", "firewall", "web")
    assert site.roles_of("web2") == ("real_server", "firewall")


def test_clients_are_not_managed() -> None:
    hosts = {**HOSTS, "client": {"ansible_host": "192.168.227.100"}}
    site = topology([frontend()], hosts=hosts, groups={**GROUPS, "clients": ["client"]})
    assert site.managed() == ("lvs1", "lvs2", "web1", "web2")
    assert site.addresses()["client"] == "192.168.227.100"
    assert site.directors() == ("lvs1", "lvs2")
    assert site.real_servers() == ("web1", "web2")


def test_real_servers_go_first_then_backups_then_the_master() -> None:
    hosts = {**HOSTS, "lvs3": {"ansible_host": "192.168.227.105"}}
    site = topology([frontend(directors=["lvs1", "lvs2", "lvs3"])], hosts=hosts)
    assert site.stages() == (("web1", "web2"), ("lvs2", "lvs3"), ("lvs1",))


def test_a_decommissioned_host_loses_everything_and_comes_last() -> None:
    hosts = {**HOSTS, "web3": {"ansible_host": "192.168.227.105"}}
    site = topology([frontend()], hosts=hosts, groups={**GROUPS, "decommissioned": ["web3"]})
    assert site.roles_of("web3") == ()
    assert "web3" in site.managed()
    assert site.stages() == (("web1", "web2"), ("lvs2",), ("lvs1",), ("web3",))


def test_two_active_directors_are_never_in_the_same_stage() -> None:
    assert topology([frontend(directors=["lvs1", "lvs2"]), API]).stages() == (
        ("web1", "web2"),
        ("lvs1",),
        ("lvs2",),
    )


def test_masters_of_separate_front_ends_share_a_stage() -> None:
    hosts = {
        **HOSTS,
        "lvs3": {"ansible_host": "192.168.227.105"},
        "lvs4": {"ansible_host": "192.168.227.106"},
    }
    different = frontend(
        name="api",
        vips=["192.168.227.20"],
        directors=["lvs3", "lvs4"],
        vrrp={"virtual_router_id": 20},
    )
    site = topology([frontend(), different], hosts=hosts)
    assert site.stages() == (("web1", "web2"), ("lvs2", "lvs4"), ("lvs1", "lvs3"))


@given(
    st.lists(
        st.lists(st.sampled_from(["d1", "d2", "d3", "d4"]), min_size=1, max_size=4, unique=True),
        min_size=1,
        max_size=4,
    )
)
def test_no_stage_takes_down_all_directors_of_a_front_end(directors: list[list[str]]) -> None:
    """Every host is in exactly one stage, and a front end's directors are never all in the same
    stage."""
    names = {name for group in directors for name in group}
    hosts = {**HOSTS, **{name: {"ansible_host": f"10.0.0.{name[1:]}"} for name in sorted(names)}}
    hosts = {
        name: host_settings for name, host_settings in hosts.items() if not name.startswith("lvs")
    }
    frontends = [
        frontend(
            name=f"f{index}",
            vips=[f"10.0.1.{index}"],
            directors=group,
            vrrp={"virtual_router_id": index + 1},
        )
        for index, group in enumerate(directors)
    ]
    site = topology(frontends, hosts=hosts, groups={"web": ["web1", "web2"]})
    stages = site.stages()
    flat = [host for stage in stages for host in stage]
    assert sorted(flat) == sorted(site.managed())
    for resolved in site.frontends:
        if len(resolved.directors) > 1:
            holders = {director.host for director in resolved.directors}
            assert not any(holders <= set(stage) for stage in stages)
            assert flat.index(resolved.master) > max(map(flat.index, resolved.real_servers))


# --- inventories with mistakes


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"directors": "director"}, "unknown-group"),
        ({"directors": []}, "empty-list"),
        ({"directors": "nobody"}, "empty-group"),
        ({"priorities": {"web1": 5}}, "unknown-host"),
        ({"services": [service(real_servers=["web1", "wbe2"])]}, "unknown-group"),
        ({"services": [service(real_server_options={"web3": {"weight": 2}})]}, "unknown-host"),
        ({"services": [service(vips=["192.168.227.99"])]}, "unknown-vip"),
        ({"vips": ["fd00::10"]}, "address-family"),
        (
            {
                "services": [
                    service(virtual_server_group={"name": "g", "ranges": ["192.168.227.8-12"]})
                ]
            },
            "range-holds-vip",
        ),
        ({"services": [service(port=None, fwmark=3)]}, "check-without-port"),
    ],
)
def test_a_front_end_that_does_not_fit_the_hosts_is_refused(
    changes: dict[str, Any], rule: str
) -> None:
    assert rules([frontend(**changes)], groups={**GROUPS, "nobody": []})[0] == rule


def test_the_nearest_group_is_named() -> None:
    with pytest.raises(InputError, match="the nearest known one is `directors`"):
        topology([frontend(directors="director")])


def test_a_host_without_any_role_is_a_mistake() -> None:
    hosts = {**HOSTS, "spare": {"ansible_host": "192.168.227.110"}}
    assert rules([frontend()], hosts=hosts) == ["host-in-no-front-end"]


def test_an_address_that_is_a_name_is_not_looked_up() -> None:
    hosts = {**HOSTS, "web1": {"ansible_host": "web1.example.com"}}
    assert rules([frontend()], hosts=hosts) == ["address-unknown"]
    hosts["web1"] = {"ansible_host": "web1.example.com", "address": "192.168.227.103"}
    assert topology([frontend()], hosts=hosts).addresses()["web1"] == "192.168.227.103"


def test_two_front_ends_with_the_same_name_are_refused() -> None:
    assert rules([frontend(), frontend(vrrp={"virtual_router_id": 9})]) == ["frontend-duplicate"]


def test_frontends_must_be_a_list_with_an_entry() -> None:
    assert rules([]) == ["frontends-missing"]
    assert rules({"name": "web"}) == ["wrong-type"]


INVENTORY = """\
all:
  vars:
    vip: 192.168.227.10
    {common}
  children:
    directors:
      hosts: {{lvs1: {{ansible_host: 192.168.227.101}}, lvs2: {{ansible_host: 192.168.227.102}}}}
      {directors}
    web: {{hosts: {{web1: {{ansible_host: 192.168.227.103, hactl_roles: [web]}}}}}}
"""
FRONTENDS = (
    "frontends: [{name: web, vips: ['%s'], directors: directors, vrrp: {virtual_router_id: 10}}]"
)


def read(folder: Path, common: str = "nothing: 0", directors: str = "vars: {}") -> Topology:
    path = folder / "site.yml"
    path.write_text(INVENTORY.format(common=common, directors=directors))
    return build(resolve_inventory(read_inventory(path)))


def test_front_ends_are_a_variable_of_all(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"site.yml:8:25: frontends-misplaced: `frontends` is set for group directors",
    ):
        read(tmp_path, directors=f"vars: {{{FRONTENDS % '192.168.227.10'}}}")
    with pytest.raises(InputError, match=r"site.yml:1:1: frontends-missing"):
        read(tmp_path)


def test_front_ends_may_be_in_group_vars_all(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(FRONTENDS % "192.168.227.10")
    assert read(tmp_path).frontends[0].name == "web"


def test_templates_in_front_ends_are_resolved(tmp_path: Path) -> None:
    site = read(tmp_path, common=FRONTENDS % "{{ vip }}")
    assert str(site.frontends[0].vips[0].address) == "192.168.227.10"


def test_front_ends_that_differ_by_host_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"site.yml:4:\d+: frontends-differ"):
        read(tmp_path, common=FRONTENDS % "{{ ansible_host }}")


def test_names_that_front_ends_share_need_the_same_definition() -> None:
    def tracking(script: str, weight: int) -> dict[str, Any]:
        return {"track_scripts": [{"name": "chk", "script": script, "weight": weight}]}

    first = frontend(vrrp={"virtual_router_id": 10, **tracking("/bin/true", 5)})
    same = {**API, "vrrp": {"virtual_router_id": 20, **tracking("/bin/true", 9)}}
    different = {**API, "vrrp": {"virtual_router_id": 20, **tracking("/bin/false", 5)}}
    assert len(topology([first, same]).frontends) == 2
    assert rules([first, different]) == ["track-name-clash"]


def test_a_sync_group_without_front_ends_is_refused() -> None:
    assert rules([frontend()], keepalived={"sync_groups": [{"name": "both"}]}) == [
        "sync-group-unused"
    ]


def test_an_ipvs_table_with_two_owners_is_refused() -> None:
    assert rules([frontend(ipvs_manager="ipvsadm"), API]) == ["ipvs-two-owners"]


def test_every_problem_has_a_message_a_reason_and_a_remedy() -> None:
    """An inventory with four mistakes reports all of them together."""
    broken = [
        frontend(directors="director", services=[service(real_servers="wbe")]),
        frontend(name="api", services=[service(port=None, fwmark=3)]),
    ]
    with pytest.raises(InputError) as caught:
        topology(broken, keepalived={"sync_groups": [{"name": "both"}]})
    assert len(caught.value.problems) == 4
    for problem in caught.value.problems:
        assert problem.what and problem.why and problem.fix, problem


# --- the variables of hosts


def test_the_interface_is_that_of_the_address_else_of_the_default_route() -> None:
    facts = Facts(
        interfaces=(
            Interface("ens3", ("10.0.0.5/24",)),
            Interface("ens4", ("192.168.227.101/24",)),
        ),
        default_interface="ens3",
    )
    site = topology([frontend()])
    assert host_variables(site, "lvs1", facts)["interface"] == "ens4"
    assert host_variables(site, "lvs1", facts)["vrrp_instances"][0].interface == "ens4"
    assert host_variables(site, "lvs2", facts)["interface"] == "ens3"


def test_a_host_without_a_usable_interface_is_an_error() -> None:
    with pytest.raises(
        InputError, match=r"inventory.yml:20:1: interface-unknown: no interface of lvs1"
    ):
        variables(topology([frontend()]), "lvs1", interfaces=(Interface("ens3", ("10.0.0.5/24",)),))


def test_both_families_are_two_instances_in_one_group() -> None:
    values = variables(
        topology([frontend(vips=["192.168.227.10", "fd00:227::10"])], hosts=DUAL), "lvs1"
    )
    assert [instance.name for instance in values["vrrp_instances"]] == ["VI_web", "VI_web_6"]
    assert [(group.name, group.members) for group in values["sync_groups"]] == [
        ("SG_web", ("VI_web", "VI_web_6"))
    ]
    files = [instance.files for instance in values["vrrp_instances"]]
    assert files == [(), ()], "the group tracks the hand-over"
    assert [file.name for file in values["sync_groups"][0].files] == ["hactl_web"]


def test_the_hand_over_needs_no_new_configuration() -> None:
    (instance,) = variables(topology([frontend()]), "lvs2")["vrrp_instances"]
    (file,) = instance.files
    assert (file.name, file.file, file.weight) == ("hactl_web", "/var/lib/hactl/handover/web", 1)


def test_connection_sync_always_runs_in_both_directions() -> None:
    """A takeover then starts and stops no kernel thread. With backup_only, no director would
    balance."""
    values = variables(topology([frontend()]), "lvs2")
    assert (values["sync_daemon"].instance, values["sync_daemon"].sync_id) == (None, 10)
    assert values["backup_only"] is False


def test_connection_sync_can_follow_an_instance() -> None:
    daemon = {"keepalived": {"lvs_sync_daemon": {"instance": "VI_web"}}}
    hosts = {
        name: {**host_settings, **daemon} if name.startswith("lvs") else host_settings
        for name, host_settings in HOSTS.items()
    }
    values = variables(topology([frontend()], hosts=hosts), "lvs2")
    assert values["sync_daemon"].instance == "VI_web"
    assert values["backup_only"] is True


def test_two_active_directors_have_the_same_sync_id() -> None:
    site = topology([frontend(directors=["lvs1", "lvs2"]), API])
    for host in site.directors():
        values = variables(site, host)
        assert (values["sync_daemon"].instance, values["sync_daemon"].sync_id) == (None, 10)
        assert values["backup_only"] is False


def test_directors_that_share_connections_have_the_same_sync_id() -> None:
    """Front ends in a chain of shared directors have the same id; other front ends do not."""
    hosts: dict[str, Mapping[str, Any]] = {
        f"d{number}": {"ansible_host": f"10.0.0.{number}"} for number in range(1, 6)
    }
    hosts |= {
        name: host_settings for name, host_settings in HOSTS.items() if name.startswith("web")
    }
    frontends = [
        frontend(
            name=f"f{index}",
            vips=[f"10.0.1.{index}"],
            directors=pair,
            vrrp={"virtual_router_id": index + 1},
        )
        for index, pair in enumerate((["d1", "d2"], ["d2", "d3"], ["d4", "d5"]))
    ]
    site = topology(frontends, hosts=hosts, groups={"web": ["web1", "web2"]})
    ids = {host: variables(site, host)["sync_daemon"].sync_id for host in site.directors()}
    assert ids == {"d1": 1, "d2": 1, "d3": 1, "d4": 3, "d5": 3}


def test_directors_without_ipv4_sync_over_ipv6() -> None:
    hosts = {name: {"address": host_settings["address"][1]} for name, host_settings in DUAL.items()}
    site = topology([frontend(vips=["fd00:227::10"])], hosts=hosts)
    assert str(variables(site, "lvs1")["sync_daemon"].group) == "ff02::81"
    assert Opening("udp", 8848, "ff02::81", 6) in variables(site, "lvs1")["firewall_openings"]


def test_real_servers_have_the_vip_unless_forwarding_is_nat() -> None:
    vips = ["192.168.227.10", "192.168.227.11", "fd00:227::10"]
    direct = topology([frontend(vips=vips)], hosts=DUAL)
    assert [(vip.cidr, vip.label) for vip in variables(direct, "web1")["real_server_vips"]] == [
        ("192.168.227.10/32", "lo:0"),
        ("192.168.227.11/32", "lo:1"),
        ("fd00:227::10/128", ""),
    ]
    translated = topology([frontend(services=[service(forward="nat")])])
    assert variables(translated, "web1")["real_server_vips"] == ()
    assert variables(translated, "lvs1")["needs_ip_forward"] is True
    assert variables(direct, "lvs1")["needs_ip_forward"] is False


def test_openings_of_a_director() -> None:
    openings = variables(topology([frontend()]), "lvs1")["firewall_openings"]
    assert openings == (
        Opening("vrrp", None, None, 4),
        Opening("udp", 8848, "224.0.0.81", 4),
        Opening("tcp", 80, "192.168.227.10", 4),
    )
    without = topology([frontend()], keepalived={"lvs_sync_daemon": False})
    assert (
        Opening("udp", 8848, "224.0.0.81", 4) not in variables(without, "lvs1")["firewall_openings"]
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {("tcp", 80, "192.168.227.10"), ("tcp", 80, "192.168.227.103")}),
        (
            {"check": {"type": "http", "port": 8080}},
            {("tcp", 80, "192.168.227.10"), ("tcp", 8080, "192.168.227.103")},
        ),
        ({"check": {"type": "ping"}}, {("tcp", 80, "192.168.227.10")}),
        (
            {"forward": "nat", "real_server_defaults": {"port": 8080}},
            {("tcp", 8080, "192.168.227.103")},
        ),
        (
            {"forward": "tun", "check": {"type": "bfd"}},
            {
                ("tcp", 80, "192.168.227.10"),
                ("ipip", None, "192.168.227.103"),
                ("udp", 3784, "192.168.227.103"),
            },
        ),
        (
            {"forward": "tun", "tunnel": {"type": "gue", "port": 6080}, "check": None},
            {("tcp", 80, "192.168.227.10"), ("udp", 6080, "192.168.227.103")},
        ),
        (
            {"port": 53, "protocol": "udp", "check": {"type": "dns"}},
            {("udp", 53, "192.168.227.10"), ("udp", 53, "192.168.227.103")},
        ),
    ],
)
def test_openings_of_a_real_server(
    changes: dict[str, Any], expected: set[tuple[str, int | None, str]]
) -> None:
    openings = variables(topology([frontend(services=[service(**changes)])]), "web1")[
        "firewall_openings"
    ]
    assert {
        (opening.protocol, opening.port, opening.destination) for opening in openings
    } == expected


@pytest.mark.parametrize(
    ("kernel", "slow"),
    [
        ("4.19.0-24-amd64", True),
        ("5.8.0", True),
        ("5.9.0", False),
        ("6.1.0-34-cloud-amd64", False),
        ("", False),
        ("x", False),
    ],
)
def test_kernels_before_5_9_reuse_ports_slowly(kernel: str, slow: bool) -> None:
    assert variables(topology([frontend()]), "lvs1", kernel=kernel)["slow_port_reuse"] is slow


@pytest.mark.parametrize(
    ("user", "version", "dies"),
    [
        ("root", "2.2.7", False),
        ("root", "", False),
        (None, "2.2.7", True),
        ("nobody", "2.2.7", True),
        ("nobody", "", True),
        ("nobody", "2.2.8", False),
    ],
)
def test_keepalived_t_of_debian_12_kills_itself(user: str | None, version: str, dies: bool) -> None:
    """Keepalived issue 2617: with a script whose user is not root, `keepalived -t` of 2.2.7 exits
    with 143."""
    script = {"notify": {"command": "/bin/true", "user": user} if user else "/bin/true"}
    site = topology([frontend(vrrp={"virtual_router_id": 10, **script})])
    assert (
        variables(site, "lvs1", keepalived_version=version, os_id="debian")["keepalived_test_dies"]
        is dies
    )
    assert (
        variables(site, "lvs1", keepalived_version="", os_id="rocky")["keepalived_test_dies"]
        is False
    )


def test_scripts_run_as_nobody_and_enable_script_security() -> None:
    with_script = variables(
        topology([frontend(vrrp={"virtual_router_id": 10, "notify": "/bin/true"})]), "lvs1"
    )
    assert (with_script["script_user"], with_script["enable_script_security"]) == ("nobody", True)
    without = variables(topology([frontend()]), "lvs1")
    assert (without["script_user"], without["enable_script_security"]) == (None, False)


# --- the examples


@pytest.mark.parametrize("name", ["lab", "active-active", "ipv6"])
def test_the_shipped_examples_are_right(name: str) -> None:
    site = build(read_inventory(shipped("inventories") / f"{name}.yml"))
    assert site.managed() == ("lvs1", "lvs2", "web1", "web2")
    assert site.stages()[0] == ("web1", "web2")
    for host in site.managed():
        assert variables(site, host)["interface"] == "eth0"


def test_a_thousand_real_servers_are_quick() -> None:
    hosts = {
        **HOSTS,
        **{
            f"w{number}": {"ansible_host": f"10.0.{number // 250}.{number % 250}"}
            for number in range(1000)
        },
    }
    groups = {**GROUPS, "many": [name for name in hosts if name.startswith("w")]}
    many_hosts = inventory(
        [frontend(services=[service(real_servers="many")])], hosts=hosts, groups=groups
    )
    start = time.perf_counter()
    site = build(many_hosts)
    site.stages()
    host_variables(site, "lvs1", Facts())
    assert time.perf_counter() - start < 3
