"""Rules about the IPVS table: edited by hand, emptied by checks, or not synchronised."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.daemon import is_stopped
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, NOTE, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.doctor.vrrp import dropping_rules
from provision.formats import endpoint
from provision.hosts.live.health import Health, health, words_on
from provision.hosts.live.service import listeners
from provision.hosts.live.state import LiveFinding
from provision.hosts.live.table import entries, sync_daemons, table

_TABLE_CHANGE = re.compile(
    r"(Removing|Adding|Disabling|Enabling) service (\[\S+) (?:from|to|in|of)"
)
_SYNC_PORT = re.compile(r"\b8848\b")
_ANY_RULE = re.compile("")

MAX_FAILURE_AGE = 2.0
"""Seconds between the log lines of a failed check and of the removal that it causes."""

MIN_FLAPS = 3
"""Removals in ten minutes from which on a real server counts as flapping."""


def _table_evidence(case: DoctorCase, host: str) -> Evidence:
    lines = tuple(line.rstrip() for line in case.traces[host].lines("ipvs") if line.strip())
    return Evidence(host, "ipvsadm -Ln", lines or ("(no such table)",))


def _server_names(case: DoctorCase, host: str) -> dict[str, str]:
    """Return the real servers of a director's table by place, `192.168.227.103:80`."""
    return {
        place: name
        for frontend in case.snapshot.topology.directed_by(host)
        for service in frontend.services
        for _, names in entries(frontend, service)
        for place, name in names.items()
    }


def _failing_checks(case: DoctorCase, host: str) -> dict[str, tuple[str, Health]]:
    """Return the real servers whose last check on a director failed.

    The result has name and last check result by place. It is empty for a director whose Keepalived
    is stopped: at its end, Keepalived logs the removal of all real servers.
    """
    if is_stopped(case, host):
        return {}
    results = health(case.traces[host].lines("log"))
    return {
        place: (name, result)
        for place, name in _server_names(case, host).items()
        for result in words_on(results, place)
        if not result.well
    }


@rule(
    "table-by-hand",
    OUTAGE,
    "only Keepalived has changed the tables",
    "keepalived issue 1877: a reload does not repair what ipvsadm did",
    scopes=(scope.directors,),
    unless=("no-ipvs", "keepalived-down", "dead-holder", "config-edited", "config-not-loaded"),
)
def table_by_hand(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if is_stopped(case, host):
            continue
        failing = {name for name, _ in _failing_checks(case, host).values()}
        findings = [
            finding
            for finding in table(case.snapshot, host)
            if not _is_caused_by_check(finding, failing)
        ]
        if findings:
            symptom = "; ".join(finding.what for finding in findings[:3])
            cause = (
                "somebody changed it with ipvsadm, or another program manages the table, too: "
                "no check explains it"
            )
            fix = "`systemctl restart keepalived` there (on a master: hand over first), or deploy"
            lines = [line for line in case.traces[host].log if _TABLE_CHANGE.search(line.text)]
            evidence = (_table_evidence(case, host), case.log_evidence(host, lines, 3))
            yield Symptom(host, symptom, cause, fix, evidence)


def _is_caused_by_check(finding: LiveFinding, failing: set[str]) -> bool:
    """Whether Keepalived caused it: a check fails, or too few real servers pass their checks."""
    return finding.what.split()[0] in failing or "sorry server" in finding.what


@rule(
    "service-down",
    OUTAGE,
    "every real server listens on its port",
    "ss(8)",
    scopes=(scope.servers,),
)
def service_down(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in listeners(case.snapshot, host):
            if finding.what.startswith("nothing listens"):
                port = finding.what.rpartition(" ")[2]
                lines = case.traces[host].listening_lines(port) or ("(nothing)",)
                evidence = (
                    Evidence(host, f"ss -lntu | grep :{port}", lines),
                    *_check_logs(case, host),
                )
                symptom, fix = "connections to it fail", "start the service there"
                yield Symptom(host, symptom, finding.what, fix, evidence)


def _check_logs(case: DoctorCase, server: str) -> Iterator[Evidence]:
    """Yield the last failed check results of a real server, by director."""
    for host in case.directors:
        lines = tuple(
            f"{result.at:.3f} {place}: {result.reason}"
            for place, (name, result) in _failing_checks(case, host).items()
            if name == server
        )
        if lines:
            yield Evidence(host, "journalctl -u keepalived -o short-unix", lines)


@rule(
    "check-failing",
    OUTAGE,
    "every real server passes the directors' checks",
    "keepalived.conf(5), checkers",
    scopes=(scope.directors,),
    unless=("service-down", "host-unreachable"),
)
def check_failing(case: DoctorCase) -> Iterator[Symptom]:
    servers = {name for host in case.directors for name, _ in _failing_checks(case, host).values()}
    for name in sorted(servers):
        logs = list(_check_logs(case, name))
        evidence = list(logs)
        if name in case.traces:
            drops = dropping_rules(case.traces[name].lines("filters"), _ANY_RULE)
            evidence += [Evidence(name, "nft list ruleset", drops[:6])] if drops else []
        cause = (
            f"its check fails on {' and '.join(log.host for log in logs)}, "
            "although a service listens there"
        )
        fix = (
            f"send the check's request from {logs[0].host} yourself: "
            "read the answer, and see whether a packet filter drops it"
        )
        yield Symptom(name, "it gets no new connections", cause, fix, tuple(evidence))


@rule(
    "server-flapping",
    OUTAGE,
    "no real server left and joined the table repeatedly in the last ten minutes",
    "keepalived.conf(5): retry, delay_before_retry, delay_loop",
    scopes=(scope.directors,),
)
def server_flapping(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        names = {endpoint.host(place): name for place, name in _server_names(case, host).items()}
        for server, lines in _removals(case, host).items():
            if len(lines) >= MIN_FLAPS:
                name = names.get(server.partition("]")[0].strip("["), server)
                symptom = f"{name} was removed {len(lines)} times in ten minutes"
                cause = "its service restarts or stalls, or the check's time-outs are too short"
                fix = (
                    f"read {name}'s own log at those times; "
                    "`retry` and `timeout` of the check bridge short stalls"
                )
                yield Symptom(host, symptom, cause, fix, (case.log_evidence(host, lines),))


def _removals(case: DoctorCase, host: str) -> dict[str, list[LogLine]]:
    """Return the log lines of ten minutes at which a failed check removed a real server.

    The result is by server. Removals without a failed check do not count: at its end, Keepalived
    removes all real servers.
    """
    removals: dict[str, list[LogLine]] = {}
    failure_times: dict[str, float] = {}
    for line in case.traces[host].recent_log(600):
        match = _TABLE_CHANGE.search(line.text)
        if match is None:
            if "fail" in line.text:
                failure_times |= dict.fromkeys(re.findall(r"\[\S+", line.text), line.time)
        elif (
            match[1] in ("Removing", "Disabling")
            and line.time - failure_times.get(match[2], 0) < MAX_FAILURE_AGE
        ):
            removals.setdefault(match[2], []).append(line)
    return removals


@rule(
    "sync-inert",
    FAILOVER,
    "the directors synchronise connections",
    "keepalived issue 1819; ipvs-sysctl (sync_threshold): "
    "the default `3 50` skips short connections",
    scopes=(scope.directors,),
    unless=("keepalived-down", "dead-holder", "keepalived-hung"),
)
def sync_inert(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if case.snapshot.expected(host).sync is None:
            continue
        trace = case.traces[host]
        daemons = tuple(trace.lines("sync")) or ("(none)",)
        evidence = [Evidence(host, "ipvsadm -Ln --daemon", daemons)]
        causes = [finding.what for finding in sync_daemons(case.snapshot, host)]
        drops = dropping_rules(trace.lines("filters"), _SYNC_PORT)
        if drops:
            causes.append("a packet filter drops UDP 8848, which carries the sync messages")
            evidence.append(Evidence(host, "nft list ruleset", drops))
        threshold = case.snapshot.lives[host].sysctls.get("net.ipv4.vs.sync_threshold", "").split()
        if len(threshold) == 2 and (threshold[0] == "0" or int(threshold[1]) >= 50):
            value = " ".join(threshold)
            causes.append(f"sync_threshold is {value}, which leaves short connections out")
            lines = tuple(line for line in trace.lines("files") if "sync_threshold:" in line)
            evidence.append(Evidence(host, "cat /proc/sys/net/ipv4/vs/sync_threshold", lines))
        if causes:
            symptom = "connections would break in a failover"
            fix = (
                "`systemctl restart keepalived` starts the daemons; "
                "set sync_threshold `2 0`, sync_refresh_period 1"
            )
            yield Symptom(host, symptom, "; ".join(causes), fix, tuple(evidence))


@rule(
    "dead-server-held",
    FAILOVER,
    "IPVS releases the clients of a removed real server, persistent clients included",
    "ipvs-sysctl: expire_nodest_conn, expire_quiescent_template; keepalived issue 1781",
    scopes=(scope.directors,),
)
def dead_server_held(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        consequences = {
            "expire_nodest_conn": "connections to a removed server still go there, or nowhere"
        }
        persistent = any(
            service.model.persistent
            for frontend in case.snapshot.topology.directed_by(host)
            for service in frontend.services
        )
        if persistent:
            consequences["expire_quiescent_template"] = (
                "persistent clients of a server with weight 0 still go there"
            )
        sysctls = case.snapshot.lives[host].sysctls
        for name, consequence in consequences.items():
            if sysctls.get(f"net.ipv4.vs.{name}") != "0":
                continue
            lines = tuple(
                line.strip() for line in case.traces[host].lines("files") if f"/vs/{name}:" in line
            )
            symptom = "clients of a real server that dies hang until their time-out"
            cause = f"net.ipv4.vs.{name} is 0: {consequence}"
            fix = f"`sysctl -w net.ipv4.vs.{name}=1`, or deploy"
            evidence = Evidence(host, f"grep -H '' /proc/sys/net/ipv4/vs/{name}", lines)
            yield Symptom(host, symptom, cause, fix, (evidence,))


@rule(
    "conn-reuse",
    NOTE,
    "no director's kernel delays connections that reuse a client port",
    "ipvs-sysctl, conn_reuse_mode; kubernetes issue 93297: fixed in Linux 5.9",
    scopes=(scope.directors,),
)
def conn_reuse(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        release = " ".join(case.traces[host].lines("release"))
        version = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
        mode = case.snapshot.lives[host].sysctls.get("net.ipv4.vs.conn_reuse_mode")
        if version and version < (5, 9) and mode == "1":
            symptom = "some connections take a second longer"
            cause = (
                "this kernel drops the first packet of a connection "
                "whose client port was in use a moment ago"
            )
            fix = "use a kernel of 5.9 or later, or set net.ipv4.vs.conn_reuse_mode to 0"
            command = "uname -r; sysctl net.ipv4.vs.conn_reuse_mode"
            evidence = Evidence(host, command, (release, mode))
            yield Symptom(host, symptom, cause, fix, (evidence,))
