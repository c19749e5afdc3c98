"""Rules about the VIPs: which hosts hold them, what removes them, and which hosts answer ARP."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.daemon import held_vips, is_stopped
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.doctor.vrrp import SPLIT_RULES
from provision.checks.verify.wire import Unavailable, vip_answers
from provision.hosts.live.kernel import arp, send_redirects
from provision.hosts.live.state import LiveHost
from provision.hosts.live.vips import holders, stray_lo_vips
from provision.prober.wire import WhoHas

MAX_REASON_AGE = 2.0
"""Seconds. An instance that leaves MASTER logs the reason at most that long before."""

_MANAGERS = ("systemd-networkd", "NetworkManager")


def sysctl_evidence(case: DoctorCase, host: str, name: str) -> Evidence:
    """Return the values of a kernel parameter for every interface."""
    lines = [line.strip() for line in case.traces[host].lines("files") if f"/{name}:" in line]
    command = f"grep -H '' /proc/sys/net/ipv4/conf/*/{name}"
    return Evidence(host, command, tuple(f"/{line}" for line in lines))


def _master_vips(live: LiveHost) -> list[str]:
    """Return the VIPs of the host's instances that are MASTER."""
    return [vip for instance in live.vrrp if instance.state == "MASTER" for vip in instance.vips]


@rule(
    "vip-by-hand",
    OUTAGE,
    "a VIP is only on hosts whose Keepalived is master",
    "RFC 5798 §1.1; keepalived issue 2649",
    scopes=(scope.hosts,),
    unless=("dead-holder", "keepalived-hung"),
)
def vip_by_hand(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.traces:
        live = case.snapshot.lives[host]
        master_vips = _master_vips(live)
        vips = [vip for vip in held_vips(case, host) if vip not in master_vips]
        is_director = host in case.directors
        if vips and not (is_director and is_stopped(case, host)):
            states = ", ".join(f"{instance.name} is {instance.state}" for instance in live.vrrp)
            cause = (
                "a person or a program other than Keepalived added it "
                f"({states or 'no Keepalived runs there'})"
            )
            fix = (
                f"`ip address del {vips[0]}/… dev …` there, "
                "and find out whether a program adds it at boot"
            )
            evidence = [case.address_evidence(host, *vips)]
            evidence += [case.vrrp_evidence(host)] if is_director else []
            symptom = f"holds {', '.join(vips)} without being master"
            yield Symptom(host, symptom, cause, fix, tuple(evidence))


@rule(
    "vip-removed",
    FAILOVER,
    "no program removes addresses that Keepalived added",
    "keepalived issues 836, 2564 (networkd, NetworkManager); "
    "measured: 2.2.7 goes BACKUP and comes back",
    scopes=(scope.directors,),
    unless=SPLIT_RULES,
)
def vip_removed(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = _unexplained_falls(case, host)
        live = case.snapshot.lives[host]
        missing = [vip for vip in _master_vips(live) if not live.holds(vip)]
        if not lines and not missing:
            continue
        manager = _address_manager(case, host)
        remover = f"{manager} removed it"
        if not manager:
            remover = "somebody removed it by hand: no other manager of addresses runs"
        cause = (
            f"{remover}; Keepalived leaves MASTER when one of its addresses disappears, "
            "and then becomes MASTER again"
        )
        fix = "find out who did it: `journalctl`, `ip monitor`"
        if manager:
            fix = (
                "configure it to leave foreign addresses alone: "
                "KeepConfiguration=yes, or an unmanaged device"
            )
        symptom = "it left MASTER, and its log gives no reason"
        if missing:
            symptom = f"is MASTER without {', '.join(missing)}"
        evidence = [case.log_evidence(host, lines)] if lines else []
        evidence += [case.address_evidence(host, *case.snapshot.vips())] if missing else []
        command = "systemctl is-active " + " ".join(_MANAGERS)
        evidence += [Evidence(host, command, tuple(case.traces[host].lines("managers")))]
        yield Symptom(host, symptom, cause, fix, tuple(evidence))


def _unexplained_falls(case: DoctorCase, host: str) -> list[LogLine]:
    """Return the log lines of ten minutes at which an instance left MASTER without a reason.

    A reason is an advert with a higher priority, or the state of the instance's sync group.
    """
    falls: list[LogLine] = []
    states: dict[str, str] = {}
    reason_times: dict[str, float] = {}
    for line in case.traces[host].recent_log(600):
        if line.text.startswith(("Reloading", "Stopping", "Starting")):
            reason_times["group"] = line.time
        match = re.match(r"(?:VRRP_Group)?\((\S+)\) (.*)", line.text)
        if line.program != "Keepalived_vrrp" or match is None:
            continue
        name, message = match.groups()
        entered = re.match(r"Entering (\w+) STATE$", message)
        if entered:
            reason_time = max(reason_times.get(name, 0), reason_times.get("group", 0))
            unexplained = line.time - reason_time > MAX_REASON_AGE
            if entered[1] == "BACKUP" and states.get(name) == "MASTER" and unexplained:
                falls.append(line)
            states[name] = entered[1]
        elif "higher" in message or "Syncing" in message:
            reason_times["group" if "Syncing" in message else name] = line.time
    return falls


def _address_manager(case: DoctorCase, host: str) -> str:
    """Return the active address manager that may remove foreign addresses; empty if none."""
    states = list(case.traces[host].lines("managers"))
    active = [
        name for name, state in zip(_MANAGERS, states, strict=False) if state.strip() == "active"
    ]
    keeps = any("KeepConfiguration" in line for line in case.traces[host].lines("networkd"))
    return next((name for name in active if not (name == "systemd-networkd" and keeps)), "")


@rule(
    "vip-nowhere",
    OUTAGE,
    "every VIP has a holder",
    "RFC 5798 §6.4",
    scopes=(),
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
    for frontend in case.snapshot.topology.frontends:
        unheld = [vip for vip, hosts in holders(frontend, case.snapshot.lives).items() if not hosts]
        if unheld and not case.snapshot.unseen(frontend):
            evidence = [
                item
                for director in frontend.directors
                for item in (
                    case.vrrp_evidence(director.host),
                    case.unit_evidence(director.host),
                )
            ]
            cause = "no director is master of it: compare the states of the directors"
            fix = "read the log of each director"
            yield Symptom("", f"nobody holds {', '.join(unheld)}", cause, fix, tuple(evidence))
    _require_holders(case)


def _require_holders(case: DoctorCase) -> None:
    """Check that the holders of all VIPs are known.

    Raises:
        Unavailable: no inspected host holds a VIP, and a director that may hold it is unseen.
    """
    for frontend in case.snapshot.topology.frontends:
        unseen = case.snapshot.unseen(frontend)
        for vip, hosts in holders(frontend, case.snapshot.lives).items():
            if not hosts and unseen:
                raise Unavailable(
                    f"the holder of {vip} is unknown: {' and '.join(unseen)} could not be inspected"
                )


@rule(
    "arp-flux",
    OUTAGE,
    "only the holder answers ARP for a VIP, and no real server sends ARP requests from it",
    "kernel ip-sysctl: max(all, interface) counts; LVS-HOWTO, LVS-DR",
    scopes=(scope.servers,),
)
def arp_flux(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in arp(case.snapshot, host):
            name = "arp_ignore" if "arp_ignore" in finding.evidence else "arp_announce"
            evidence = [sysctl_evidence(case, host, name)]
            evidence += [
                _arp_evidence(case, vip) for vip in case.snapshot.vips() if _is_answered(case, vip)
            ]
            symptom = (
                "clients reach this real server instead of the director, "
                "or lose the VIP again and again"
            )
            cause = f"it {finding.what} ({finding.evidence})"
            yield Symptom(host, symptom, cause, finding.fix, tuple(evidence))


@rule(
    "vip-elsewhere",
    OUTAGE,
    "no foreign host answers ARP for a VIP",
    "RFC 5227 (address conflicts)",
    scopes=(scope.directors,),
    unless=("arp-flux", "vip-by-hand", "stray-lo-vip", *SPLIT_RULES),
)
def vip_elsewhere(case: DoctorCase) -> Iterator[Symptom]:
    for vip in case.snapshot.vips():
        for finding in vip_answers(case.snapshot, case.wire, vip):
            if "does not hold it" in finding.what:
                symptom = f"two hosts answer for {vip}"
                evidence = (_arp_evidence(case, vip),)
                yield Symptom(finding.host, symptom, finding.what, finding.fix, evidence)
    _require_holders(case)


def _is_answered(case: DoctorCase, vip: str) -> bool:
    answer = case.wire.answers.get(WhoHas(vip))
    return answer is not None and not answer.problem


def _arp_evidence(case: DoctorCase, vip: str) -> Evidence:
    try:
        macs = case.wire.answer(WhoHas(vip)).macs
    except Unavailable:
        macs = ()
    lines = tuple(f"answer from {mac}" for mac in macs) or ("no answer",)
    return Evidence(case.wire.client, f"arping {vip}", lines)


@rule(
    "stale-arp",
    OUTAGE,
    "the client sends to the hardware address of the VIP's holder",
    "keepalived issues 166, 20; RFC 5798 §6.4.1 (gratuitous ARP)",
    scopes=(scope.directors, scope.clients),
    unless=("arp-flux", "vip-elsewhere", *SPLIT_RULES),
)
def stale_arp(case: DoctorCase) -> Iterator[Symptom]:
    clients = [host for host in case.snapshot.topology.clients if host in case.traces]
    if not clients:
        raise Unavailable("no client could be inspected")
    for frontend in case.snapshot.topology.frontends:
        for vip, hosts in holders(frontend, case.snapshot.lives).items():
            macs = {
                mac.lower() for host in hosts for mac in case.snapshot.lives[host].macs.values()
            }
            for client in clients:
                mac, line = case.traces[client].neighbours.get(vip, ("", ""))
                if mac and macs and mac not in macs:
                    symptom = f"it sends packets for {vip} to a host that does not hold it"
                    cause = (
                        f"its neighbour table has {mac}, but {hosts[0]} holds the VIP: "
                        "it missed a gratuitous ARP"
                    )
                    fix = (
                        f"`ip neigh del {vip} dev …` there; "
                        "`garp_master_refresh` repeats the announcement"
                    )
                    neighbour = Evidence(client, "ip neigh show", (line,))
                    holder = Evidence(hosts[0], "ip -o link", tuple(sorted(macs)))
                    yield Symptom(client, symptom, cause, fix, (neighbour, holder))
    _require_holders(case)


@rule(
    "stray-lo-vip",
    OUTAGE,
    "no director has a VIP on its loopback",
    "keepalived issues 2389, 2450; LVS-HOWTO",
    scopes=(scope.managed,),
)
def stray_lo_vip(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.traces:
        if host in case.snapshot.topology.managed():
            for finding in stray_lo_vips(case.snapshot, host):
                evidence = case.address_evidence(host, *case.snapshot.vips())
                cause = f"it {finding.what}"
                yield Symptom(host, finding.evidence, cause, finding.fix, (evidence,))


@rule(
    "redirects",
    FAILOVER,
    "no director sends ICMP redirects",
    "RFC 792; kernel ip-sysctl, send_redirects",
    scopes=(scope.directors,),
)
def redirects(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        evidence = sysctl_evidence(case, host, "send_redirects")
        for finding in send_redirects(case.snapshot, host):
            symptom = "clients stay on one real server, or lose the VIP"
            cause = (
                f"it redirects clients past itself, directly to a real server ({finding.evidence})"
            )
            yield Symptom(host, symptom, cause, finding.fix, (evidence,))
