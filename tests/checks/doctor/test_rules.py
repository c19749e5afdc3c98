"""Rules by example, above all those that a lab cannot show; a lab's faults are in `faults.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.checks.doctor.rules import RULES, diagnose
from provision.checks.doctor.text_output import report_lines
from provision.checks.verify.wire import WireAnswers
from provision.deploy.plan import Change
from provision.hosts.live.state import Listener, LiveUnit
from provision.hosts.protocol import LedgerEntry
from tests import REPOSITORY
from tests.checks.doctor.building import LAB, case, log, named, report
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, service, topology

VIP = "192.168.227.10"
LVS1, LVS2 = (healthy(LAB)[host] for host in ("lvs1", "lvs2"))
MASTER2 = {"vrrp": (replace(LVS2.vrrp[0], state="MASTER"),)}


def test_nothing_is_found_where_all_is_well_and_all_of_it_is_said() -> None:
    found = report()
    assert named(found) == []
    assert set(found.well) | set(found.unasked) == set(RULES)
    assert set(found.unasked) == {"vrid-clash", "vip-elsewhere", "server-silent", "stale-arp"}


def test_with_no_host_seen_no_rule_is_called_well() -> None:
    found = report(errors={host: f"{host}: no route to host" for host in LAB.hosts})
    assert {diagnosis.rule for diagnosis in found.diagnoses} == {"host-unreachable"}
    assert (dict(found.well), dict(found.partly)) == ({}, {})
    assert set(found.unasked) == set(RULES) - {"host-unreachable"}
    assert (found.json()["hosts_seen"], found.json()["hosts_total"]) == (0, len(LAB.hosts))


def test_what_was_seen_of_some_hosts_is_said_of_those_alone() -> None:
    found = report(errors={"lvs2": "lvs2: no route to host", "web2": "web2: no route to host"})
    assert found.partly["dead-holder"].seen == ("lvs1",) and found.partly[
        "dsr-black-hole"
    ].seen == ("web1",)
    assert found.partly["disk-full"].counted() == f"{len(LAB.hosts) - 2} of {len(LAB.hosts)} hosts"
    for compares in ("vrrp-not-heard", "not-preferred", "vrrp-settings-differ"):
        assert found.unasked[compares] == "1 of 2 hosts could be looked at, and it compares several"
    assert set(found.well) == {"vip-nowhere"}, "lvs1 is seen to hold the VIP"
    shown = "\n".join(line for line, _ in report_lines(found))
    assert "well on the 1 of 2 hosts seen: dead-holder" in shown
    assert "rules hold, " in shown and max(map(len, shown.splitlines())) <= 80


def test_who_holds_a_vip_is_unknown_while_a_director_that_may_was_not_seen() -> None:
    found = report(errors={"lvs1": "lvs1: no route to host"})
    why = f"who holds {VIP} is unknown: lvs1 could not be looked at"
    assert found.unasked["vip-nowhere"] == why


def test_a_host_seen_alone_still_shows_what_is_wrong_with_it() -> None:
    lines = log("(VI_web) wrong version. Received 2 and expect 3", begin=999)
    found = report({"lvs2": {"log": lines}}, errors={"lvs1": "lvs1: no route to host"})
    assert ("vrrp-settings-differ", "") in named(found)


def test_a_host_that_was_not_compared_with_the_inventory_is_not_what_it_says() -> None:
    whole = case()
    found = diagnose(replace(whole, changes={"lvs1": ()}))
    assert found.partly["config-edited"].unseen == {
        "lvs2": "it could not be compared with the inventory"
    }
    assert "config-edited" not in found.well
    assert not found.whole and not found.json()["ok"] and report().whole


def test_a_wire_that_could_not_be_asked_is_no_sign_that_all_is_well() -> None:
    found = diagnose(
        replace(case(), wire=WireAnswers("client", reason="the prober does not start", failed=True))
    )
    assert found.unasked["vrid-clash"] == "the prober does not start"
    assert not found.diagnoses and not found.json()["ok"]


def test_every_rule_says_where_it_is_known_from_and_what_is_well() -> None:
    for each in RULES.values():
        assert each.source and each.well and each.rank in (1, 2, 3)
        assert set(each.unless) <= set(RULES), each.id


def test_two_masters_and_nothing_on_the_hosts_that_explains_it() -> None:
    found = report(lvs2=MASTER2)
    assert named(found) == [("vrrp-not-heard", "")]
    clue = found.diagnoses[0].clue
    assert clue.symptom == "lvs1 and lvs2 are both MASTER of VI_web"
    assert ["MASTER" in line for evidence in clue.evidence for line in evidence.lines] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "rule",
    ["ip protocol vrrp drop", "meta l4proto 112 counter packets 7 bytes 280 drop", "-A INPUT -d 224.0.0.18/32 -j DROP",
     "ip6 daddr ff02::12 reject"],
)  # fmt: skip
def test_a_filter_explains_two_masters(rule: str) -> None:
    found = report({"lvs2": {"filters": ["table inet x {", f"    {rule}", "}"]}}, lvs2=MASTER2)
    assert named(found) == [("vrrp-filtered", "lvs2")]
    assert found.diagnoses[0].clue.evidence[0].lines == (rule,)


@pytest.mark.parametrize(
    "rule",
    ["ip protocol vrrp accept", "tcp dport 112 accept", "type filter hook input; policy drop"],
)
def test_a_filter_that_lets_vrrp_through_explains_nothing(rule: str) -> None:
    assert named(report({"lvs2": {"filters": [rule]}})) == []


@pytest.mark.parametrize(
    "text",
    ["(VI_web) received an invalid passwd!", "(VI_web) wrong version. Received 2 and expect 3",
     "(VI_web) advertisement interval mismatch mine=1 sec rcv'd=2 sec", "(VI_web) received a 0 auth, expecting 1!"],
)  # fmt: skip
def test_refused_adverts_explain_two_masters(text: str) -> None:
    found = report({"lvs2": {"log": log(text, begin=999)}}, lvs2=MASTER2)
    assert named(found) == [("vrrp-settings-differ", "")]
    assert text in str(found.diagnoses[0].clue)
    mended = {"lvs2": {"log": log(text, begin=990)}, "lvs1": {"log": log("Reloading", begin=995)}}
    assert named(report(mended)) == []
    silent = report(mended, lvs1={"vrrp": ()})  # also where that director now says nothing
    assert ("vrrp-settings-differ", "") not in named(silent)


def test_fault_and_what_it_is_for() -> None:
    fault = {"vrrp": (replace(LVS2.vrrp[0], state="FAULT"),), "carriers": {"eth0": False}}
    found = report({"lvs2": {"log": log("(VI_web) Entering FAULT STATE")}}, lvs2=fault)
    assert named(found) == [("fault-state", "lvs2")]
    assert found.diagnoses[0].clue.cause == "eth0 has no carrier"


FLAP = (
    "TCP_CHECK on service [192.168.227.103]:tcp:80 failed after 1 retries.",
    "Removing service [192.168.227.103]:tcp:80 from VS [192.168.227.10]:tcp:80",
    "TCP connection to [192.168.227.103]:tcp:80 success.",
    "Adding service [192.168.227.103]:tcp:80 to VS [192.168.227.10]:tcp:80",
)


def test_a_real_server_that_comes_and_goes() -> None:
    lines = log(*FLAP * 3, who="Keepalived_healthcheckers", step=1)
    found = report({"lvs1": {"log": lines}})
    assert named(found) == [("server-flapping", "lvs1")]
    assert found.diagnoses[0].clue.symptom == "web1 was taken out 3 times in ten minutes"


def test_a_keepalived_that_ended_three_times_took_nobody_out() -> None:
    lines = log(*FLAP[1:] * 3, who="Keepalived_healthcheckers", step=1)
    assert named(report({"lvs1": {"log": lines}})) == []


def test_a_check_that_fails_though_the_service_listens() -> None:
    lines = log(*FLAP[:2], who="Keepalived_healthcheckers", step=0.01)
    missing = {"ipvs_saved": tuple(line for line in LVS1.ipvs_saved if "103" not in line)}
    found = report({"lvs1": {"log": lines}}, lvs1=missing)
    assert named(found) == [("check-failing", "web1")]
    assert "TCP_CHECK failed after 1 retries" in str(found.diagnoses[0].clue.evidence)


def test_directors_that_change_again_and_again() -> None:
    turns = log(*("(VI_web) Entering MASTER STATE", "(VI_web) Master received advert with higher priority 100, ours 99",
                  "(VI_web) Entering BACKUP STATE") * 3, step=1)  # fmt: skip
    assert named(report({"lvs2": {"log": turns}})) == [("vrrp-flapping", "lvs2")]


def test_a_vip_that_was_taken_away_and_who_could_have_done_it() -> None:
    fall = log("(VI_web) Entering MASTER STATE", "(VI_web) Entering BACKUP STATE")
    by_hand = report({"lvs1": {"log": fall, "managers": ["inactive", "inactive"]}})
    assert named(by_hand) == [("vip-removed", "lvs1")]
    assert "by hand" in by_hand.diagnoses[0].clue.cause
    manager = report({"lvs1": {"log": fall, "managers": ["active", "inactive"]}})
    assert "systemd-networkd took it away" in manager.diagnoses[0].clue.cause


@pytest.mark.parametrize(
    "reason", ["(VI_web) Master received advert from 192.168.227.102 with higher priority 199, ours 100",
               "VRRP_Group(G) Syncing instances to BACKUP state", "Reloading"],
)  # fmt: skip
def test_a_fall_with_a_reason_is_none_of_that(reason: str) -> None:
    lines = log(
        "(VI_web) Entering MASTER STATE", reason, "(VI_web) Entering BACKUP STATE", step=0.01
    )
    assert named(report({"lvs1": {"log": lines}})) == []


def test_a_full_disk_of_any_host() -> None:
    line = "/dev/sdb1 10255636 10255636 0 100% /var/lib/kafka data"
    found = report({"web1": {"full_disks": [line]}})
    assert named(found) == [("disk-full", "web1")]
    assert found.diagnoses[0].clue.cause == "no room is left on /var/lib/kafka data"


def test_the_rules_about_kernels() -> None:
    old = {"release": ["4.18.0-553.el8"]}
    reuse = {"sysctls": {**LVS1.sysctls, "net.ipv4.vs.conn_reuse_mode": "1"}}
    assert named(report({"lvs1": old}, lvs1=reuse)) == [("conn-reuse", "lvs1")]
    assert named(report(lvs1=reuse)) == []
    assert named(report({"lvs1": {"ipvs_module": []}})) == [("no-ipvs", "lvs1")]
    nat = topology([frontend(services=[service(forward="nat")])])
    off = {"sysctls": {**healthy(nat)["lvs1"].sysctls, "net.ipv4.ip_forward": "0"}}
    assert ("forwarding-off", "lvs1") in named(report(of=nat, lvs1=off))


def test_a_parameter_that_holds_clients_to_a_dead_server() -> None:
    off = {
        f"net.ipv4.vs.{name}": "0" for name in ("expire_nodest_conn", "expire_quiescent_template")
    }
    printed = {"lvs1": {"files": ["proc/sys/net/ipv4/vs/expire_nodest_conn:0"]}}
    held = {"sysctls": {**LVS1.sysctls, **off}}
    found = report(printed, lvs1=held)
    assert named(found) == [("dead-server-held", "lvs1")], (
        "the second one matters to persistent clients alone"
    )
    assert found.diagnoses[0].clue.evidence[0].lines == (
        "proc/sys/net/ipv4/vs/expire_nodest_conn:0",
    )
    persistent = topology([frontend(services=[service(persistence_timeout=50)])])
    assert named(report(of=persistent, lvs1=held)) == [("dead-server-held", "lvs1")] * 2
    assert named(report(lvs1={"sysctls": dict.fromkeys(off, "1")})) == []


def paths(*lines: str) -> dict[str, dict[str, list[str]]]:
    return {"lvs1": {"tunnel_paths": list(lines)}}


def test_a_tunnel_whose_way_takes_no_full_sized_packet() -> None:
    found = report(paths("192.168.227.103 eth0 1500 yes no", "192.168.227.104 eth0 1500 yes yes"))
    assert named(found) == [("tunnel-black-hole", "lvs1")]
    clue = found.diagnoses[0].clue
    assert clue.symptom == "large requests to web1 hang, small ones pass"
    assert clue.evidence[1].command == "ping -c 2 -M do -s 1472 192.168.227.103"
    assert named(report(paths("192.168.227.103 eth0 1500 yes yes"))) == []


@pytest.mark.parametrize("line", ["192.168.227.104 eth0 1500 no no", "192.168.227.104 no-ping"])
def test_a_way_that_cannot_be_tried_is_not_judged_and_hides_no_other(line: str) -> None:
    assert named(report(paths(line))) == [] and "tunnel-black-hole" in report(paths(line)).unasked
    both = report(paths("192.168.227.103 eth0 1500 yes no", line))
    assert named(both) == [("tunnel-black-hole", "lvs1")] and "tunnel-black-hole" not in both.well


def test_what_left_the_inventory_and_not_the_host() -> None:
    ledger = LedgerEntry("address", "192.168.227.99/32")
    stale = Change("address", "192.168.227.99/32", "remove", "from lo", entry=ledger)
    found = report(changes={"web1": (stale, Change("file", "/etc/x", "update", "content"))})
    assert named(found) == [("left-behind", "web1")]
    assert found.diagnoses[0].clue.evidence[0].lines == ("- address 192.168.227.99/32  from lo",)


def test_an_address_added_by_hand_did_not_leave_the_inventory() -> None:
    stray = Change("address", "192.168.227.10/32", "remove", "from eth0: added by hand")
    assert named(report(changes={"web1": (stray,)})) == []


def test_strict_mode_and_selinux_and_hand_overs() -> None:
    assert named(report({"lvs1": {"strict": ["3:    vrrp_strict"]}})) == [("vrrp-strict", "lvs1")]
    denied = 'type=AVC msg=audit(1.2:3): avc:  denied  { name_connect } comm="keepalived"'
    assert named(report({"lvs1": {"denied": [denied]}})) == [("selinux-denied", "lvs1")]
    raised = {"lvs2": {"handover": ["/var/lib/hactl/handover/web:100"]}}
    assert named(report(raised)) == [("handover-in-force", "lvs2")]


def test_a_file_that_was_edited_says_more_than_that_it_is_not_loaded() -> None:
    edited = Change(
        "file",
        "/etc/keepalived/keepalived.conf",
        "update",
        "content",
        ("--- a", "+++ b", "-x", "+y"),
    )
    unit = Change("unit", "keepalived.service", "update", "reload")
    assert named(report(changes={"lvs1": (edited, unit)})) == [("config-edited", "lvs1")]
    assert named(report(changes={"lvs1": (unit,)})) == [("config-not-loaded", "lvs1")]


def test_a_director_that_cannot_be_reached_is_named_and_not_judged() -> None:
    found = report(errors={"lvs1": "lvs1: no route to host"})
    assert named(found) == [("host-unreachable", "lvs1")]
    assert found.errors == {"lvs1": "lvs1: no route to host"}


def test_a_stopped_keepalived_is_not_the_same_as_one_that_left_the_vip_behind() -> None:
    down = {
        "vrrp": (),
        "units": {"keepalived.service": LiveUnit("keepalived.service", "failed", "enabled")},
    }
    assert named(report(lvs2=down)) == [("keepalived-down", "lvs2")]
    assert ("dead-holder", "lvs1") in named(report(lvs1=down))
    assert ("keepalived-down", "lvs1") not in named(report(lvs1=down))


def test_the_worst_comes_first_and_no_line_is_too_wide() -> None:
    lines = log("(VI_web) Entering MASTER STATE", "(VI_web) Entering BACKUP STATE " + "x" * 200)
    printed = {
        "lvs1": {"filters": ["ip protocol 112 drop " + "y" * 90], "log": lines},
        "lvs2": {"release": ["4.1"]},
    }
    reuse = {"sysctls": {**LVS2.sysctls, "net.ipv4.vs.conn_reuse_mode": "1"}}
    found = report(printed, lvs2=reuse)
    assert [diagnosis.rank for diagnosis in found.diagnoses] == [1, 3]
    shown = [line for line, _ in report_lines(found)]
    assert max(map(len, shown)) <= 80
    assert shown[-1] == "2 causes were found; 36 of 42 rules hold, 4 unknown."


def test_words_of_evidence_are_whole_ones() -> None:
    trace = case(
        {"lvs1": {"addresses": [f"2: eth0 inet {VIP}/32", f"2: eth0 inet {VIP}1/32"]}}
    ).traces["lvs1"]
    assert trace.shown("addresses", VIP) == (f"2: eth0 inet {VIP}/32",)


def test_the_documents_name_every_rule() -> None:
    text = (REPOSITORY / "docs/doctor.md").read_text()
    assert [each for each in RULES if f"| `{each}` |" not in text] == []


def test_a_service_on_its_own_address_alone_is_shown_as_ss_shows_it() -> None:
    line = "tcp LISTEN 0 511 192.168.227.103:80 0.0.0.0:* cgroup:/system.slice/nginx.service"
    only = {"listeners": (Listener("tcp", "192.168.227.103", 80, "nginx.service", 4),)}
    found = report({"web1": {"listeners": [line, line.replace(":80 ", ":8080 ")]}}, web1=only)
    assert named(found) == [("service-on-rip", "web1")]
    assert found.diagnoses[0].clue.evidence[0].lines == (line,)
