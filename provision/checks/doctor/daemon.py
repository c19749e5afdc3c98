"""Keepalived itself: not running, hung, in FAULT, running something else, refusing scripts."""

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
    r"SECURITY VIOLATION|Unsafe permissions|[Dd]isabling (track|misc|notify)? ?script|not executable for uid|"
    r"check_script_secure|[Ss]cript user '.*' does not exist|Unable to set default user"
)
_TRACKED = re.compile(r"VRRP_Script|Script `|track|Interface|interface|FAULT|BFD|Quorum|process")


def stopped(case: DoctorCase, host: str) -> bool:
    """Whether a director's Keepalived does not run."""
    unit = case.seen.lives[host].units.get(UNIT)
    return unit is None or unit.active not in ("active", "reloading", "activating")


def held(case: DoctorCase, host: str) -> list[str]:
    """The VIPs that a host has on an interface other than the loopback."""
    return [vip for vip in case.seen.vips() if case.seen.lives[host].holds(vip)]


@rule(
    "dead-holder",
    OUTAGE,
    "whoever holds a VIP has a Keepalived that runs",
    "keepalived issues 2361, 1772: kill -9 leaves the VIP and the IPVS table behind",
    about=(scope.directors,),
)
def dead_holder(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        vips = held(case, host)
        if vips and stopped(case, host):
            symptom = f"holds {', '.join(vips)}, and nothing would take it away when another director has it"
            cause = "its Keepalived ended without taking the addresses along, or somebody added them by hand"
            fix = "`systemctl start keepalived` there, or take the address off: `ip address del`"
            yield Symptom(host, symptom, cause, fix, (case.addresses(host, *vips), case.unit(host)))


@rule(
    "keepalived-down",
    FAILOVER,
    "Keepalived runs on every director",
    "keepalived(8)",
    about=(scope.directors,),
    unless=("dead-holder", "no-ipvs"),
)
def keepalived_down(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if stopped(case, host):
            what = case.unit(host)
            state = next(
                (line for line in what.lines if line.startswith("ActiveState=")), "no such unit"
            )
            symptom = "it takes no address over"
            cause = f"its Keepalived does not run ({state})"
            fix = "read its last words above, then `systemctl start keepalived` there"
            yield Symptom(
                host, symptom, cause, fix, (what, case.logged(host, case.traces[host].log, 4))
            )


@rule(
    "keepalived-hung",
    OUTAGE,
    "Keepalived answers on every director",
    "keepalived(8), SIGJSON; proc(5)",
    about=(scope.directors,),
)
def keepalived_hung(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        live, trace = case.seen.lives[host], case.traces[host]
        waiting = [line for line in trace.of("processes") if re.search(r"\) [TtD] ", line)]
        if (
            not stopped(case, host)
            and not live.vrrp
            and case.seen.expected(host).instances
            and waiting
        ):
            symptom = "Keepalived does not say what state it is in, and sends no adverts"
            cause = "its process is stopped or waits for the kernel (state T or D), and the addresses stay where they are"
            fix = (
                "`kill -CONT` where somebody stopped it; else `systemctl restart keepalived` there"
            )
            shown = Evidence(
                host,
                "cat /proc/[0-9]*/stat | grep keepalived",
                tuple(line[:60] for line in waiting),
            )
            yield Symptom(host, symptom, cause, fix, (shown, case.unit(host)))


@rule(
    "fault-state",
    FAILOVER,
    "no instance is in FAULT",
    "keepalived.conf(5): track_interface, track_script, track_process, track_bfd",
    about=(scope.directors,),
)
def fault_state(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        live = case.seen.lives[host]
        for own in live.vrrp:
            if own.state != "FAULT":
                continue
            lines = [line for line in case.traces[host].running_log if _TRACKED.search(line.text)]
            down = own.interface in live.carriers and not live.carriers[own.interface]
            cause = (
                f"{own.interface} has no carrier"
                if down
                else "something that it tracks failed: see the log"
            )
            fix = "mend what is named there; `hactl status` shows when it is back"
            shown = case.logged(host, lines, 4)
            yield Symptom(
                host,
                f"{own.name} is in FAULT: it takes nothing over",
                cause,
                fix,
                (case.vrrp(host), shown),
            )


@rule(
    "config-edited",
    FAILOVER,
    "keepalived.conf is what the inventory says",
    "keepalived.conf(5)",
    about=(scope.compared_directors,),
)
def config_edited(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        for change in case.changes.get(host, ()):
            if (change.kind, change.name) == ("file", CONFIG):
                lines = change.diff[:12] or (f"{change.name}: {change.detail or change.action}",)
                cause = "somebody edited it, or the inventory has changed since the last deploy"
                fix = "`hactl plan` shows all of it, `hactl deploy` mends it"
                shown = Evidence(host, "hactl plan", lines)
                yield Symptom(
                    host, f"{CONFIG} is not what the inventory says", cause, fix, (shown,)
                )


@rule(
    "left-behind",
    NOTE,
    "no host has anything left of what the inventory does not give it any more",
    "the host's ledger; LVS-HOWTO: a VIP left on lo keeps what is sent to it",
    about=(scope.compared,),
)
def left_behind(case: DoctorCase) -> Iterator[Symptom]:
    for host, changes in case.changes.items():
        lines = tuple(
            f"- {each.kind} {each.name}  {each.detail}".rstrip()
            for each in changes
            if each.action == "remove"
        )
        if lines:
            cause = (
                "the inventory has changed since the last deploy, or that deploy left this host out"
            )
            fix = "`hactl plan` shows all of it, `hactl deploy` takes it away"
            shown = Evidence(host, "hactl plan", lines[:12])
            yield Symptom(
                host, "it has what the inventory gives it no longer", cause, fix, (shown,)
            )


@rule(
    "config-not-loaded",
    FAILOVER,
    "Keepalived runs the file that is installed",
    "a reload returns 0 also with a broken file (measured); keepalived issue 1756",
    about=(scope.compared_directors,),
    unless=("config-edited", "vrrp-settings-differ"),
)
def config_not_loaded(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if stopped(case, host):
            continue
        stale = [
            change
            for change in case.changes.get(host, ())
            if (change.kind, change.name) == ("unit", UNIT)
        ]
        other = list(instances(case.seen, host))
        if not stale and not other:
            continue
        lines = (
            *(f"{change.name}: {change.detail or change.action}" for change in stale),
            *(f.what for f in other),
        )
        shown = (
            Evidence(host, "hactl plan; hactl verify", lines),
            case.vrrp(host),
            _loads(case, host),
        )
        cause = "the file was changed after Keepalived had read it"
        fix = "`systemctl reload keepalived` there, or deploy"
        yield Symptom(host, f"Keepalived runs something other than {CONFIG}", cause, fix, shown)


def _loads(case: DoctorCase, host: str) -> Evidence:
    words = ("Configuration file", "Reloading", "Reload complete")
    return case.logged(
        host, [line for line in case.traces[host].log if line.text.startswith(words)], 3
    )


@rule(
    "script-security",
    FAILOVER,
    "Keepalived refuses no script",
    "keepalived.conf(5): script_user, enable_script_security; keepalived issues 842, 1322",
    about=(scope.directors,),
)
def script_security(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = [line for line in case.traces[host].running_log if _SECURITY.search(line.text)]
        if lines:
            cause = "others than root may write to the script or a folder above it, or its user is not there"
            fix = (
                "give script and folders to root, mode 0755; say which user runs it (`script_user`)"
            )
            yield Symptom(
                host,
                "a script is not run, or its check always fails",
                cause,
                fix,
                (case.logged(host, lines),),
            )


@rule(
    "selinux-denied",
    FAILOVER,
    "SELinux has refused Keepalived nothing",
    "keepalived issues 842, 1322; audit.log",
    about=(scope.directors,),
)
def selinux_denied(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        lines = tuple(line.strip() for line in case.traces[host].of("denied") if line.strip())
        if lines:
            fix = "`setsebool -P keepalived_connect_any 1`, or a policy of one's own: `audit2allow`"
            shown = Evidence(host, "grep 'avc: .*keepalived' /var/log/audit/audit.log", lines)
            yield Symptom(
                host, "checks or scripts of Keepalived fail", "SELinux denies them", fix, (shown,)
            )


@rule(
    "no-ipvs",
    OUTAGE,
    "the directors' kernels have IPVS",
    "ipvsadm(8): the module ip_vs",
    about=(scope.directors,),
)
def no_ipvs(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if case.seen.expected(host).services and not list(case.traces[host].of("ipvs_module")):
            lines = [
                line for line in case.traces[host].log if re.search("ipvs|IPVS|ip_vs", line.text)
            ]
            shown = Evidence(host, "ls /proc/net/ip_vs", ("No such file or directory",))
            fix = "`modprobe ip_vs`; a kernel for clouds or containers may lack it"
            what = f"kernel {' '.join(case.traces[host].of('release'))} has no IPVS, or it is not loaded"
            yield Symptom(
                host, "it balances nothing", what, fix, (shown, case.logged(host, lines, 3))
            )


@rule(
    "vrrp-strict",
    OUTAGE,
    "no director drops what is sent to its VIPs (vrrp_strict, no_accept)",
    "keepalived.conf(5), vrrp_strict; keepalived issue 1373",
    about=(scope.directors,),
)
def vrrp_strict(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        trace = case.traces[host]
        lines = tuple(line.strip() for line in trace.of("strict") if line.strip())
        if lines:
            table = tuple(
                line.strip() for line in trace.of("filters") if "drop" in line and "vips" in line
            )
            shown = [Evidence(host, f"grep -n strict {CONFIG}", lines)]
            shown += [Evidence(host, "nft list ruleset", table)] if table else []
            cause = "strict mode drops what is sent to the addresses, and IPVS never sees it"
            yield Symptom(
                host, "nobody can connect to the VIPs", cause, "take vrrp_strict out", tuple(shown)
            )


@rule(
    "clock-spread",
    NOTE,
    "the hosts' clocks agree",
    "logs of several hosts are read side by side",
    about=(scope.hosts,),
    compares=True,
)
def clock_spread(case: DoctorCase) -> Iterator[Symptom]:
    from provision.hosts.live.checks import clock

    for host in case.traces:
        for finding in clock(case.seen, host):
            shown = Evidence(
                host, "date +%s.%N", (f"{case.traces[host].clock:.3f}", finding.evidence)
            )
            yield Symptom(host, finding.what, "no time server sets it", finding.fix, (shown,))
