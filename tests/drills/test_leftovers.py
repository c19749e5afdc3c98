"""A host before and after a drill: what differs is named, what always moves is not."""

from __future__ import annotations

from dataclasses import replace

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


def after(**changes: object) -> tuple[str, ...]:
    return differences(LIVE, replace(LIVE, **changes))  # type: ignore[arg-type]


def test_the_same_host_differs_in_nothing() -> None:
    assert after() == ()


def test_connections_counters_and_process_numbers_move_all_the_time() -> None:
    busier = LiveService(
        "-t 192.168.227.10:80", "rr", (LiveServer("192.168.227.103", 80, "Route", 1, 77, 0),)
    )
    vrrp = tuple(replace(one, adverts_sent=999, became_master=7) for one in LIVE.vrrp)
    units = {"keepalived.service": replace(LIVE.units["keepalived.service"], main_pid=4711)}
    assert after(services=(busier,), vrrp=vrrp, units=units, clock=3.0, seconds=9.0) == ()


def test_what_a_drill_could_leave_is_named() -> None:
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


def test_a_lost_vip_counts_unless_it_may_stay_elsewhere() -> None:
    without = tuple(own for own in LIVE.addresses if own.address != "192.168.227.10")
    backup = tuple(replace(one, state="BACKUP") for one in LIVE.vrrp)
    changed = replace(LIVE, addresses=without, vrrp=backup)
    assert differences(LIVE, changed) == (
        "lvs1: address 192.168.227.10/32 on eth0 is gone",
        "lvs1: instance VI_web was 'MASTER, priority 100' and is 'BACKUP, priority 100'",
    )
    assert differences(LIVE, changed, frozenset({"192.168.227.10"})) == ()


def test_traces() -> None:
    before = frozenset({"file /run/hactl/loaded", "file /run/hactl/loaded/keepalived.service"})
    assert trace_differences("lvs1", before, before, rebooted=False) == ()
    assert trace_differences("lvs1", before, frozenset(), rebooted=True) == ()
    assert trace_differences(
        "lvs1", before, before | {"table table inet hactl_drill"}, rebooted=False
    ) == ("lvs1: table table inet hactl_drill is left behind",)
    assert len(trace_differences("lvs1", before, frozenset(), rebooted=False)) == 2
