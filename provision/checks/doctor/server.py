"""Rules about real servers that pass the director's check but do not serve clients."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.address import sysctl_evidence
from provision.checks.doctor.evidence import DoctorCase
from provision.checks.doctor.registry import OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.verify.wire import ServerAddress, Unavailable, mac_of, served, serves_vip
from provision.hosts.live import kernel
from provision.hosts.live.service import listeners
from provision.hosts.live.vips import lo_vips
from provision.prober.wire import ByMac


@rule("host-unreachable", OUTAGE, "hactl can log in to every host", "ssh(1)", scopes=())
def host_unreachable(case: DoctorCase) -> Iterator[Symptom]:
    for host, error in case.errors.items():
        lines = tuple(error.splitlines())
        cause = lines[0].removeprefix(f"{host}: ")
        fix = (
            "check that it is on, that its network is up and that you can log in to it; "
            "the lines above are the whole error"
        )
        evidence = (Evidence(host, "ssh", lines),)
        yield Symptom(host, "its state is unknown", cause, fix, evidence)


@rule(
    "disk-full",
    OUTAGE,
    "every host has free space on its disks",
    "df(1); write(2), ENOSPC",
    scopes=(scope.hosts,),
)
def disk_full(case: DoctorCase) -> Iterator[Symptom]:
    for host, trace in case.traces.items():
        lines = tuple(trace.lines("full_disks"))
        if lines:
            mount_points = ", ".join(line.split(None, 5)[5] for line in lines)
            symptom = "writes there fail: a Kafka broker exits, and a deploy is refused"
            cause = f"no space is left on {mount_points}"
            fix = "free space (`du -x`), then start the services that exited: `systemctl --failed`"
            yield Symptom(host, symptom, cause, fix, (Evidence(host, "df -Pl", lines),))


def _syn_evidence(case: DoctorCase, host: str) -> Iterator[Evidence]:
    """Yield a real server's replies to a SYN for a VIP that the client sent to its MAC address."""
    mac = mac_of(case.snapshot, host)
    if not mac:
        return
    for server in served(case.snapshot.topology.frontends):
        answer = case.wire.answers.get(ByMac(server.address, server.port, mac))
        if server.host == host and answer and answer.reply:
            command = f"a SYN to {server} sent to that host's hardware address"
            line = f"{host} ({mac}): {answer.reply}"
            yield Evidence(case.wire.client, command, (line,))


@rule(
    "dsr-black-hole",
    OUTAGE,
    "every real server has its VIPs on the loopback",
    "LVS-HOWTO, LVS-DR; keepalived issue 306: the check of the server's own address passes",
    scopes=(scope.servers,),
)
def dsr_black_hole(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in lo_vips(case.snapshot, host):
            lines = case.traces[host].matching_lines("addresses", "lo")
            evidence = (
                Evidence(host, "ip -o address show dev lo", lines),
                *_syn_evidence(case, host),
            )
            symptom = "it never answers its connections, although the directors' checks pass"
            yield Symptom(host, symptom, f"it {finding.what}", finding.fix, evidence)


@rule(
    "service-on-rip",
    OUTAGE,
    "no service listens only on its real server's own address",
    "keepalived issue 306; ss(8)",
    scopes=(scope.servers,),
)
def service_on_rip(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in listeners(case.snapshot, host):
            if finding.what.startswith("listens on"):
                port = finding.what.rpartition(" ")[2]
                lines = case.traces[host].listening_lines(port)
                evidence = (
                    Evidence(host, f"ss -lntu | grep :{port}", lines),
                    *_syn_evidence(case, host),
                )
                symptom = "clients get a reset from it, although the directors' checks pass"
                yield Symptom(host, symptom, f"it {finding.what}", finding.fix, evidence)


@rule(
    "rp-filter",
    OUTAGE,
    "no real server drops requests by strict reverse-path filtering (rp_filter)",
    "RFC 3704; kernel ip-sysctl",
    scopes=(scope.servers,),
)
def rp_filter(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in kernel.rp_filter(case.snapshot, host):
            evidence = (sysctl_evidence(case, host, "rp_filter"), *_syn_evidence(case, host))
            symptom = "it drops requests whose answers would leave by another interface"
            cause = f"it {finding.what} ({finding.evidence})"
            yield Symptom(host, symptom, cause, finding.fix, evidence)


@rule(
    "forwarding-off",
    OUTAGE,
    "directors with NAT forward packets",
    "LVS-HOWTO, LVS-NAT; kernel ip-sysctl, ip_forward",
    scopes=(scope.directors,),
)
def forwarding_off(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        for finding in kernel.forwarding(case.snapshot, host):
            lines = tuple(line for line in case.traces[host].lines("files") if "forward" in line)
            evidence = Evidence(host, "grep -H '' /proc/sys/net/ipv4/ip_forward", lines)
            cause = f"{finding.what}: {finding.evidence}"
            yield Symptom(host, "clients' connections hang", cause, finding.fix, (evidence,))


@rule(
    "server-silent",
    OUTAGE,
    "every real server answers for the VIP when addressed by its hardware address",
    "seesaw issue 25: check the path that clients take",
    scopes=(scope.servers,),
    unless=("dsr-black-hole", "service-on-rip", "service-down", "rp-filter"),
)
def server_silent(case: DoctorCase) -> Iterator[Symptom]:
    reasons = []
    for server in served(case.snapshot.topology.frontends):
        try:
            yield from _silent_server(case, server)
        except Unavailable as reason:
            reasons.append(reason)
    if reasons:
        raise reasons[0]


def _silent_server(case: DoctorCase, server: ServerAddress) -> Iterator[Symptom]:
    for finding in serves_vip(case.snapshot, case.wire, server):
        trace = case.traces.get(server.host)
        drops = tuple(
            line.strip()
            for line in (trace.lines("filters") if trace else ())
            if " drop" in line or "reject" in line
        )
        evidence = list(_syn_evidence(case, server.host))
        evidence += [Evidence(server.host, "nft list ruleset", drops[:8])] if drops else []
        cause = "a packet filter there drops it" if drops else finding.evidence
        yield Symptom(server.host, f"it {finding.what}", cause, finding.fix, tuple(evidence))


@rule(
    "tunnel-black-hole",
    OUTAGE,
    "full-sized packets reach every real server behind a tunnel",
    "kube-router issue 630; LVS-HOWTO, LVS-Tun; "
    "RFC 2003 §3.1 (a tunnel's packets are not fragmented)",
    scopes=(scope.directors,),
)
def tunnel_black_hole(case: DoctorCase) -> Iterator[Symptom]:
    unknown = ""
    for host in case.directors:
        for line in case.traces[host].lines("tunnel_paths"):
            address, *results = line.split()
            if len(results) != 4:
                unknown = f"{host} has no ping(8)"
                continue
            device, mtu, small, large = results
            if small == "no":
                unknown = f"{host} gets no answer to a ping of {address}"
            elif large == "no":
                yield _path_mtu_symptom(case, host, address, device, int(mtu))
    if unknown:
        raise Unavailable(unknown)


def _path_mtu_symptom(case: DoctorCase, host: str, address: str, device: str, mtu: int) -> Symptom:
    hosts = case.snapshot.topology.hosts
    name = next(
        (server for server in case.real_servers if address in map(str, hosts[server].address)),
        address,
    )
    headers = 48 if ":" in address else 28
    small = Evidence(host, f"ping -c 2 -M do -s 56 {address}", ("an answer",))
    large = Evidence(
        host,
        f"ping -c 2 -M do -s {mtu - headers} {address}",
        (f"no answer; the MTU of {device} is {mtu}",),
    )
    symptom = f"large requests to {name} hang, small requests succeed"
    cause = (
        f"no packet of {mtu} bytes gets from {device} to {address}: "
        "a hop between has a smaller MTU and does not report it"
    )
    fix = (
        f"raise the MTU on that path, {name}'s own interface included, "
        f"or lower the MTU of {device} to the path's"
    )
    return Symptom(host, symptom, cause, fix, (small, large))
