"""Role ipvs: the table's rules file, its modules, its kernel parameters and its owner."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.desired.host_variables import host_variables
from provision.desired.ipvs_rules import IpvsService
from provision.desired.items import Module, Package, Unit
from provision.desired.render import render_host
from tests.inventory.building import DUAL, HOSTS, frontend, inventory, service, topology
from tests.roles.site import content, sysctls

TEMPLATES = shipped("roles") / "ipvs" / "templates"
BUSY = {
    name: {**variables, "hactl_roles": ["web"]} if name == "web2" else variables
    for name, variables in HOSTS.items()
}


def table(**changes: Any) -> list[str]:
    """The rules of a director for the usual service with changes."""
    variables = host_variables(
        topology([frontend(services=[service(**changes)])], hosts=BUSY), "lvs1", Facts()
    )
    return [line for item in variables["ipvs_services"] for line in item.lines]


def director(frontends: list[dict[str, Any]], host: str = "lvs1", **facts: Any) -> Any:
    """The desired state of a director."""
    source = inventory(frontends)
    return render_host(topology(frontends), source, host, Facts(**facts))


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        (
            {},
            [
                "-A -t 192.168.227.10:80 -s rr",
                "-a -t 192.168.227.10:80 -r 192.168.227.103:80 -g -w 1",
                "-a -t 192.168.227.10:80 -r 192.168.227.104:80 -g -w 1",
            ],
        ),
        (
            {
                "real_servers": "web1",
                "persistence_timeout": 50,
                "persistence_granularity": "255.255.255.0",
            },
            [
                "-A -t 192.168.227.10:80 -s rr -p 50 -M 255.255.255.0",
                "-a -t 192.168.227.10:80 -r 192.168.227.103:80 -g -w 1",
            ],
        ),
        (
            {
                "real_servers": "web1",
                "port": 53,
                "protocol": "udp",
                "ops": True,
                "scheduler": "sh",
                "scheduler_flags": ["sh-port", "sh-fallback"],
                "forward": "nat",
                "real_server_defaults": {"port": 5353},
            },
            [
                "-A -u 192.168.227.10:53 -s sh -o -b sh-fallback,sh-port",
                "-a -u 192.168.227.10:53 -r 192.168.227.103:5353 -m -w 1",
            ],
        ),
        (
            {
                "real_servers": "web1",
                "forward": "tun",
                "real_server_defaults": {"weight": 0, "uthreshold": 9, "lthreshold": 5},
            },
            [
                "-A -t 192.168.227.10:80 -s rr",
                "-a -t 192.168.227.10:80 -r 192.168.227.103:80 -i -w 0 --tun-type ipip -x 9 -y 5",
            ],
        ),
        (
            {
                "real_servers": "web1",
                "forward": "tun",
                "tunnel": {"type": "gue", "port": 6080, "checksum": "csum"},
            },
            [
                "-A -t 192.168.227.10:80 -s rr",
                "-a -t 192.168.227.10:80 -r 192.168.227.103:80 -i -w 1"
                " --tun-type gue --tun-port 6080 --tun-csum",
            ],
        ),
        (
            {"real_servers": "web1", "port": None, "fwmark": 7, "check": None},
            ["-A -f 7 -s rr", "-a -f 7 -r 192.168.227.103:0 -g -w 1"],
        ),
        (
            {"real_servers": "web1", "port": None, "persistence_timeout": 60, "check": None},
            [
                "-A -t 192.168.227.10:0 -s rr -p 60",
                "-a -t 192.168.227.10:0 -r 192.168.227.103:0 -g -w 1",
            ],
        ),
        (
            {
                "real_servers": "web1",
                "virtual_server_group": {"name": "g", "ranges": ["192.168.227.20-21"]},
            },
            [
                "-A -t 192.168.227.10:80 -s rr",
                "-a -t 192.168.227.10:80 -r 192.168.227.103:80 -g -w 1",
                "-A -t 192.168.227.20:80 -s rr",
                "-a -t 192.168.227.20:80 -r 192.168.227.103:80 -g -w 1",
                "-A -t 192.168.227.21:80 -s rr",
                "-a -t 192.168.227.21:80 -r 192.168.227.103:80 -g -w 1",
            ],
        ),
    ],
)
def test_rules_are_as_ipvsadm_writes_them(changes: dict[str, Any], rules: list[str]) -> None:
    assert table(**changes) == rules


def test_ipv6_addresses_are_in_brackets_and_marks_say_so() -> None:
    marked = service(port=None, fwmark=3, check={"type": "ping"}, real_servers="web1")
    site = topology([frontend(vips=["fd00:227::10"], services=[service(), marked])], hosts=DUAL)
    lines = [
        line
        for item in host_variables(site, "lvs1", Facts())["ipvs_services"]
        for line in item.lines
    ]
    assert lines == [
        "-A -t [fd00:227::10]:80 -s rr",
        "-a -t [fd00:227::10]:80 -r [fd00:227::103]:80 -g -w 1",
        "-a -t [fd00:227::10]:80 -r [fd00:227::104]:80 -g -w 1",
        "-A -f 3 -6 -s rr",
        "-a -f 3 -6 -r [fd00:227::103]:0 -g -w 1",
    ]


def test_the_path_of_the_rules_depends_on_the_distribution() -> None:
    debian = director([frontend()])
    assert content(debian, "/etc/ipvsadm.rules").splitlines()[1:] == table()
    assert Package("ipvsadm") in debian.items
    redhat = director([frontend()], os_family="redhat")
    # RHEL's service accepts no comments.
    assert content(redhat, "/etc/sysconfig/ipvsadm").splitlines() == table()
    assert redhat.get("file", "/etc/ipvsadm.rules") is None


def test_keepalived_owns_the_table_by_default() -> None:
    desired = director([frontend()])
    assert desired.get("unit", "ipvsadm.service") is None  # with AUTO="false" it does nothing
    redhat = director([frontend()], os_family="redhat")
    assert Unit("ipvsadm.service", enabled=False, active=False) in redhat.items
    assert 'AUTO="false"' in content(desired, "/etc/default/ipvsadm")
    assert "virtual_server 192.168.227.10 80" in content(desired, "/etc/keepalived/keepalived.conf")


def test_ipvsadm_owns_the_table_alone() -> None:
    desired = director([frontend(ipvs_manager="ipvsadm")])
    assert Unit("ipvsadm.service", enabled=True, active=True, on_change="reload") in desired.items
    assert 'AUTO="true"' in content(desired, "/etc/default/ipvsadm")
    assert "virtual_server" not in content(desired, "/etc/keepalived/keepalived.conf")
    rules = desired.get("file", "/etc/ipvsadm.rules")
    assert rules is not None and rules.unit == "ipvsadm.service"


def test_modules_are_those_of_the_schedulers() -> None:
    desired = director(
        [frontend(services=[service(scheduler="mh"), service(port=81, scheduler="wlc")])]
    )
    modules = [item for item in desired.items if isinstance(item, Module)]
    assert modules == [Module("ip_vs"), Module("ip_vs_mh"), Module("ip_vs_wlc")]


def test_short_connections_are_synced_and_those_to_removed_servers_end() -> None:
    parameters = sysctls(director([frontend()]))
    assert parameters["net.ipv4.vs.sync_threshold"] == "2 0"
    assert parameters["net.ipv4.vs.sync_refresh_period"] == "1"
    assert parameters["net.ipv4.vs.expire_nodest_conn"] == "1"
    assert parameters["net.ipv4.vs.expire_quiescent_template"] == "1"
    assert parameters["net.ipv4.vs.backup_only"] == "0"
    assert "net.ipv4.vs.sloppy_tcp" not in parameters
    assert "net.ipv4.vs.conn_reuse_mode" not in parameters


def test_an_active_director_never_stops_balancing_because_it_is_a_backup_too() -> None:
    other = frontend(
        name="api",
        vips=["192.168.227.20"],
        directors=["lvs2", "lvs1"],
        vrrp={"virtual_router_id": 20},
    )
    assert sysctls(director([frontend(), other]))["net.ipv4.vs.backup_only"] == "0"


def test_with_a_consistent_hash_a_director_takes_over_unknown_connections() -> None:
    parameters = sysctls(director([frontend(services=[service(scheduler="mh")])]))
    assert parameters["net.ipv4.vs.sloppy_tcp"] == "1"


def test_connection_reuse_is_off_on_kernels_where_it_is_slow() -> None:
    parameters = sysctls(director([frontend()], kernel="5.4.0-150-generic"))
    assert parameters["net.ipv4.vs.conn_reuse_mode"] == "0"


@given(
    st.lists(st.sampled_from(["mh-port", "mh-fallback"]), unique=True),
    st.integers(0, 65535),
    st.one_of(st.none(), st.integers(1, 65535)),
)
def test_saved_rules_are_the_restored_rules_without_the_limits(
    flags: list[str], weight: int, limit: int | None
) -> None:
    changes = {
        "scheduler": "mh",
        "scheduler_flags": flags,
        "real_server_defaults": {"weight": weight, "uthreshold": limit},
    }
    variables = host_variables(topology([frontend(services=[service(**changes)])]), "lvs1", Facts())
    (item,) = variables["ipvs_services"]
    assert isinstance(item, IpvsService)
    assert item.saved == tuple(line.split(" -x ")[0] for line in item.lines)


@pytest.mark.parametrize(
    ("scheduler", "flags", "rule"),
    [
        ("mh", [], "-s mh -b mh-fallback"),
        ("mh", ["mh-port"], "-s mh -b mh-fallback,mh-port"),
        ("sh", ["sh-fallback"], "-s sh -b sh-fallback"),
        ("rr", [], "-s rr"),
    ],
)
def test_clients_of_a_server_with_weight_0_get_another_server(
    scheduler: str, flags: list[str], rule: str
) -> None:
    changes = {"scheduler": scheduler, "scheduler_flags": flags}
    variables = host_variables(topology([frontend(services=[service(**changes)])]), "lvs1", Facts())
    assert variables["ipvs_services"][0].rule == rule
