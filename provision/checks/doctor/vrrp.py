"""Rules about directors that disagree: split brain and its causes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, NOTE, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.verify.wire import listening, own_vrids
from provision.hosts.live.state import VrrpInstance
from provision.hosts.live.vips import best_is_master
from provision.inventory.frontends import ResolvedFrontend

_VRRP = re.compile(r"\b(vrrp|112|224\.0\.0\.18|ff02::12)\b")
_DROPS = re.compile(r"\b(drop|reject)\b", re.IGNORECASE)
_REFUSAL = re.compile(
    r"wrong version|expecting \d+!|invalid passwd|interval mismatch|unexpected ip number count|"
    r"expected \d+ VIPs|not present in MASTER advert|invalid TTL"
)
SPLIT_RULES = (
    "vrrp-filtered",
    "vrrp-settings-differ",
    "vrid-clash",
    "vrrp-not-heard",
    "keepalived-hung",
    "dead-holder",
)
"""The rules that explain a split brain."""

MIN_STATE_CHANGES = 6
"""State changes in ten minutes from which on a director counts as flapping."""


def dropping_rules(lines: Iterable[str], pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Return the packet filter rules that match a pattern and drop packets.

    The lines are from `nft list ruleset` or iptables-save. Chain policies do not count.
    """
    rules = (line.strip() for line in lines)
    return tuple(
        line
        for line in rules
        if pattern.search(line) and _DROPS.search(line) and "policy" not in line
    )


def masters(case: DoctorCase, frontend: ResolvedFrontend) -> dict[str, list[str]]:
    """Return the directors that say they are MASTER, by instance."""
    hosts_by_instance: dict[str, list[str]] = {}
    for live, expected, instance in case.snapshot.instances(frontend):
        if instance and instance.state == "MASTER":
            hosts_by_instance.setdefault(expected.name, []).append(live.host)
    return hosts_by_instance


def split_brain(case: DoctorCase, frontend: ResolvedFrontend) -> str:
    """Return `lvs1 and lvs2 are both MASTER of VI_web`; empty without a split brain."""
    for name, hosts in masters(case, frontend).items():
        if len(hosts) > 1:
            quantity = "both" if len(hosts) == 2 else "all"
            return f"{' and '.join(hosts)} are {quantity} MASTER of {name}"
    return ""


@rule(
    "vrrp-filtered",
    OUTAGE,
    "no packet filter of a director drops VRRP",
    "RFC 5798 §5.1.1 (protocol 112); keepalived issues 821, 893",
    scopes=(scope.directors,),
)
def vrrp_filtered(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = dropping_rules(case.traces[host].lines("filters"), _VRRP)
        if not lines:
            continue
        frontends = case.snapshot.topology.directed_by(host)
        split = next(filter(None, (split_brain(case, frontend) for frontend in frontends)), "")
        symptom = (
            split or "it would not receive another director's adverts, or not send its own adverts"
        )
        cause = f"a packet filter of {host} drops VRRP: the directors do not hear each other"
        fix = "take that rule away; let protocol 112 through from the other directors"
        hosts = case.directors if split else (host,)
        evidence = [Evidence(host, "nft list ruleset", lines), *map(case.vrrp_evidence, hosts)]
        yield Symptom(host, symptom, cause, fix, tuple(evidence))


@rule(
    "vrrp-settings-differ",
    OUTAGE,
    "directors agree on VRID, version, advert interval and addresses, and refuse no advert",
    "RFC 5798 §7.1; measured: 10 of 13 such differences put the VIP on both",
    scopes=(scope.directors,),
    compares=True,
    unless=("vrrp-filtered", "vrid-clash"),
)
def vrrp_settings_differ(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.snapshot.topology.frontends:
        instances_by_name: dict[str, dict[str, VrrpInstance]] = {}
        for live, expected, instance in case.snapshot.instances(frontend):
            if instance:
                instances_by_name.setdefault(expected.name, {})[live.host] = instance
        load_time = max(_load_time(case, director.host) for director in frontend.directors)
        for name, instances in instances_by_name.items():
            differences = ", ".join(_differences(instances))
            refusals = {host: _refusals(case, host, name, load_time) for host in instances}
            lines = [line for host_lines in refusals.values() for line in host_lines]
            if not differences and not lines:
                continue
            details = differences or f"they refuse adverts: {lines[-1].text}"
            symptom = split_brain(case, frontend) or f"directors refuse adverts of {name}"
            cause = f"the directors' settings of {name} differ: {details}"
            fix = (
                "deploy to both; every director needs the same VRID, version, advert interval, "
                "addresses and password"
            )
            logs = (
                case.log_evidence(host, host_lines, 3)
                for host, host_lines in refusals.items()
                if host_lines
            )
            evidence = (*map(case.vrrp_evidence, instances), *logs)
            yield Symptom("", symptom, cause, fix, evidence)


def _differences(instances: dict[str, VrrpInstance]) -> Iterator[str]:
    """Yield the settings that differ: `version 3 on lvs1, 2 on lvs2`.

    The advert interval may differ between directors of VRRP version 3.
    """
    all_version_3 = all(instance.version == 3 for instance in instances.values())
    for field, label in (
        ("vrid", "VRID"),
        ("version", "version"),
        ("advert_int", "advert interval"),
        ("vips", "VIPs"),
    ):
        values = {host: _text(getattr(instance, field)) for host, instance in instances.items()}
        if len(set(values.values())) > 1 and not (field == "advert_int" and all_version_3):
            yield f"{label} " + ", ".join(f"{value} on {host}" for host, value in values.items())


def _text(value: float | tuple[str, ...]) -> str:
    return " ".join(sorted(value)) if isinstance(value, tuple) else f"{value:g}"


def _refusals(case: DoctorCase, host: str, name: str, load_time: float) -> list[LogLine]:
    """Return the log lines of the last minute about refused adverts of an instance.

    Lines before `load_time` are about older settings and do not count.
    """
    return [
        line
        for line in case.traces[host].recent_log(60)
        if line.time > load_time
        and line.text.startswith(f"({name})")
        and _REFUSAL.search(line.text)
    ]


def _load_time(case: DoctorCase, host: str) -> float:
    """Return when a director's Keepalived last read its file, by its log; 0 if unknown."""
    if host not in case.traces:
        return 0.0
    load_times = (
        line.time
        for line in case.traces[host].log
        if line.text.startswith(("Reloading", "Starting Keepalived v"))
    )
    return max(load_times, default=0.0)


@rule(
    "vrid-clash",
    OUTAGE,
    "no foreign router uses a VRID of the inventory",
    "RFC 5798 §5.2.3; keepalived issue 2444",
    scopes=(scope.directors,),
)
def vrid_clash(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.snapshot.topology.frontends:
        for finding in own_vrids(case.snapshot, case.wire, frontend):
            if "is no director" in finding.what:
                logs = (
                    case.log_evidence(host, _advert_log(case, host), 3) for host in case.directors
                )
                symptom = (
                    split_brain(case, frontend)
                    or f"the VIPs of {frontend.name} come and go, or are nowhere"
                )
                evidence = (_advert_evidence(case, frontend), *logs)
                yield Symptom("", symptom, finding.what, finding.fix, evidence)


def _advert_log(case: DoctorCase, host: str) -> list[LogLine]:
    return [line for line in case.traces[host].recent_log(60) if "advert" in line.text]


def _advert_evidence(case: DoctorCase, frontend: ResolvedFrontend) -> Evidence:
    """Return the adverts of a front end's VRID on the wire, by source, with their number."""
    adverts = case.wire.answer(listening(case.snapshot.topology.frontends)).adverts
    counts = Counter(
        f"{advert.source}: VRRPv{advert.version} VRID {advert.vrid} priority {advert.priority}"
        for advert in adverts
        if advert.vrid == frontend.vrrp.virtual_router_id
    )
    lines = tuple(f"{line}, {count} adverts" for line, count in counts.items())
    return Evidence(case.wire.client, "tcpdump -ni any vrrp", lines or ("(none)",))


@rule(
    "vrrp-not-heard",
    OUTAGE,
    "every instance has only one master",
    "RFC 5798 §6.4.2; keepalived issues 1367, 950 (clouds without multicast)",
    scopes=(scope.directors,),
    compares=True,
    unless=("vrrp-filtered", "vrrp-settings-differ", "vrid-clash", "keepalived-hung"),
)
def vrrp_not_heard(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.snapshot.topology.frontends:
        symptom = split_brain(case, frontend)
        if symptom:
            cause = (
                "their adverts do not reach each other, "
                "and no filter on the directors themselves explains it"
            )
            fix = (
                "look at the network between them: a switch's IGMP snooping, "
                "a cloud without multicast (use `unicast`)"
            )
            hosts = dict.fromkeys(
                host for hosts in masters(case, frontend).values() for host in hosts
            )
            yield Symptom("", symptom, cause, fix, tuple(map(case.vrrp_evidence, hosts)))


@rule(
    "handover-in-force",
    NOTE,
    "no hand-over is in force",
    "keepalived.conf(5), track_file",
    scopes=(scope.directors,),
)
def handover_in_force(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = tuple(line for line in case.traces[host].lines("handover") if line.strip())
        if lines:
            symptom = f"{host} has a higher priority than the inventory gives it"
            cause = (
                "a planned hand-over to it is in force: "
                "another director was drained, or a run with a hand-over was interrupted"
            )
            fix = "write 0 into that file to hand the VIPs back"
            files = Evidence(host, "grep '' /var/lib/hactl/handover/*", lines)
            yield Symptom(host, symptom, cause, fix, (files, case.vrrp_evidence(host)))


@rule(
    "not-preferred",
    NOTE,
    "the director with the highest priority is the master",
    "RFC 5798 §6.4.2",
    scopes=(scope.directors,),
    compares=True,
    unless=(*SPLIT_RULES, "handover-in-force"),
)
def not_preferred(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.snapshot.topology.frontends:
        for finding in best_is_master(case.snapshot, frontend):
            symptom = f"{finding.host} {finding.what}"
            cause = "the director with the higher priority does not preempt"
            hosts = [
                director.host for director in frontend.directors if director.host in case.traces
            ]
            evidence = tuple(map(case.vrrp_evidence, hosts))
            yield Symptom("", symptom, cause, finding.fix, evidence)


@rule(
    "vrrp-flapping",
    FAILOVER,
    "no director changed its state repeatedly in the last ten minutes",
    "keepalived issues 2066, 2238: a timer that expires on a machine that got no processor time",
    scopes=(scope.directors,),
    unless=("vip-removed", *SPLIT_RULES),
)
def vrrp_flapping(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        changes = [
            line
            for line in case.traces[host].recent_log(600)
            if re.search(r"Entering (MASTER|BACKUP) STATE$", line.text)
        ]
        if len(changes) >= MIN_STATE_CHANGES:
            symptom = f"it changed between MASTER and BACKUP {len(changes)} times in ten minutes"
            cause = (
                "adverts come too late for the advert interval: "
                "the machines stall, or the network drops adverts"
            )
            fix = (
                "raise `advert_int` (or `vrrp: down_timer_adverts`), give Keepalived "
                "`rt_priority`, look at steal time"
            )
            yield Symptom(host, symptom, cause, fix, (case.log_evidence(host, changes),))
