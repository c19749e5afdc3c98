"""Examples of rules, above all those that a lab cannot show; `faults.py` has the lab's faults."""

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
from tests.checks.doctor.building import LAB, case, diagnosed, log, report
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, service, topology

VIP = "192.168.227.10"
LVS1, LVS2 = (healthy(LAB)[host] for host in ("lvs1", "lvs2"))
MASTER2 = {"vrrp": (replace(LVS2.vrrp[0], state="MASTER"),)}


def test_a_healthy_site_has_no_diagnosis_and_every_rule_is_reported() -> None:
    result = report()
    assert diagnosed(result) == []
    assert set(result.well) | set(result.unasked) == set(RULES)
    assert set(result.unasked) == {"vrid-clash", "vip-elsewhere", "server-silent", "stale-arp"}


def test_no_rule_is_well_if_no_host_was_seen() -> None:
    result = report(errors={host: f"{host}: no route to host" for host in LAB.hosts})
    assert {diagnosis.rule for diagnosis in result.diagnoses} == {"host-unreachable"}
    assert (dict(result.well), dict(result.partly)) == ({}, {})
    assert set(result.unasked) == set(RULES) - {"host-unreachable"}
    assert (result.json()["hosts_seen"], result.json()["hosts_total"]) == (0, len(LAB.hosts))


def test_a_rule_holds_only_for_the_hosts_that_were_seen() -> None:
    result = report(errors={"lvs2": "lvs2: no route to host", "web2": "web2: no route to host"})
    assert result.partly["dead-holder"].seen == ("lvs1",) and result.partly[
        "dsr-black-hole"
    ].seen == ("web1",)
    assert result.partly["disk-full"].counted() == f"{len(LAB.hosts) - 2} of {len(LAB.hosts)} hosts"
    for id in ("vrrp-not-heard", "not-preferred", "vrrp-settings-differ"):
        assert (
            result.unasked[id] == "1 of 2 hosts could be inspected, and the rule compares several"
        )
    assert set(result.well) == {"vip-nowhere"}, "lvs1 is seen to hold the VIP"
    shown = "\n".join(line for line, _ in report_lines(result))
    assert "well on the 1 of 2 hosts seen: dead-holder" in shown
    assert "rules hold, " in shown and max(map(len, shown.splitlines())) <= 80


def test_the_holder_of_a_vip_is_unknown_if_a_possible_holder_was_not_seen() -> None:
    result = report(errors={"lvs1": "lvs1: no route to host"})
    reason = f"the holder of {VIP} is unknown: lvs1 could not be inspected"
    assert result.unasked["vip-nowhere"] == reason


def test_a_single_seen_director_still_gets_its_diagnosis() -> None:
    lines = log("(VI_web) wrong version. Received 2 and expect 3", begin=999)
    result = report({"lvs2": {"log": lines}}, errors={"lvs1": "lvs1: no route to host"})
    assert ("vrrp-settings-differ", "") in diagnosed(result)


def test_a_host_without_a_comparison_does_not_count_as_matching_the_inventory() -> None:
    result = diagnose(replace(case(), changes={"lvs1": ()}))
    assert result.partly["config-edited"].unseen == {
        "lvs2": "it could not be compared with the inventory"
    }
    assert "config-edited" not in result.well
    assert not result.complete and not result.json()["ok"] and report().complete


def test_a_report_without_answers_from_the_wire_is_not_ok() -> None:
    result = diagnose(
        replace(case(), wire=WireAnswers("client", reason="the prober does not start", failed=True))
    )
    assert result.unasked["vrid-clash"] == "the prober does not start"
    assert not result.diagnoses and not result.json()["ok"]


def test_every_rule_has_a_source_and_a_condition() -> None:
    for rule in RULES.values():
        assert rule.source and rule.condition and rule.rank in (1, 2, 3)
        assert set(rule.unless) <= set(RULES), rule.id


def test_two_masters_without_an_explanation_on_the_hosts() -> None:
    result = report(lvs2=MASTER2)
    assert diagnosed(result) == [("vrrp-not-heard", "")]
    symptom = result.diagnoses[0].symptom
    assert symptom.symptom == "lvs1 and lvs2 are both MASTER of VI_web"
    assert ["MASTER" in line for evidence in symptom.evidence for line in evidence.lines] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "ip protocol vrrp drop",
        "meta l4proto 112 counter packets 7 bytes 280 drop",
        "-A INPUT -d 224.0.0.18/32 -j DROP",
        "ip6 daddr ff02::12 reject",
    ],
)
def test_a_filter_explains_two_masters(rule: str) -> None:
    result = report({"lvs2": {"filters": ["table inet x {", f"    {rule}", "}"]}}, lvs2=MASTER2)
    assert diagnosed(result) == [("vrrp-filtered", "lvs2")]
    assert result.diagnoses[0].symptom.evidence[0].lines == (rule,)


@pytest.mark.parametrize(
    "rule",
    ["ip protocol vrrp accept", "tcp dport 112 accept", "type filter hook input; policy drop"],
)
def test_a_filter_that_lets_vrrp_through_explains_nothing(rule: str) -> None:
    assert diagnosed(report({"lvs2": {"filters": [rule]}})) == []


@pytest.mark.parametrize(
    "text",
    [
        "(VI_web) received an invalid passwd!",
        "(VI_web) wrong version. Received 2 and expect 3",
        "(VI_web) advertisement interval mismatch mine=1 sec rcv'd=2 sec",
        "(VI_web) received a 0 auth, expecting 1!",
    ],
)
def test_refused_adverts_explain_two_masters(text: str) -> None:
    result = report({"lvs2": {"log": log(text, begin=999)}}, lvs2=MASTER2)
    assert diagnosed(result) == [("vrrp-settings-differ", "")]
    assert text in str(result.diagnoses[0].symptom)
    repaired = {"lvs2": {"log": log(text, begin=990)}, "lvs1": {"log": log("Reloading", begin=995)}}
    assert diagnosed(report(repaired)) == []
    silent = report(repaired, lvs1={"vrrp": ()})  # even if that director now says nothing
    assert ("vrrp-settings-differ", "") not in diagnosed(silent)


def test_a_fault_state_names_the_interface_without_carrier() -> None:
    fault = {"vrrp": (replace(LVS2.vrrp[0], state="FAULT"),), "carriers": {"eth0": False}}
    result = report({"lvs2": {"log": log("(VI_web) Entering FAULT STATE")}}, lvs2=fault)
    assert diagnosed(result) == [("fault-state", "lvs2")]
    assert result.diagnoses[0].symptom.cause == "eth0 has no carrier"


FLAP = (
    "TCP_CHECK on service [192.168.227.103]:tcp:80 failed after 1 retries.",
    "Removing service [192.168.227.103]:tcp:80 from VS [192.168.227.10]:tcp:80",
    "TCP connection to [192.168.227.103]:tcp:80 success.",
    "Adding service [192.168.227.103]:tcp:80 to VS [192.168.227.10]:tcp:80",
)


def test_a_flapping_real_server() -> None:
    lines = log(*FLAP * 3, program="Keepalived_healthcheckers", step=1)
    result = report({"lvs1": {"log": lines}})
    assert diagnosed(result) == [("server-flapping", "lvs1")]
    assert result.diagnoses[0].symptom.symptom == "web1 was removed 3 times in ten minutes"


def test_removals_at_keepalived_s_end_are_not_flapping() -> None:
    lines = log(*FLAP[1:] * 3, program="Keepalived_healthcheckers", step=1)
    assert diagnosed(report({"lvs1": {"log": lines}})) == []


def test_a_check_fails_although_the_service_listens() -> None:
    lines = log(*FLAP[:2], program="Keepalived_healthcheckers", step=0.01)
    missing = {"ipvs_saved": tuple(line for line in LVS1.ipvs_saved if "103" not in line)}
    result = report({"lvs1": {"log": lines}}, lvs1=missing)
    assert diagnosed(result) == [("check-failing", "web1")]
    assert "TCP_CHECK failed after 1 retries" in str(result.diagnoses[0].symptom.evidence)


def test_a_flapping_director() -> None:
    changes = log(
        *(
            "(VI_web) Entering MASTER STATE",
            "(VI_web) Master received advert with higher priority 100, ours 99",
            "(VI_web) Entering BACKUP STATE",
        )
        * 3,
        step=1,
    )
    assert diagnosed(report({"lvs2": {"log": changes}})) == [("vrrp-flapping", "lvs2")]


def test_a_removed_vip_and_the_likely_remover() -> None:
    fall = log("(VI_web) Entering MASTER STATE", "(VI_web) Entering BACKUP STATE")
    manual = report({"lvs1": {"log": fall, "managers": ["inactive", "inactive"]}})
    assert diagnosed(manual) == [("vip-removed", "lvs1")]
    assert "by hand" in manual.diagnoses[0].symptom.cause
    networkd = report({"lvs1": {"log": fall, "managers": ["active", "inactive"]}})
    assert "systemd-networkd removed it" in networkd.diagnoses[0].symptom.cause


@pytest.mark.parametrize(
    "reason",
    [
        "(VI_web) Master received advert from 192.168.227.102 with higher priority 199, ours 100",
        "VRRP_Group(G) Syncing instances to BACKUP state",
        "Reloading",
    ],
)
def test_a_logged_reason_explains_leaving_master(reason: str) -> None:
    lines = log(
        "(VI_web) Entering MASTER STATE", reason, "(VI_web) Entering BACKUP STATE", step=0.01
    )
    assert diagnosed(report({"lvs1": {"log": lines}})) == []


def test_a_full_disk_of_any_host() -> None:
    line = "/dev/sdb1 10255636 10255636 0 100% /var/lib/kafka data"
    result = report({"web1": {"full_disks": [line]}})
    assert diagnosed(result) == [("disk-full", "web1")]
    assert result.diagnoses[0].symptom.cause == "no space is left on /var/lib/kafka data"


def test_rules_about_kernels() -> None:
    old = {"release": ["4.18.0-553.el8"]}
    reuse = {"sysctls": {**LVS1.sysctls, "net.ipv4.vs.conn_reuse_mode": "1"}}
    assert diagnosed(report({"lvs1": old}, lvs1=reuse)) == [("conn-reuse", "lvs1")]
    assert diagnosed(report(lvs1=reuse)) == []
    assert diagnosed(report({"lvs1": {"ipvs_module": []}})) == [("no-ipvs", "lvs1")]
    nat = topology([frontend(services=[service(forward="nat")])])
    no_forwarding = {"sysctls": {**healthy(nat)["lvs1"].sysctls, "net.ipv4.ip_forward": "0"}}
    assert ("forwarding-off", "lvs1") in diagnosed(report(site=nat, lvs1=no_forwarding))


def test_a_kernel_parameter_that_keeps_clients_on_a_dead_server() -> None:
    off = {
        f"net.ipv4.vs.{name}": "0" for name in ("expire_nodest_conn", "expire_quiescent_template")
    }
    printed = {"lvs1": {"files": ["proc/sys/net/ipv4/vs/expire_nodest_conn:0"]}}
    held = {"sysctls": {**LVS1.sysctls, **off}}
    result = report(printed, lvs1=held)
    assert diagnosed(result) == [("dead-server-held", "lvs1")], (
        "the second parameter matters only to persistent clients"
    )
    assert result.diagnoses[0].symptom.evidence[0].lines == (
        "proc/sys/net/ipv4/vs/expire_nodest_conn:0",
    )
    persistent = topology([frontend(services=[service(persistence_timeout=50)])])
    assert diagnosed(report(site=persistent, lvs1=held)) == [("dead-server-held", "lvs1")] * 2
    assert diagnosed(report(lvs1={"sysctls": dict.fromkeys(off, "1")})) == []


def paths(*lines: str) -> dict[str, dict[str, list[str]]]:
    return {"lvs1": {"tunnel_paths": list(lines)}}


def test_a_tunnel_whose_path_drops_full_sized_packets() -> None:
    result = report(paths("192.168.227.103 eth0 1500 yes no", "192.168.227.104 eth0 1500 yes yes"))
    assert diagnosed(result) == [("tunnel-black-hole", "lvs1")]
    symptom = result.diagnoses[0].symptom
    assert symptom.symptom == "large requests to web1 hang, small requests succeed"
    assert symptom.evidence[1].command == "ping -c 2 -M do -s 1472 192.168.227.103"
    assert diagnosed(report(paths("192.168.227.103 eth0 1500 yes yes"))) == []


@pytest.mark.parametrize("line", ["192.168.227.104 eth0 1500 no no", "192.168.227.104 no-ping"])
def test_a_path_without_ping_answers_is_not_judged_and_hides_no_other_path(line: str) -> None:
    assert (
        diagnosed(report(paths(line))) == [] and "tunnel-black-hole" in report(paths(line)).unasked
    )
    both = report(paths("192.168.227.103 eth0 1500 yes no", line))
    assert (
        diagnosed(both) == [("tunnel-black-hole", "lvs1")] and "tunnel-black-hole" not in both.well
    )


def test_an_item_that_is_on_the_host_but_no_longer_in_the_inventory() -> None:
    ledger = LedgerEntry("address", "192.168.227.99/32")
    stale = Change("address", "192.168.227.99/32", "remove", "from lo", entry=ledger)
    result = report(changes={"web1": (stale, Change("file", "/etc/x", "update", "content"))})
    assert diagnosed(result) == [("left-behind", "web1")]
    assert result.diagnoses[0].symptom.evidence[0].lines == (
        "- address 192.168.227.99/32  from lo",
    )


def test_an_address_added_by_hand_was_never_in_the_inventory() -> None:
    stray = Change("address", "192.168.227.10/32", "remove", "from eth0: added by hand")
    assert diagnosed(report(changes={"web1": (stray,)})) == []


def test_strict_mode_selinux_and_hand_overs() -> None:
    assert diagnosed(report({"lvs1": {"strict": ["3:    vrrp_strict"]}})) == [
        ("vrrp-strict", "lvs1")
    ]
    denied = 'type=AVC msg=audit(1.2:3): avc:  denied  { name_connect } comm="keepalived"'
    assert diagnosed(report({"lvs1": {"denied": [denied]}})) == [("selinux-denied", "lvs1")]
    handover = {"lvs2": {"handover": ["/var/lib/hactl/handover/web:100"]}}
    assert diagnosed(report(handover)) == [("handover-in-force", "lvs2")]


def test_an_edited_file_hides_that_it_is_not_loaded() -> None:
    edited = Change(
        "file",
        "/etc/keepalived/keepalived.conf",
        "update",
        "content",
        ("--- a", "+++ b", "-x", "+y"),
    )
    unit = Change("unit", "keepalived.service", "update", "reload")
    assert diagnosed(report(changes={"lvs1": (edited, unit)})) == [("config-edited", "lvs1")]
    assert diagnosed(report(changes={"lvs1": (unit,)})) == [("config-not-loaded", "lvs1")]


def test_an_unreachable_director_is_diagnosed_and_not_judged() -> None:
    result = report(errors={"lvs1": "lvs1: no route to host"})
    assert diagnosed(result) == [("host-unreachable", "lvs1")]
    assert result.errors == {"lvs1": "lvs1: no route to host"}


def test_a_stopped_keepalived_differs_from_a_dead_holder() -> None:
    down = {
        "vrrp": (),
        "units": {"keepalived.service": LiveUnit("keepalived.service", "failed", "enabled")},
    }
    assert diagnosed(report(lvs2=down)) == [("keepalived-down", "lvs2")]
    assert ("dead-holder", "lvs1") in diagnosed(report(lvs1=down))
    assert ("keepalived-down", "lvs1") not in diagnosed(report(lvs1=down))


def test_the_worst_diagnosis_comes_first_and_no_line_is_too_wide() -> None:
    lines = log("(VI_web) Entering MASTER STATE", "(VI_web) Entering BACKUP STATE " + "x" * 200)
    printed = {
        "lvs1": {"filters": ["ip protocol 112 drop " + "y" * 90], "log": lines},
        "lvs2": {"release": ["4.1"]},
    }
    reuse = {"sysctls": {**LVS2.sysctls, "net.ipv4.vs.conn_reuse_mode": "1"}}
    result = report(printed, lvs2=reuse)
    assert [diagnosis.rank for diagnosis in result.diagnoses] == [1, 3]
    shown = [line for line, _ in report_lines(result)]
    assert max(map(len, shown)) <= 80
    assert shown[-1] == "2 causes were found; 36 of 42 rules hold, 4 unknown."


def test_evidence_matches_whole_words() -> None:
    trace = case(
        {"lvs1": {"addresses": [f"2: eth0 inet {VIP}/32", f"2: eth0 inet {VIP}1/32"]}}
    ).traces["lvs1"]
    assert trace.matching_lines("addresses", VIP) == (f"2: eth0 inet {VIP}/32",)


def test_the_document_lists_every_rule() -> None:
    text = (REPOSITORY / "docs/doctor.md").read_text()
    assert [id for id in RULES if f"| `{id}` |" not in text] == []


def test_a_service_on_the_real_server_s_own_address_is_shown_with_its_line_of_ss() -> None:
    line = "tcp LISTEN 0 511 192.168.227.103:80 0.0.0.0:* cgroup:/system.slice/nginx.service"
    only = {"listeners": (Listener("tcp", "192.168.227.103", 80, "nginx.service", 4),)}
    result = report({"web1": {"listeners": [line, line.replace(":80 ", ":8080 ")]}}, web1=only)
    assert diagnosed(result) == [("service-on-rip", "web1")]
    assert result.diagnoses[0].symptom.evidence[0].lines == (line,)
