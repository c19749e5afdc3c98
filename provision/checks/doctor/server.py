"""Real servers that a director's check finds well and that serve nobody."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.address import parameters
from provision.checks.doctor.evidence import DoctorCase
from provision.checks.doctor.registry import OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.verify.wire import ServerAddress, Unavailable, mac_of, served, serves_vip
from provision.hosts.live import kernel
from provision.hosts.live.service import listeners
from provision.hosts.live.vips import lo_vips
from provision.prober.wire import ByMac


@rule("host-unreachable", OUTAGE, "every host can be logged in to", "ssh(1)", about=())
def host_unreachable(case: DoctorCase) -> Iterator[Symptom]:
    for host, error in case.errors.items():
        lines = tuple(error.splitlines())
        cause = lines[0].removeprefix(f"{host}: ")
        fix = "is it on, is its network up, and can you log in to it? the lines above are what was said"
        yield Symptom(
            host, "nothing can be said about it", cause, fix, (Evidence(host, "ssh", lines),)
        )


@rule(
    "disk-full",
    OUTAGE,
    "every host has room on its disks",
    "df(1); write(2), ENOSPC",
    about=(scope.hosts,),
)
def disk_full(case: DoctorCase) -> Iterator[Symptom]:
    for host, trace in case.traces.items():
        lines = tuple(trace.of("full_disks"))
        if lines:
            places = ", ".join(line.split(None, 5)[5] for line in lines)
            symptom = "what writes there fails: a Kafka broker ends itself, and a deploy is refused"
            fix = "make room (`du -x`), then start what ended: `systemctl --failed`"
            yield Symptom(
                host,
                symptom,
                f"no room is left on {places}",
                fix,
                (Evidence(host, "df -Pl", lines),),
            )


def _wire(case: DoctorCase, host: str) -> Iterator[Evidence]:
    """What the host itself answers when a connection to a VIP is put on the wire to it."""
    if not mac_of(case.seen, host):
        return
    for one in served(case.seen.topology.frontends):
        question = ByMac(one.address, one.port, mac_of(case.seen, host))
        answer = case.wire.answers.get(question) if one.host == host else None
        if answer and answer.reply:
            line = f"{one.host} ({question.mac}): {answer.reply}"
            yield Evidence(
                case.wire.client, f"a SYN to {one} sent to that host's hardware address", (line,)
            )


@rule(
    "dsr-black-hole",
    OUTAGE,
    "every real server has its VIPs on the loopback",
    "LVS-HOWTO, LVS-DR; keepalived issue 306: the check of the server's own address passes",
    about=(scope.servers,),
)
def dsr_black_hole(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in lo_vips(case.seen, host):
            shown = (
                Evidence(
                    host, "ip -o address show dev lo", case.traces[host].shown("addresses", "lo")
                ),
                *_wire(case, host),
            )
            symptom = (
                "the connections it is given are never answered, and the directors' checks pass"
            )
            yield Symptom(host, symptom, f"it {finding.what}", finding.fix, shown)


@rule(
    "service-on-rip",
    OUTAGE,
    "no service is bound to its real server's own address alone",
    "keepalived issue 306; ss(8)",
    about=(scope.servers,),
)
def service_on_rip(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in listeners(case.seen, host):
            if finding.what.startswith("listens on"):
                port = finding.what.rpartition(" ")[2]
                lines = case.traces[host].listening(port)
                shown = (Evidence(host, f"ss -lntu | grep :{port}", lines), *_wire(case, host))
                symptom = "clients get a reset from it, and the directors' checks pass"
                yield Symptom(host, symptom, f"it {finding.what}", finding.fix, shown)


@rule(
    "rp-filter",
    OUTAGE,
    "no real server drops requests by the way back (rp_filter)",
    "RFC 3704; kernel ip-sysctl",
    about=(scope.servers,),
)
def rp_filter(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in kernel.rp_filter(case.seen, host):
            shown = (parameters(case, host, "rp_filter"), *_wire(case, host))
            symptom = "it drops requests whose answers would leave by another interface"
            yield Symptom(
                host, symptom, f"it {finding.what} ({finding.evidence})", finding.fix, shown
            )


@rule(
    "forwarding-off",
    OUTAGE,
    "directors that translate addresses forward packets",
    "LVS-HOWTO, LVS-NAT; kernel ip-sysctl, ip_forward",
    about=(scope.directors,),
)
def forwarding_off(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        for finding in kernel.forwarding(case.seen, host):
            lines = tuple(line for line in case.traces[host].of("files") if "forward" in line)
            shown = Evidence(host, "grep -H '' /proc/sys/net/ipv4/ip_forward", lines)
            yield Symptom(
                host,
                "clients' connections hang",
                f"{finding.what}: {finding.evidence}",
                finding.fix,
                (shown,),
            )


@rule(
    "server-silent",
    OUTAGE,
    "every real server answers for the VIP when asked by its hardware address",
    "seesaw issue 25: check the path that clients take",
    about=(scope.servers,),
    unless=("dsr-black-hole", "service-on-rip", "service-down", "rp-filter"),
)
def server_silent(case: DoctorCase) -> Iterator[Symptom]:
    reasons = []
    for one in served(case.seen.topology.frontends):
        try:
            yield from _silent(case, one)
        except Unavailable as reason:
            reasons.append(reason)
    if reasons:
        raise reasons[0]


@rule(
    "tunnel-black-hole",
    OUTAGE,
    "full-sized packets get to every real server that is reached through a tunnel",
    "kube-router issue 630; LVS-HOWTO, LVS-Tun; RFC 2003 §3.1 (a tunnel's packets are not fragmented)",
    about=(scope.directors,),
)
def tunnel_black_hole(case: DoctorCase) -> Iterator[Symptom]:
    unknown = ""
    for host in case.directors:
        for line in case.traces[host].of("tunnel_paths"):
            address, *words = line.split()
            if len(words) != 4:
                unknown = f"{host} has no ping(8)"
                continue
            device, mtu, small, large = words
            if small == "no":
                unknown = f"{host} gets no answer to a ping of {address}"
            elif large == "no":
                yield _too_large(case, host, address, device, int(mtu))
    if unknown:
        raise Unavailable(unknown)


def _too_large(case: DoctorCase, host: str, address: str, device: str, mtu: int) -> Symptom:
    hosts = case.seen.topology.hosts
    name = next(
        (each for each in case.real_servers if address in map(str, hosts[each].address)), address
    )
    payload = mtu - (48 if ":" in address else 28)
    shown = (
        Evidence(host, f"ping -c 2 -M do -s 56 {address}", ("an answer",)),
        Evidence(
            host,
            f"ping -c 2 -M do -s {payload} {address}",
            (f"no answer; the MTU of {device} is {mtu}",),
        ),
    )
    cause = f"no packet of {mtu} bytes gets from {device} to {address}: something between takes less, and says nothing"
    fix = f"raise the MTU on that way, {name}'s own interface included, or lower that of {device} to what gets through"
    return Symptom(host, f"large requests to {name} hang, small ones pass", cause, fix, shown)


def _silent(case: DoctorCase, one: ServerAddress) -> Iterator[Symptom]:
    for finding in serves_vip(case.seen, case.wire, one):
        trace = case.traces.get(one.host)
        drops = (
            [line.strip() for line in trace.of("filters") if " drop" in line or "reject" in line]
            if trace
            else []
        )
        shown = list(_wire(case, one.host))
        shown += [Evidence(one.host, "nft list ruleset", tuple(drops[:8]))] if drops else []
        cause = "a packet filter there drops it" if drops else finding.evidence
        yield Symptom(one.host, f"it {finding.what}", cause, finding.fix, tuple(shown))
