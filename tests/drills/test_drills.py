"""The conditions, bounds and verdicts of each drill; the drills themselves run in the lab."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from provision.desired.timing import BROKER_START_TIME
from provision.drills.all_real_servers_down import AllRealServersDown
from provision.drills.assertions import verdict_text
from provision.drills.context import DrillContext, holder_of
from provision.drills.drill import Drill
from provision.drills.hand_over import Failback, HandOver, priority_boost
from provision.drills.keepalived_kill import KeepalivedKill
from provision.drills.keepalived_stop import KeepalivedStop
from provision.drills.link_down import LinkDown
from provision.drills.power_cut import PowerCut
from provision.drills.real_server_flap import RealServerFlap
from provision.drills.real_server_stop import RealServerStop
from provision.drills.real_server_without_vip import RealServerWithoutVip
from provision.drills.registry import DRILLS, NAMES
from provision.drills.result import Span
from provision.drills.vrrp_blocked import VrrpBlocked, directors_by_source
from provision.prober.measure import ConnectionStats
from provision.prober.record import Advert, Recording, Request
from provision.prober.wire import Answer, ByMac, MacOf, WhoHas
from tests.desired.test_timing import BROKERS
from tests.drills.building import VIP, new_context, observe, outcome
from tests.inventory.building import GROUPS, HOSTS, frontend, service, topology

DIRECTOR_DRILLS = [drill for drill in DRILLS if drill.of_directors]
QUICK = {"type": "tcp", "interval": 2, "timeout": 3, "retries": 1, "delay": 1}


def verdict(drill: Drill, context: DrillContext, **changes: Any) -> tuple[bool, tuple[str, ...]]:
    return verdict_text(drill.judge(context, outcome(context, **changes)))


def without_units(context: DrillContext) -> DrillContext:
    """The same hosts, with listeners that belong to no unit."""
    context.live_hosts = {
        host: replace(
            live, listeners=tuple(replace(listener, unit="") for listener in live.listeners)
        )
        for host, live in context.live_hosts.items()
    }
    return context


def test_the_drills_run_in_this_order() -> None:
    assert NAMES == (
        "hand-over",
        "failback",
        "keepalived-stop",
        "keepalived-kill",
        "link-down",
        "vrrp-blocked",
        "real-server-stop",
        "real-server-flap",
        "real-server-without-vip",
        "all-real-servers-down",
        "power-cut",
    )
    assert [drill.name for drill in DRILLS if drill.lab_only] == ["link-down", "power-cut"]


@pytest.mark.parametrize("drill", DIRECTOR_DRILLS, ids=lambda drill: drill.name)
def test_a_drill_of_directors_is_skipped_with_one_director(drill: type[Drill]) -> None:
    hosts = {name: HOSTS[name] for name in ("lvs1", "web1", "web2")}
    alone = topology([frontend()], hosts=hosts, groups={**GROUPS, "directors": ("lvs1",)})
    reason = drill().skip(new_context(site=alone))
    assert reason == "the front end has one director: none can take over"


def test_the_shipped_timing_gives_these_bounds() -> None:
    context = new_context()
    assert PowerCut().bound(context) == LinkDown().bound(context) == KeepalivedKill().bound(context)
    assert PowerCut().bound(context) == pytest.approx(0.7227, abs=0.0001)
    assert KeepalivedStop().bound(context) == pytest.approx(0.3227, abs=0.0001)
    assert HandOver().bound(context) == Failback().bound(context) == 0.2


def test_the_successor_is_the_other_director_with_the_highest_priority() -> None:
    hosts = {**HOSTS, "lvs3": {"ansible_host": "192.168.227.105"}}
    groups = {**GROUPS, "directors": ("lvs1", "lvs2", "lvs3")}
    three = topology([frontend(priorities={"lvs3": 120})], hosts=hosts, groups=groups)
    context = new_context(site=three)
    assert (context.holder, context.successor) == ("lvs3", "lvs1")


def test_a_takeover_has_settled_when_the_successor_alone_holds_all_addresses() -> None:
    context, drill = new_context(), PowerCut()
    assert not drill.settled(context)
    observe(context, {"lvs2": [VIP]}, at=1.0)
    assert not drill.settled(context)
    assert "192.168.227.10 is held by lvs1 and lvs2" in drill.unsettled(context)
    observe(context, {"lvs1": []}, at=2.0)
    assert drill.settled(context)


def test_a_takeover_within_its_bound_passes_and_a_longer_one_does_not() -> None:
    context = new_context()
    assert verdict(PowerCut(), context, outage_ms=720.0) == (True, ())
    ok, messages = verdict(PowerCut(), context, outage_ms=800.0)
    assert (ok, messages) == (False, ("the outage of 800 ms is longer than the bound of 723 ms",))


def test_lost_connections_wrong_tables_and_wrong_arp_answers_fail_a_takeover() -> None:
    context = new_context()
    assert verdict(PowerCut(), context, survivors=ConnectionStats(200, 0))[0] is False
    ok, messages = verdict(PowerCut(), context, returned=ConnectionStats(200, 150))
    assert (ok, messages) == (
        False,
        ("50 of 200 long-lived connections were lost during the return",),
    )
    ok, messages = verdict(PowerCut(), context, tables={"lvs1": {}, "lvs2": {}})
    assert (ok, messages) == (
        False,
        ("the IPVS table of lvs2 is not as intended after the takeover",),
    )
    mac = context.mac("lvs1")
    assert verdict(PowerCut(), context, answers=[Answer(WhoHas(VIP), (mac,))])[0] is False
    assert verdict(PowerCut(), context, answers=[Answer(MacOf(VIP), (context.mac("lvs2"),))]) == (
        True,
        (),
    )


def test_a_hand_over_raises_the_backups_priority_above_the_masters() -> None:
    assert priority_boost(new_context()) == 11
    high = topology([frontend(priorities={"lvs1": 250, "lvs2": 100})])
    assert priority_boost(new_context(site=high)) == 154
    full = new_context(site=topology([frontend(priorities={"lvs1": 254, "lvs2": 100})]))
    assert priority_boost(full) == 0
    assert "no room below 255" in HandOver().skip(full)


def test_a_hand_over_needs_preemption() -> None:
    nopreempt = topology([frontend(vrrp={"virtual_router_id": 10, "nopreempt": True})])
    assert "nopreempt" in HandOver().skip(new_context(site=nopreempt))
    assert PowerCut().skip(new_context(site=nopreempt)) == ""


def test_a_hand_over_that_lost_a_request_fails() -> None:
    context = new_context(site=topology([frontend(services=[service(scheduler="mh")])]))
    assert verdict(HandOver(), context, failed=1) == (False, ("1 of 2100 requests failed",))


def test_a_scheduler_that_cannot_promise_a_lossless_hand_over_is_named() -> None:
    context = new_context(site=topology([frontend(services=[service(scheduler="rr")])]))
    ok, messages = verdict(HandOver(), context, failed=1)
    assert not ok
    assert messages[1] == (
        "with `rr`, a handshake in progress during a hand-over is reset; "
        "with `mh` and `mh-port` it is not"
    )
    assert verdict(HandOver(), context) == (True, ())


def test_a_failback_ends_on_the_first_holder() -> None:
    context, drill = new_context(), Failback()
    assert drill.settled(context)
    assert not drill.prepared(context)
    observe(context, {"lvs1": [], "lvs2": [VIP]}, at=1.0)
    assert drill.prepared(context)
    assert not drill.settled(context)


def test_the_time_with_two_holders_after_a_kill_is_a_remark() -> None:
    context = new_context()
    spans = (Span("holder", "lvs1", VIP, -2.0, 1.2), Span("holder", "lvs2", VIP, 0.7, 10.0))
    assert verdict(KeepalivedKill(), context, spans=spans) == (
        True,
        ("two directors held the addresses for 500 ms",),
    )


def adverts(second_from: float) -> tuple[Advert, ...]:
    """Adverts of both directors every 0.2 s; the second director starts at `second_from`."""
    first = [Advert(number * 0.2, "192.168.227.101", 10, 100, 3) for number in range(-5, 40)]
    second = [
        Advert(second_from + number * 0.2, "192.168.227.102", 10, 99, 3) for number in range(20)
    ]
    return tuple(sorted((*first, *second), key=lambda advert: advert.at))


def test_split_brain_is_reported_within_three_adverts() -> None:
    context = new_context()
    ok, messages = verdict(VrrpBlocked(), context, recording=Recording((), adverts=adverts(0.75)))
    assert ok
    assert messages[0].startswith("split brain: lvs1 and lvs2 both advertise VRID 10; known ")
    assert directors_by_source(context)["192.168.227.102"] == "lvs2"


def test_split_brain_settles_when_both_hold_the_addresses_and_the_client_sees_both() -> None:
    class RecordingProber:
        def recording(self) -> Recording:
            return Recording((), adverts=adverts(0.75))

    context, drill = new_context(), VrrpBlocked()
    context.prober = cast(Any, RecordingProber())
    assert not drill.settled(context)
    assert "the fault had no effect: lvs2 did not become master" in drill.unsettled(context)
    observe(context, {"lvs2": [VIP]}, at=1.0)
    assert drill.settled(context)


def test_stopping_a_real_server_needs_a_unit_and_a_check() -> None:
    checked = topology([frontend(services=[service(check=QUICK)])])
    assert RealServerStop().skip(new_context(site=checked)) == ""
    assert RealServerStop().bound(new_context(site=checked)) == 9.0
    assert "no single systemd unit of web1" in RealServerStop().skip(
        without_units(new_context(site=checked))
    )
    unchecked = topology([frontend(services=[service(check=[])])])
    assert "no check of web1 would notice" in RealServerStop().skip(new_context(site=unchecked))


def test_a_stopped_real_server_must_be_removed_within_its_checks_bound() -> None:
    context = new_context(site=topology([frontend(services=[service(check=QUICK)])]))

    def out(lvs1: float, lvs2: float) -> tuple[Span, ...]:
        return (
            Span("health", "web1", "", lvs1, 12.0, "lvs1"),
            Span("health", "web1", "", lvs2, 12.0, "lvs2"),
        )

    ok, messages = verdict(RealServerStop(), context, spans=out(3.0, 4.5))
    assert (ok, messages) == (
        True,
        ("web1 was out of every table after 4.5 s; its check's bound is 9.0 s",),
    )
    ok, messages = verdict(RealServerStop(), context, spans=out(3.0, 9.5))
    assert not ok
    assert messages[0] == "lvs2 removed web1 after 9.5 s, later than its check's bound of 9.0 s"
    assert verdict(RealServerStop(), context, spans=()) == (False, ("web1 stayed in the table",))


def test_an_address_that_moves_during_a_drill_of_a_real_server_fails_it() -> None:
    moved = (Span("holder", "lvs2", VIP, 1.0, 10.0),)
    ok, messages = verdict(RealServerWithoutVip(), new_context(), spans=moved)
    assert (ok, messages) == (False, ("the addresses moved: 192.168.227.10 to lvs2",))


def test_the_black_hole_is_named_with_the_directors_that_do_not_notice_it() -> None:
    context, question = new_context(), ByMac(VIP, 80, "02:68:61:00:00:03")
    ok, messages = verdict(
        RealServerWithoutVip(), context, answers=[Answer(question, reply="silent")], spans=()
    )
    assert ok
    assert messages == (
        "black hole: web1 drops connections to 192.168.227.10 port 80; "
        "lvs1 and lvs2 keep it in the table, because their checks use its own address",
    )
    ok, messages = verdict(
        RealServerWithoutVip(), context, answers=[Answer(question, reply="syn-ack")], spans=()
    )
    assert not ok
    assert "the black hole was not found" in messages[0]


def test_the_black_hole_drill_is_skipped_with_nat() -> None:
    nat = topology([frontend(services=[service(forward="nat")])])
    assert "no VIP of their own" in RealServerWithoutVip().skip(new_context(site=nat))


class SameClockProber:
    """A prober with the controller's clock."""

    def to_client(self, moment: float) -> float:
        return moment


@pytest.mark.parametrize(
    ("error", "done", "expected"),
    [("refused", 0.01, True), ("timeout", 3.0, False), ("refused", 1.0, False)],
)
def test_clients_must_be_refused_at_once_when_no_real_server_is_left(
    error: str, done: float, expected: bool
) -> None:
    context, drill = (
        new_context(site=topology([frontend(services=[service(check=QUICK)])])),
        AllRealServersDown(),
    )
    context.prober = cast(Any, SameClockProber())
    drill._settled_at = 4.0
    requests = tuple(Request(0, 4.5 + number * 0.005, None, done, error) for number in range(100))
    assert verdict(drill, context, requests=requests, spans=())[0] is expected


def test_brokers_are_never_all_stopped_and_have_time_to_start() -> None:
    check = {"type": "kafka", "login": "check", "interval": 3, "timeout": 4}
    context = new_context(site=topology([frontend(services=[service(check=check)])], **BROKERS))
    assert "one Kafka cluster" in AllRealServersDown().skip(context)
    assert RealServerStop().skip(context) == "" == RealServerFlap().skip(context)
    assert (
        RealServerFlap().settle_timeout(context)
        > RealServerStop().settle_timeout(context) + BROKER_START_TIME
    )


def test_a_guard_waits_longer_where_a_real_servers_checks_are_slow() -> None:
    check = {"type": "kafka", "login": "check", "interval": 3, "timeout": 4}
    brokers = new_context(site=topology([frontend(services=[service(check=check)])], **BROKERS))
    assert (brokers.guard_seconds("web1"), brokers.guard_seconds("lvs1")) == (
        2 * (60 + 3 + 4 + 3),
        60,
    )
    quick = new_context(site=topology([frontend(services=[service(check=QUICK)])]))
    assert quick.guard_seconds("web1") == 60


def test_the_master_counts_as_the_holder_where_no_single_director_holds_all_addresses() -> None:
    first = topology([frontend()]).frontends[0]
    assert holder_of(first, [("lvs2",)]) == "lvs2"
    assert holder_of(first, [("lvs1", "lvs2")]) == "lvs1"
    assert holder_of(first, [()]) == "lvs1"
