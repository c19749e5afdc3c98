"""Rules about Keepalived itself: not running, hung, in FAULT, refused scripts and more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.evidence import DoctorCase
from provision.checks.doctor.registry import FAILOVER, NOTE, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.hosts.live.vrrp import UNIT, instances

CONFIG = "/etc/keepalived/keepalived.conf"
_SECURITY = re.compile(
    r"SECURITY VIOLATION|Unsafe permissions|[Dd]isabling (track|misc|notify)? ?script|"
    r"not executable for uid|check_script_secure|[Ss]cript user '.*' does not exist|"
    r"Unable to set default user"
)
_TRACKED = re.compile(r"VRRP_Script|Script `|track|Interface|interface|FAULT|BFD|Quorum|process")


def is_stopped(case: DoctorCase, host: str) -> bool:
    """Whether a director's Keepalived does not run."""
    unit = case.snapshot.lives[host].units.get(UNIT)
    return unit is None or unit.active not in ("active", "reloading", "activating")


def held_vips(case: DoctorCase, host: str) -> list[str]:
    """Return the VIPs that a host has on an interface other than the loopback."""
    return [vip for vip in case.snapshot.vips() if case.snapshot.lives[host].holds(vip)]


@rule(
    "dead-holder",
    OUTAGE,
    "Keepalived runs on every host that holds a VIP",
    "keepalived issues 2361, 1772: kill -9 leaves the VIP and the IPVS table behind",
    scopes=(scope.directors,),
)
def dead_holder(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        vips = held_vips(case, host)
        if vips and is_stopped(case, host):
            symptom = (
                f"holds {', '.join(vips)}, "
                "and nothing would remove them when another director takes them over"
            )
            cause = "its Keepalived ended without removing the VIPs, or somebody added them by hand"
            fix = "`systemctl start keepalived` there, or remove the address: `ip address del`"
            evidence = (case.address_evidence(host, *vips), case.unit_evidence(host))
            yield Symptom(host, symptom, cause, fix, evidence)


@rule(
    "keepalived-down",
    FAILOVER,
    "Keepalived runs on every director",
    "keepalived(8)",
    scopes=(scope.directors,),
    unless=("dead-holder", "no-ipvs"),
)
def keepalived_down(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if is_stopped(case, host):
            unit = case.unit_evidence(host)
            state = next(
                (line for line in unit.lines if line.startswith("ActiveState=")), "no such unit"
            )
            symptom = "it would take over no address"
            cause = f"its Keepalived does not run ({state})"
            fix = "read its last log lines above, then `systemctl start keepalived` there"
            log = case.log_evidence(host, case.traces[host].log, 4)
            yield Symptom(host, symptom, cause, fix, (unit, log))


@rule(
    "keepalived-hung",
    OUTAGE,
    "Keepalived answers on every director",
    "keepalived(8), SIGJSON; proc(5)",
    scopes=(scope.directors,),
)
def keepalived_hung(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        live, trace = case.snapshot.lives[host], case.traces[host]
        waiting = [line for line in trace.lines("processes") if re.search(r"\) [TtD] ", line)]
        expected = case.snapshot.expected(host).instances
        if not is_stopped(case, host) and not live.vrrp and expected and waiting:
            symptom = "Keepalived does not report its state, and sends no adverts"
            cause = (
                "its process is stopped or waits for the kernel (state T or D), "
                "and the addresses stay on the host"
            )
            fix = "`kill -CONT` if somebody stopped it; else `systemctl restart keepalived` there"
            lines = tuple(line[:60] for line in waiting)
            processes = Evidence(host, "cat /proc/[0-9]*/stat | grep keepalived", lines)
            yield Symptom(host, symptom, cause, fix, (processes, case.unit_evidence(host)))


@rule(
    "fault-state",
    FAILOVER,
    "no instance is in FAULT",
    "keepalived.conf(5): track_interface, track_script, track_process, track_bfd",
    scopes=(scope.directors,),
)
def fault_state(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        live = case.snapshot.lives[host]
        for instance in live.vrrp:
            if instance.state != "FAULT":
                continue
            lines = [line for line in case.traces[host].running_log if _TRACKED.search(line.text)]
            interface = instance.interface
            no_carrier = interface in live.carriers and not live.carriers[interface]
            cause = (
                f"{interface} has no carrier"
                if no_carrier
                else "a tracked object failed: see the log"
            )
            symptom = f"{instance.name} is in FAULT: it would take over no address"
            fix = "repair the named object; `hactl status` shows when the instance is back"
            evidence = (case.vrrp_evidence(host), case.log_evidence(host, lines, 4))
            yield Symptom(host, symptom, cause, fix, evidence)


@rule(
    "config-edited",
    FAILOVER,
    "keepalived.conf matches the inventory",
    "keepalived.conf(5)",
    scopes=(scope.compared_directors,),
)
def config_edited(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        for change in case.changes.get(host, ()):
            if (change.kind, change.name) == ("file", CONFIG):
                lines = change.diff[:12] or (f"{change.name}: {change.detail or change.action}",)
                symptom = f"{CONFIG} does not match the inventory"
                cause = "somebody edited it, or the inventory has changed since the last deploy"
                fix = "`hactl plan` shows all changes, `hactl deploy` repairs the file"
                yield Symptom(host, symptom, cause, fix, (Evidence(host, "hactl plan", lines),))


@rule(
    "left-behind",
    NOTE,
    "no host has items that the inventory no longer gives it",
    "the host's ledger; LVS-HOWTO: a VIP left on lo keeps what is sent to it",
    scopes=(scope.compared,),
)
def left_behind(case: DoctorCase) -> Iterator[Symptom]:
    for host, changes in case.changes.items():
        lines = tuple(
            f"- {change.kind} {change.name}  {change.detail}".rstrip()
            for change in changes
            # Without a ledger entry, somebody added it by hand.
            if change.action == "remove" and change.entry
        )
        if lines:
            symptom = "it has items that the inventory no longer gives it"
            cause = (
                "the inventory has changed since the last deploy, or that deploy left this host out"
            )
            fix = "`hactl plan` shows all of them, `hactl deploy` removes them"
            yield Symptom(host, symptom, cause, fix, (Evidence(host, "hactl plan", lines[:12]),))


@rule(
    "config-not-loaded",
    FAILOVER,
    "Keepalived runs with the installed file",
    "a reload returns 0 also with a broken file (measured); keepalived issue 1756",
    scopes=(scope.compared_directors,),
    unless=("config-edited", "vrrp-settings-differ"),
)
def config_not_loaded(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if is_stopped(case, host):
            continue
        lines = (
            *(
                f"{change.name}: {change.detail or change.action}"
                for change in case.changes.get(host, ())
                if (change.kind, change.name) == ("unit", UNIT)
            ),
            *(finding.what for finding in instances(case.snapshot, host)),
        )
        if lines:
            symptom = f"Keepalived runs with another configuration than {CONFIG}"
            cause = "the file was changed after Keepalived had read it"
            fix = "`systemctl reload keepalived` there, or deploy"
            evidence = (
                Evidence(host, "hactl plan; hactl verify", lines),
                case.vrrp_evidence(host),
                _load_evidence(case, host),
            )
            yield Symptom(host, symptom, cause, fix, evidence)


def _load_evidence(case: DoctorCase, host: str) -> Evidence:
    prefixes = ("Configuration file", "Reloading", "Reload complete")
    lines = [line for line in case.traces[host].log if line.text.startswith(prefixes)]
    return case.log_evidence(host, lines, 3)


@rule(
    "script-security",
    FAILOVER,
    "Keepalived refuses no script",
    "keepalived.conf(5): script_user, enable_script_security; keepalived issues 842, 1322",
    scopes=(scope.directors,),
)
def script_security(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = [line for line in case.traces[host].running_log if _SECURITY.search(line.text)]
        if lines:
            symptom = "a script does not run, or its check always fails"
            cause = (
                "users other than root may write to the script or a folder above it, "
                "or the script's user does not exist"
            )
            fix = "give script and folders to root, mode 0755; set the user with `script_user`"
            yield Symptom(host, symptom, cause, fix, (case.log_evidence(host, lines),))


@rule(
    "selinux-denied",
    FAILOVER,
    "SELinux has denied Keepalived nothing",
    "keepalived issues 842, 1322; audit.log",
    scopes=(scope.directors,),
)
def selinux_denied(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = tuple(line.strip() for line in case.traces[host].lines("denied") if line.strip())
        if lines:
            symptom = "checks or scripts of Keepalived fail"
            fix = "`setsebool -P keepalived_connect_any 1`, or add a policy: `audit2allow`"
            audit = Evidence(host, "grep 'avc: .*keepalived' /var/log/audit/audit.log", lines)
            yield Symptom(host, symptom, "SELinux denies them", fix, (audit,))


@rule(
    "no-ipvs",
    OUTAGE,
    "the directors' kernels have IPVS",
    "ipvsadm(8): the module ip_vs",
    scopes=(scope.directors,),
)
def no_ipvs(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        trace = case.traces[host]
        if case.snapshot.expected(host).services and not list(trace.lines("ipvs_module")):
            lines = [line for line in trace.log if re.search("ipvs|IPVS|ip_vs", line.text)]
            release = " ".join(trace.lines("release"))
            cause = f"kernel {release} has no IPVS, or the module is not loaded"
            fix = "`modprobe ip_vs`; kernels for clouds or containers may lack it"
            missing = Evidence(host, "ls /proc/net/ip_vs", ("No such file or directory",))
            evidence = (missing, case.log_evidence(host, lines, 3))
            yield Symptom(host, "it balances nothing", cause, fix, evidence)


@rule(
    "vrrp-strict",
    OUTAGE,
    "no director drops packets to its VIPs (vrrp_strict, no_accept)",
    "keepalived.conf(5), vrrp_strict; keepalived issue 1373",
    scopes=(scope.directors,),
)
def vrrp_strict(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        trace = case.traces[host]
        lines = tuple(line.strip() for line in trace.lines("strict") if line.strip())
        if lines:
            drops = tuple(
                line.strip() for line in trace.lines("filters") if "drop" in line and "vips" in line
            )
            evidence = [Evidence(host, f"grep -n strict {CONFIG}", lines)]
            evidence += [Evidence(host, "nft list ruleset", drops)] if drops else []
            cause = "strict mode drops packets to the VIPs before IPVS sees them"
            fix = "remove vrrp_strict"
            yield Symptom(host, "clients cannot connect to the VIPs", cause, fix, tuple(evidence))


@rule(
    "clock-spread",
    NOTE,
    "the hosts' clocks agree",
    "logs of several hosts are read side by side",
    scopes=(scope.hosts,),
    compares=True,
)
def clock_spread(case: DoctorCase) -> Iterator[Symptom]:
    from provision.hosts.live.checks import clock

    for host in case.traces:
        for finding in clock(case.snapshot, host):
            lines = (f"{case.traces[host].clock:.3f}", finding.evidence)
            evidence = Evidence(host, "date +%s.%N", lines)
            cause = "no time server sets its clock"
            yield Symptom(host, finding.what, cause, finding.fix, (evidence,))
