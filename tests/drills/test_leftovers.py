"""The differences of a host before and after a drill; figures that always change do not count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provision.drills.leftovers import differences, trace_differences
from provision.formats.ip_addr import LiveAddress
from provision.hosts.live.state import LiveServer, LiveService, LiveUnit
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, topology

LIVE = replace(
    healthy(topology([frontend()]))["lvs1"],
    sysctls={"net.ipv4.ip_forward": "0"},
    services=(
        LiveService(
            "-t 192.168.227.10:80", "rr", (LiveServer("192.168.227.103", 80, "Route", 1, 5, 9),)
        ),
    ),
)


def after(**changes: Any) -> tuple[str, ...]:
    return differences(LIVE, replace(LIVE, **changes))


def test_an_unchanged_host_has_no_differences() -> None:
    assert after() == ()


def test_connections_counters_and_process_numbers_do_not_count() -> None:
    busier = LiveService(
        "-t 192.168.227.10:80", "rr", (LiveServer("192.168.227.103", 80, "Route", 1, 77, 0),)
    )
    vrrp = tuple(replace(instance, adverts_sent=999, became_master=7) for instance in LIVE.vrrp)
    units = {"keepalived.service": replace(LIVE.units["keepalived.service"], main_pid=4711)}
    assert after(services=(busier,), vrrp=vrrp, units=units, clock=3.0, seconds=9.0) == ()


def test_changed_addresses_parameters_services_and_units_are_named() -> None:
    more = (*LIVE.addresses, LiveAddress("lo", "192.0.2.1", 32, "lo:9", "global"))
    assert after(addresses=more) == ("lvs1: address 192.0.2.1/32 on lo is new",)
    assert after(sysctls={"net.ipv4.ip_forward": "1"}) == (
        "lvs1: parameter net.ipv4.ip_forward was '0' and is '1'",
    )
    assert after(services=()) == (
        "lvs1: service -t 192.168.227.10:80 is gone",
        "lvs1: real server 192.168.227.103 port 80 of -t 192.168.227.10:80 is gone",
    )
    failed = {"keepalived.service": LiveUnit("keepalived.service", "failed", "enabled")}
    assert after(units=failed) == (
        "lvs1: unit keepalived.service was 'active, enabled' and is 'failed, enabled'",
    )


def test_a_lost_vip_counts_unless_it_may_stay_on_another_director() -> None:
    without = tuple(address for address in LIVE.addresses if address.address != "192.168.227.10")
    backup = tuple(replace(instance, state="BACKUP") for instance in LIVE.vrrp)
    changed = replace(LIVE, addresses=without, vrrp=backup)
    assert differences(LIVE, changed) == (
        "lvs1: address 192.168.227.10/32 on eth0 is gone",
        "lvs1: instance VI_web was 'MASTER, priority 100' and is 'BACKUP, priority 100'",
    )
    assert differences(LIVE, changed, frozenset({"192.168.227.10"})) == ()


def test_new_and_missing_traces_count_except_those_lost_on_reboot() -> None:
    before = frozenset({"file /run/hactl/loaded", "file /run/hactl/loaded/keepalived.service"})
    assert trace_differences("lvs1", before, before, rebooted=False) == ()
    assert trace_differences("lvs1", before, frozenset(), rebooted=True) == ()
    assert trace_differences(
        "lvs1", before, before | {"table table inet hactl_drill"}, rebooted=False
    ) == ("lvs1: table table inet hactl_drill is left behind",)
    assert len(trace_differences("lvs1", before, frozenset(), rebooted=False)) == 2
