"""Directors that do not agree: split brain and its causes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, NOTE, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.verify.wire import listening, own_vrids
from provision.hosts.live.state import VrrpInstance
from provision.hosts.live.vips import best_is_master
from provision.inventory.frontends import ResolvedFrontend
from provision.prober.record import Advert

_VRRP = re.compile(r"\b(vrrp|112|224\.0\.0\.18|ff02::12)\b")
_DROPS = re.compile(r"\b(drop|reject)\b", re.IGNORECASE)
_REFUSED = re.compile(
    r"wrong version|expecting \d+!|invalid passwd|interval mismatch|unexpected ip number count|expected \d+ VIPs|"
    r"not present in MASTER advert|invalid TTL"
)
SPLIT = (
    "vrrp-filtered",
    "vrrp-settings-differ",
    "vrid-clash",
    "vrrp-not-heard",
    "keepalived-hung",
    "dead-holder",
)


def dropping(lines: tuple[str, ...] | list[str], what: re.Pattern[str]) -> tuple[str, ...]:
    """The rules of a packet filter (nft list ruleset, iptables-save) that name something and drop it."""
    found = (line.strip() for line in lines)
    return tuple(
        line for line in found if what.search(line) and _DROPS.search(line) and "policy" not in line
    )


def masters(
    case: DoctorCase, frontend: ResolvedFrontend
) -> dict[str, list[tuple[str, VrrpInstance]]]:
    """The directors that say they are MASTER, by instance."""
    found: dict[str, list[tuple[str, VrrpInstance]]] = {}
    for live, wanted, own in case.seen.instances(frontend):
        if own and own.state == "MASTER":
            found.setdefault(wanted.name, []).append((live.host, own))
    return found


def split(case: DoctorCase, frontend: ResolvedFrontend) -> str:
    """`lvs1 and lvs2 are both MASTER of VI_web`; empty where it is one at most."""
    for name, who in masters(case, frontend).items():
        if len(who) > 1:
            hosts = [host for host, _ in who]
            return (
                f"{' and '.join(hosts)} are {'both' if len(hosts) == 2 else 'all'} MASTER of {name}"
            )
    return ""


@rule(
    "vrrp-filtered",
    OUTAGE,
    "no packet filter of a director drops VRRP",
    "RFC 5798 §5.1.1 (protocol 112); keepalived issues 821, 893",
    about=(scope.directors,),
)
def vrrp_filtered(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = dropping(list(case.traces[host].of("filters")), _VRRP)
        if not lines:
            continue
        split_brain = next(
            filter(None, (split(case, one) for one in case.seen.topology.directed_by(host))), ""
        )
        symptom = split_brain or "it would not hear another director's adverts, or not send its own"
        shown = Evidence(host, "nft list ruleset", lines)
        cause = f"a packet filter of {host} drops VRRP: the directors do not hear each other"
        fix = "take that rule away; let protocol 112 through from the other directors"
        told = [case.vrrp(each) for each in case.directors if split_brain or each == host]
        yield Symptom(host, symptom, cause, fix, (shown, *told))


@rule(
    "vrrp-settings-differ",
    OUTAGE,
    "directors agree on VRID, version, advert interval and addresses, and refuse no advert",
    "RFC 5798 §7.1; measured: 10 of 13 such differences put the VIP on both",
    about=(scope.directors,),
    compares=True,
    unless=("vrrp-filtered", "vrid-clash"),
)
def vrrp_settings_differ(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.seen.topology.frontends:
        told: dict[str, list[tuple[str, VrrpInstance]]] = {}
        for live, wanted, own in case.seen.instances(frontend):
            if own:
                told.setdefault(wanted.name, []).append((live.host, own))
        for name, each in told.items():
            differs = ", ".join(_differences(each))
            since = max(_loaded(case, director.host) for director in frontend.directors)
            refusals = {host: _refusals(case, host, name, since) for host, _ in each}
            lines = [line for found in refusals.values() for line in found]
            if not differs and not lines:
                continue
            what = differs or f"they refuse adverts: {lines[-1].text}"
            symptom = split(case, frontend) or f"adverts of {name} are refused"
            shown = tuple(case.vrrp(host) for host, _ in each)
            logs = tuple(case.logged(host, found, 3) for host, found in refusals.items() if found)
            cause = f"the directors' settings of {name} differ: {what}"
            fix = "deploy to both; the same VRID, version, advert interval, addresses and password belong on each"
            yield Symptom("", symptom, cause, fix, (*shown, *logs))


def _differences(each: list[tuple[str, VrrpInstance]]) -> Iterator[str]:
    def values(what: str) -> dict[str, str]:
        found = {}
        for host, own in each:
            value = getattr(own, what)
            found[host] = " ".join(sorted(value)) if isinstance(value, tuple) else f"{value:g}"
        return found

    for what, word in (
        ("vrid", "VRID"),
        ("version", "version"),
        ("advert_int", "advert interval"),
        ("vips", "VIPs"),
    ):
        shown = values(what)
        if len(set(shown.values())) > 1 and not (
            what == "advert_int" and all(own.version == 3 for _, own in each)
        ):
            yield f"{word} " + ", ".join(f"{value} on {host}" for host, value in shown.items())


def _refusals(case: DoctorCase, host: str, name: str, since: float) -> list[LogLine]:
    """What Keepalived has said about adverts it refused for an instance since a moment."""
    lines = (line for line in case.traces[host].lately(60) if line.at > since)
    return [
        line for line in lines if line.text.startswith(f"({name})") and _REFUSED.search(line.text)
    ]


def _loaded(case: DoctorCase, host: str) -> float:
    """When a director's Keepalived read its file last, by its log: what was said before is about other settings."""
    if host not in case.traces:
        return 0.0
    loads = (
        line.at
        for line in case.traces[host].log
        if line.text.startswith(("Reloading", "Starting Keepalived v"))
    )
    return max(loads, default=0.0)


@rule(
    "vrid-clash",
    OUTAGE,
    "the VRIDs on the wire are ours alone",
    "RFC 5798 §5.2.3; keepalived issue 2444",
    about=(scope.directors,),
)
def vrid_clash(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.seen.topology.frontends:
        for finding in own_vrids(case.seen, case.wire, frontend):
            if "is no director" in finding.what:
                shown = _adverts(case, frontend)
                logs = (
                    case.logged(
                        host,
                        [line for line in case.traces[host].lately(60) if "advert" in line.text],
                        3,
                    )
                    for host in case.directors
                )
                symptom = (
                    split(case, frontend)
                    or f"the VIPs of {frontend.name} come and go, or are nowhere"
                )
                yield Symptom("", symptom, finding.what, finding.fix, (shown, *logs))


def _adverts(case: DoctorCase, frontend: ResolvedFrontend) -> Evidence:
    heard = case.wire.answer(listening(case.seen.topology.frontends)).adverts
    ours = [advert for advert in heard if advert.vrid == frontend.vrrp.virtual_router_id]
    counts: dict[Advert, int] = {}
    for advert in ours:
        same = Advert(0, advert.source, advert.vrid, advert.priority, advert.version)
        counts[same] = counts.get(same, 0) + 1
    lines = tuple(
        f"{each.source}: VRRPv{each.version} VRID {each.vrid} priority {each.priority}, {count} adverts"
        for each, count in counts.items()
    )
    return Evidence(case.wire.client, "tcpdump -ni any vrrp", lines or ("(none)",))


@rule(
    "vrrp-not-heard",
    OUTAGE,
    "there is one master of each instance",
    "RFC 5798 §6.4.2; keepalived issues 1367, 950 (clouds without multicast)",
    about=(scope.directors,),
    compares=True,
    unless=("vrrp-filtered", "vrrp-settings-differ", "vrid-clash", "keepalived-hung"),
)
def vrrp_not_heard(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.seen.topology.frontends:
        symptom = split(case, frontend)
        if symptom:
            hosts = [host for who in masters(case, frontend).values() for host, _ in who]
            cause = "their adverts do not reach each other, and no filter on the directors themselves explains it"
            fix = "look at the network between them: a switch's IGMP snooping, a cloud without multicast (use `unicast`)"
            yield Symptom(
                "", symptom, cause, fix, tuple(case.vrrp(host) for host in dict.fromkeys(hosts))
            )


@rule(
    "handover-in-force",
    NOTE,
    "no hand-over is in force",
    "keepalived.conf(5), track_file",
    about=(scope.directors,),
)
def handover_in_force(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = tuple(line for line in case.traces[host].of("handover") if line.strip())
        if lines:
            symptom = f"{host} has a higher priority than the inventory gives it"
            cause = "a planned hand-over to it is in force: it was drained for, or a run that gave it died"
            fix = "write 0 into that file to give the addresses back"
            shown = Evidence(host, "grep '' /var/lib/hactl/handover/*", lines)
            yield Symptom(host, symptom, cause, fix, (shown, case.vrrp(host)))


@rule(
    "not-preferred",
    NOTE,
    "the director of the highest priority is the master",
    "RFC 5798 §6.4.2",
    about=(scope.directors,),
    compares=True,
    unless=(*SPLIT, "handover-in-force"),
)
def not_preferred(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.seen.topology.frontends:
        for finding in best_is_master(case.seen, frontend):
            shown = tuple(
                case.vrrp(each.host) for each in frontend.directors if each.host in case.traces
            )
            yield Symptom(
                "",
                f"{finding.host} {finding.what}",
                "the better one does not preempt",
                finding.fix,
                shown,
            )


@rule(
    "vrrp-flapping",
    FAILOVER,
    "no director changed its state again and again in the last ten minutes",
    "keepalived issues 2066, 2238: a timer that expires on a machine that was not given the processor",
    about=(scope.directors,),
    unless=("vip-removed", *SPLIT),
)
def vrrp_flapping(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        turns = [
            line
            for line in case.traces[host].lately(600)
            if re.search(r"Entering (MASTER|BACKUP) STATE$", line.text)
        ]
        if len(turns) >= 6:
            symptom = f"it changed between MASTER and BACKUP {len(turns)} times in ten minutes"
            cause = "adverts come too late for the advert interval: the machines stall, or the network drops them"
            fix = "raise `advert_int` (or `vrrp: down_timer_adverts`), give Keepalived `rt_priority`, look at steal time"
            yield Symptom(host, symptom, cause, fix, (case.logged(host, turns),))
