"""What each drill makes of the front end and of what was recorded; the drills themselves run in the lab."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from provision.drills.vrrp_blocked import VrrpBlocked, sources
from provision.prober.measure import ConnectionStats
from provision.prober.record import Advert, Recording, Request
from provision.prober.wire import Answer, ByMac, MacOf, WhoHas
from tests.desired.test_timing import BROKERS
from tests.drills.building import VIP, outcome, see, stage
from tests.inventory.building import GROUPS, HOSTS, frontend, service, topology

DIRECTOR_DRILLS = [drill for drill in DRILLS if drill.of_directors]
QUICK = {"type": "tcp", "interval": 2, "timeout": 3, "retries": 1, "delay": 1}


def verdict(drill: Drill, made: DrillContext, **changes: Any) -> tuple[bool, tuple[str, ...]]:
    return verdict_text(drill.judge(made, outcome(made, **changes)))


def without_units(made: DrillContext) -> DrillContext:
    """The same hosts with listeners that no unit owns."""
    made.lives = {
        host: replace(live, listeners=tuple(replace(one, unit="") for one in live.listeners))
        for host, live in made.lives.items()
    }
    return made


def test_the_drills_in_their_order() -> None:
    assert NAMES == (
        "hand-over", "failback", "keepalived-stop", "keepalived-kill", "link-down", "vrrp-blocked", "real-server-stop",
        "real-server-flap", "real-server-without-vip", "all-real-servers-down", "power-cut",
    )  # fmt: skip
    assert [drill.name for drill in DRILLS if drill.lab_only] == ["link-down", "power-cut"]


@pytest.mark.parametrize("drill", DIRECTOR_DRILLS, ids=lambda drill: drill.name)
def test_one_director_has_no_successor(drill: type[Drill]) -> None:
    hosts = {name: HOSTS[name] for name in ("lvs1", "web1", "web2")}
    alone = topology([frontend()], hosts=hosts, groups={**GROUPS, "directors": ("lvs1",)})
    assert (
        drill().skip(stage(found=alone)) == "the front end has one director: nobody can take over"
    )


def test_bounds_of_the_shipped_timing() -> None:
    made = stage()
    assert PowerCut().bound(made) == LinkDown().bound(made) == KeepalivedKill().bound(made)
    assert PowerCut().bound(made) == pytest.approx(0.7227, abs=0.0001)
    assert KeepalivedStop().bound(made) == pytest.approx(0.3227, abs=0.0001)
    assert HandOver().bound(made) == Failback().bound(made) == 0.2


def test_the_successor_is_the_best_of_the_others() -> None:
    hosts = {**HOSTS, "lvs3": {"ansible_host": "192.168.227.105"}}
    groups = {**GROUPS, "directors": ("lvs1", "lvs2", "lvs3")}
    three = topology([frontend(priorities={"lvs3": 120})], hosts=hosts, groups=groups)
    made = stage(found=three)
    assert (made.holder, made.successor) == ("lvs3", "lvs1")


def test_a_takeover_has_settled_when_the_successor_alone_holds_every_address() -> None:
    made, drill = stage(), PowerCut()
    assert not drill.settled(made)
    see(made, 1.0, lvs2=[VIP])
    assert not drill.settled(made)
    assert "192.168.227.10 is held by lvs1 and lvs2" in drill.unsettled(made)
    see(made, 2.0, lvs1=[])
    assert drill.settled(made)


def test_a_takeover_within_its_bound_passes_and_a_longer_one_does_not() -> None:
    made = stage()
    assert verdict(PowerCut(), made, outage_ms=720.0) == (True, ())
    ok, messages = verdict(PowerCut(), made, outage_ms=800.0)
    assert (ok, messages) == (False, ("the outage of 800 ms is longer than the bound of 723 ms",))


def test_what_else_fails_a_takeover() -> None:
    made = stage()
    assert verdict(PowerCut(), made, survivors=ConnectionStats(200, 0))[0] is False
    ok, messages = verdict(PowerCut(), made, returned=ConnectionStats(200, 150))
    assert (ok, messages) == (False, ("50 of 200 long-lived connections were lost on the return",))
    ok, messages = verdict(PowerCut(), made, tables={"lvs1": {}, "lvs2": {}})
    assert (ok, messages) == (
        False,
        ("the IPVS table of lvs2 is not as intended after the takeover",),
    )
    mac = made.mac("lvs1")
    assert verdict(PowerCut(), made, answers=[Answer(WhoHas(VIP), (mac,))])[0] is False
    assert verdict(PowerCut(), made, answers=[Answer(MacOf(VIP), (made.mac("lvs2"),))]) == (
        True,
        (),
    )


def test_a_hand_over_raises_the_backup_above_the_master() -> None:
    assert priority_boost(stage()) == 11
    high = topology([frontend(priorities={"lvs1": 250, "lvs2": 100})])
    assert priority_boost(stage(found=high)) == 154
    full = stage(found=topology([frontend(priorities={"lvs1": 254, "lvs2": 100})]))
    assert priority_boost(full) == 0
    assert "no room below 255" in HandOver().skip(full)


def test_a_hand_over_needs_preemption() -> None:
    stays = topology([frontend(vrrp={"virtual_router_id": 10, "nopreempt": True})])
    assert "nopreempt" in HandOver().skip(stage(found=stays))
    assert PowerCut().skip(stage(found=stays)) == ""


def test_a_hand_over_that_lost_a_request_fails() -> None:
    made = stage(found=topology([frontend(services=[service(scheduler="mh")])]))
    assert verdict(HandOver(), made, failed=1) == (False, ("1 of 2100 requests failed",))


def test_a_scheduler_that_cannot_promise_a_lossless_hand_over_is_named() -> None:
    made = stage(found=topology([frontend(services=[service(scheduler="rr")])]))
    ok, messages = verdict(HandOver(), made, failed=1)
    assert not ok
    assert (
        messages[1]
        == "with `rr` a handshake that straddles a hand-over is reset; with `mh` and `mh-port` none is"
    )
    assert verdict(HandOver(), made) == (True, ())


def test_a_failback_ends_at_the_first_holder() -> None:
    made, drill = stage(), Failback()
    assert drill.settled(made)
    assert not drill.prepared(made)
    see(made, 1.0, lvs1=[], lvs2=[VIP])
    assert drill.prepared(made)
    assert not drill.settled(made)


def test_a_killed_keepalived_leaves_two_holders_for_a_while_and_that_is_said() -> None:
    made = stage()
    spans = (Span("holder", "lvs1", VIP, -2.0, 1.2), Span("holder", "lvs2", VIP, 0.7, 10.0))
    assert verdict(KeepalivedKill(), made, spans=spans) == (
        True,
        ("two directors held the addresses for 500 ms",),
    )


def adverts(second_from: float) -> tuple[Advert, ...]:
    """Both directors advertise every 0.2 s, the second one from a moment on."""
    first = [Advert(number * 0.2, "192.168.227.101", 10, 100, 3) for number in range(-5, 40)]
    second = [
        Advert(second_from + number * 0.2, "192.168.227.102", 10, 99, 3) for number in range(20)
    ]
    return tuple(sorted((*first, *second), key=lambda advert: advert.at))


def test_split_brain_is_named_within_three_adverts() -> None:
    made = stage()
    ok, messages = verdict(VrrpBlocked(), made, recording=Recording((), adverts=adverts(0.75)))
    assert ok
    assert messages[0].startswith("split brain: lvs1 and lvs2 both advertise VRID 10; known ")
    assert sources(made)["192.168.227.102"] == "lvs2"


def test_split_brain_settles_when_both_hold_the_addresses_and_the_wire_shows_it() -> None:
    class Heard:
        def recording(self) -> Recording:
            return Recording((), adverts=adverts(0.75))

    made, drill = stage(), VrrpBlocked()
    made.prober = Heard()  # type: ignore[assignment]
    assert not drill.settled(made)
    assert "did not take hold: lvs2 did not become master" in drill.unsettled(made)
    see(made, 1.0, lvs2=[VIP])
    assert drill.settled(made)


def test_a_real_server_can_be_stopped_where_a_unit_and_a_check_are_known() -> None:
    checked = topology([frontend(services=[service(check=QUICK)])])
    assert RealServerStop().skip(stage(found=checked)) == ""
    assert RealServerStop().bound(stage(found=checked)) == 9.0
    assert "no single systemd unit of web1" in RealServerStop().skip(
        without_units(stage(found=checked))
    )
    unchecked = topology([frontend(services=[service(check=[])])])
    assert "no check of web1 would notice" in RealServerStop().skip(stage(found=unchecked))


def test_a_dead_real_server_must_be_out_within_its_checks_bound() -> None:
    made = stage(found=topology([frontend(services=[service(check=QUICK)])]))

    def out(lvs1: float, lvs2: float) -> tuple[Span, ...]:
        return (
            Span("health", "web1", "", lvs1, 12.0, "lvs1"),
            Span("health", "web1", "", lvs2, 12.0, "lvs2"),
        )

    ok, messages = verdict(RealServerStop(), made, spans=out(3.0, 4.5))
    assert (ok, messages) == (
        True,
        ("web1 was out of every table after 4.5 s; its check's bound is 9.0 s",),
    )
    ok, messages = verdict(RealServerStop(), made, spans=out(3.0, 9.5))
    assert not ok
    assert messages[0] == "lvs2 took web1 out after 9.5 s, later than its check's bound of 9.0 s"
    assert verdict(RealServerStop(), made, spans=()) == (False, ("web1 stayed in the table",))


def test_an_address_that_moves_with_a_real_server_is_wrong() -> None:
    moved = (Span("holder", "lvs2", VIP, 1.0, 10.0),)
    ok, messages = verdict(RealServerWithoutVip(), stage(), spans=moved)
    assert (ok, messages) == (False, ("the addresses moved: 192.168.227.10 to lvs2",))


def test_the_black_hole_is_named_with_who_does_not_see_it() -> None:
    made, question = stage(), ByMac(VIP, 80, "02:68:61:00:00:03")
    ok, messages = verdict(
        RealServerWithoutVip(), made, answers=[Answer(question, reply="silent")], spans=()
    )
    assert ok
    assert messages == (
        "black hole: web1 drops what is sent to it for 192.168.227.10 port 80; lvs1 and lvs2 keep it in the table, as "
        "their checks ask its own address",
    )
    ok, messages = verdict(
        RealServerWithoutVip(), made, answers=[Answer(question, reply="syn-ack")], spans=()
    )
    assert not ok
    assert "the black hole was not found" in messages[0]


def test_nat_has_no_black_hole() -> None:
    nat = topology([frontend(services=[service(forward="nat")])])
    assert "no VIP of their own" in RealServerWithoutVip().skip(stage(found=nat))


class Clock:
    """A prober whose clock is the controller's."""

    def to_client(self, moment: float) -> float:
        return moment


@pytest.mark.parametrize(
    ("error", "done", "expected"),
    [("refused", 0.01, True), ("timeout", 3.0, False), ("refused", 1.0, False)],
)
def test_with_nobody_left_clients_are_told_so_at_once(
    error: str, done: float, expected: bool
) -> None:
    made, drill = (
        stage(found=topology([frontend(services=[service(check=QUICK)])])),
        AllRealServersDown(),
    )
    made.prober = Clock()  # type: ignore[assignment]
    drill._settled_at = 4.0
    requests = tuple(Request(0, 4.5 + number * 0.005, None, done, error) for number in range(100))
    assert verdict(drill, made, requests=requests, spans=())[0] is expected


def test_brokers_are_stopped_one_at_a_time_and_have_time_to_start() -> None:
    check = {"type": "kafka", "login": "check", "interval": 3, "timeout": 4}
    made = stage(found=topology([frontend(services=[service(check=check)])], **BROKERS))
    assert "one Kafka cluster" in AllRealServersDown().skip(made)
    assert RealServerStop().skip(made) == "" == RealServerFlap().skip(made)
    assert RealServerFlap().patience(made) > RealServerStop().patience(made) + BROKER_START_TIME


def test_a_guard_waits_for_a_real_server_whose_checks_are_slow() -> None:
    check = {"type": "kafka", "login": "check", "interval": 3, "timeout": 4}
    brokers = stage(found=topology([frontend(services=[service(check=check)])], **BROKERS))
    assert (brokers.guard("web1"), brokers.guard("lvs1")) == (2 * (60 + 3 + 4 + 3), 60)
    quick = stage(found=topology([frontend(services=[service(check=QUICK)])]))
    assert quick.guard("web1") == 60


def test_who_is_the_holder() -> None:
    one = topology([frontend()]).frontends[0]
    assert holder_of(one, [("lvs2",)]) == "lvs2"
    assert holder_of(one, [("lvs1", "lvs2")]) == "lvs1"
    assert holder_of(one, [()]) == "lvs1"
