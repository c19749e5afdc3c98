"""The virtual addresses: on whom, taken away by whom, answered by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.daemon import held, stopped
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.doctor.vrrp import SPLIT
from provision.checks.verify.wire import Unavailable, vip_answers
from provision.hosts.live.kernel import arp, send_redirects
from provision.hosts.live.vips import holders, stray_lo_vips
from provision.prober.wire import WhoHas

REASON = 2.0
"""Seconds before it leaves MASTER within which the reason for it is logged."""

_MANAGERS = ("systemd-networkd", "NetworkManager")


def parameters(case: DoctorCase, host: str, name: str) -> Evidence:
    """The values of a kernel parameter for every interface."""
    lines = [line.strip() for line in case.traces[host].of("files") if f"/{name}:" in line]
    return Evidence(
        host, f"grep -H '' /proc/sys/net/ipv4/conf/*/{name}", tuple(f"/{line}" for line in lines)
    )


@rule(
    "vip-by-hand",
    OUTAGE,
    "a VIP is only where a Keepalived that is master put it",
    "RFC 5798 §1.1; keepalived issue 2649",
    about=(scope.hosts,),
    unless=("dead-holder", "keepalived-hung"),
)
def vip_by_hand(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.traces:
        live = case.seen.lives[host]
        masters = {vip for own in live.vrrp if own.state == "MASTER" for vip in own.vips}
        vips = [vip for vip in held(case, host) if vip not in masters]
        if vips and not (host in case.directors and stopped(case, host)):
            states = (
                ", ".join(f"{own.name} is {own.state}" for own in live.vrrp)
                or "no Keepalived runs there"
            )
            cause = f"somebody or something other than Keepalived added it ({states})"
            fix = f"`ip address del {vips[0]}/… dev …` there; what adds it at boot?"
            shown = [case.addresses(host, *vips)]
            shown += [case.vrrp(host)] if host in case.directors else []
            yield Symptom(
                host, f"holds {', '.join(vips)} without being master", cause, fix, tuple(shown)
            )


@rule(
    "vip-removed",
    FAILOVER,
    "nobody takes addresses away from Keepalived",
    "keepalived issues 836, 2564 (networkd, NetworkManager); measured: 2.2.7 goes BACKUP and comes back",
    about=(scope.directors,),
    unless=SPLIT,
)
def vip_removed(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = _silent_falls(case, host)
        missing = _missing(case, host)
        if not lines and not missing:
            continue
        active = _manager(case, host)
        cause = (
            f"{active} took it away"
            if active
            else "somebody took it off by hand: no other manager of addresses runs"
        )
        cause += "; Keepalived gives up being master when an address of its vanishes, and then takes it again"
        fix = "let it leave foreign addresses alone: KeepConfiguration=yes, or an unmanaged device"
        shown = [case.logged(host, lines)] if lines else []
        shown += [case.addresses(host, *case.seen.vips())] if missing else []
        shown += [
            Evidence(
                host,
                "systemctl is-active " + " ".join(_MANAGERS),
                tuple(case.traces[host].of("managers")),
            )
        ]
        symptom = (
            f"is MASTER without {', '.join(missing)}"
            if missing
            else "it left MASTER with no reason in its log"
        )
        yield Symptom(
            host,
            symptom,
            cause,
            fix if active else "find out who: `journalctl`, `ip monitor`",
            tuple(shown),
        )


def _silent_falls(case: DoctorCase, host: str) -> list[LogLine]:
    """The times in ten minutes that an instance left MASTER although no better advert came and no group told it to."""
    found: list[LogLine] = []
    state: dict[str, str] = {}
    reason: dict[str, float] = {}
    for line in case.traces[host].lately(600):
        if line.text.startswith(("Reloading", "Stopping", "Starting")):
            reason["group"] = line.at
        match = re.match(r"(?:VRRP_Group)?\((\S+)\) (.*)", line.text)
        if line.who != "Keepalived_vrrp" or match is None:
            continue
        name, words = match.groups()
        entered = re.match(r"Entering (\w+) STATE$", words)
        if entered:
            alone = line.at - max(reason.get(name, 0), reason.get("group", 0)) > REASON
            if entered[1] == "BACKUP" and state.get(name) == "MASTER" and alone:
                found.append(line)
            state[name] = entered[1]
        elif "higher" in words or "Syncing" in words:
            reason["group" if "Syncing" in words else name] = line.at
    return found


def _missing(case: DoctorCase, host: str) -> list[str]:
    live = case.seen.lives[host]
    return [
        vip for own in live.vrrp if own.state == "MASTER" for vip in own.vips if not live.holds(vip)
    ]


def _manager(case: DoctorCase, host: str) -> str:
    states = list(case.traces[host].of("managers"))
    active = [
        name for name, state in zip(_MANAGERS, states, strict=False) if state.strip() == "active"
    ]
    kept = any("KeepConfiguration" in line for line in case.traces[host].of("networkd"))
    return next((name for name in active if not (name == "systemd-networkd" and kept)), "")


@rule(
    "vip-nowhere",
    OUTAGE,
    "every VIP is held by somebody",
    "RFC 5798 §6.4",
    about=(),
    unless=(
        "vrid-clash",
        "keepalived-down",
        "keepalived-hung",
        "fault-state",
        "vip-removed",
        "no-ipvs",
    ),
)
def vip_nowhere(case: DoctorCase) -> Iterator[Symptom]:
    for frontend in case.seen.topology.frontends:
        known = [each.host for each in frontend.directors]
        empty = [vip for vip, hosts in holders(frontend, case.seen.lives).items() if not hosts]
        if empty and not case.seen.unseen(frontend):
            shown = [evidence for host in known for evidence in (case.vrrp(host), case.unit(host))]
            cause = "no director is master of it: see what each says it is"
            yield Symptom(
                "",
                f"nobody holds {', '.join(empty)}",
                cause,
                "look at the log of each director",
                tuple(shown),
            )
    _require_holders(case)


def _require_holders(case: DoctorCase) -> None:
    """Raise NotAsked where nobody was seen to hold a VIP, and a director that may hold it was not seen."""
    for frontend in case.seen.topology.frontends:
        unseen = case.seen.unseen(frontend)
        for vip, hosts in holders(frontend, case.seen.lives).items():
            if not hosts and unseen:
                raise Unavailable(
                    f"who holds {vip} is unknown: {' and '.join(unseen)} could not be looked at"
                )


@rule(
    "arp-flux",
    OUTAGE,
    "only the holder answers ARP for a VIP, and no real server asks in its name",
    "kernel ip-sysctl: max(all, interface) counts; LVS-HOWTO, LVS-DR",
    about=(scope.servers,),
)
def arp_flux(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in arp(case.seen, host):
            name = "arp_ignore" if "arp_ignore" in finding.evidence else "arp_announce"
            shown = [parameters(case, host, name)]
            shown += [_answers(case, vip) for vip in case.seen.vips() if _asked(case, vip)]
            symptom = "clients reach this real server in place of the director, or lose the VIP again and again"
            yield Symptom(
                host, symptom, f"it {finding.what} ({finding.evidence})", finding.fix, tuple(shown)
            )


@rule(
    "vip-elsewhere",
    OUTAGE,
    "no stranger answers ARP for a VIP",
    "RFC 5227 (address conflicts)",
    about=(scope.directors,),
    unless=("arp-flux", "vip-by-hand", "stray-lo-vip", *SPLIT),
)
def vip_elsewhere(case: DoctorCase) -> Iterator[Symptom]:
    for vip in case.seen.vips():
        for finding in vip_answers(case.seen, case.wire, vip):
            if "does not hold it" in finding.what:
                yield Symptom(
                    finding.host,
                    f"{vip} answers from two places",
                    finding.what,
                    finding.fix,
                    (_answers(case, vip),),
                )
    _require_holders(case)


def _asked(case: DoctorCase, vip: str) -> bool:
    answer = case.wire.answers.get(WhoHas(vip))
    return answer is not None and not answer.problem


def _answers(case: DoctorCase, vip: str) -> Evidence:
    try:
        macs = case.wire.answer(WhoHas(vip)).macs
    except Unavailable:
        macs = ()
    return Evidence(
        case.wire.client,
        f"arping {vip}",
        tuple(f"answer from {mac}" for mac in macs) or ("no answer",),
    )


@rule(
    "stale-arp",
    OUTAGE,
    "the client sends to the holder's hardware address",
    "keepalived issues 166, 20; RFC 5798 §6.4.1 (gratuitous ARP)",
    about=(scope.directors, scope.clients),
    unless=("arp-flux", "vip-elsewhere", *SPLIT),
)
def stale_arp(case: DoctorCase) -> Iterator[Symptom]:
    clients = [host for host in case.seen.topology.clients if host in case.traces]
    if not clients:
        raise Unavailable("there is no client to look at")
    for frontend in case.seen.topology.frontends:
        for vip, hosts in holders(frontend, case.seen.lives).items():
            macs = {mac.lower() for host in hosts for mac in case.seen.lives[host].macs.values()}
            for client in clients:
                mac, line = case.traces[client].neighbours.get(vip, ("", ""))
                if mac and macs and mac not in macs:
                    shown = Evidence(client, "ip neigh show", (line,))
                    right = Evidence(hosts[0], "ip -o link", tuple(sorted(macs)))
                    cause = f"its neighbour table has {mac}, and {hosts[0]} holds the address: a gratuitous ARP was missed"
                    fix = f"`ip neigh del {vip} dev …` there; `garp_master_refresh` repeats the announcement"
                    yield Symptom(
                        client, f"it sends what is for {vip} to nobody", cause, fix, (shown, right)
                    )
    _require_holders(case)


@rule(
    "stray-lo-vip",
    OUTAGE,
    "no director has a VIP on its loopback",
    "keepalived issues 2389, 2450; LVS-HOWTO",
    about=(scope.managed,),
)
def stray_lo_vip(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.traces:
        if host in case.seen.topology.managed():
            for finding in stray_lo_vips(case.seen, host):
                shown = case.addresses(host, *case.seen.vips())
                yield Symptom(host, finding.evidence, f"it {finding.what}", finding.fix, (shown,))


@rule(
    "redirects",
    FAILOVER,
    "no director sends ICMP redirects",
    "RFC 792; kernel ip-sysctl, send_redirects",
    about=(scope.directors,),
)
def redirects(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        shown = parameters(case, host, "send_redirects")
        for finding in send_redirects(case.seen, host):
            cause = f"it tells clients of a way past it, to one real server ({finding.evidence})"
            yield Symptom(
                host,
                "clients stick to one real server, or lose the VIP",
                cause,
                finding.fix,
                (shown,),
            )
