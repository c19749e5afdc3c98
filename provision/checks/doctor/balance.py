"""The table of virtual services: edited by hand, emptied by checks, not synchronised."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.doctor import scope
from provision.checks.doctor.daemon import stopped
from provision.checks.doctor.evidence import DoctorCase, LogLine
from provision.checks.doctor.registry import FAILOVER, NOTE, OUTAGE, rule
from provision.checks.doctor.result import Evidence, Symptom
from provision.checks.doctor.vrrp import dropping
from provision.formats import endpoint
from provision.hosts.live.health import Health, health, words_on
from provision.hosts.live.service import listeners
from provision.hosts.live.state import LiveFinding
from provision.hosts.live.table import entries, sync_daemons, table

_CHANGED = re.compile(r"(Removing|Adding|Disabling|Enabling) service (\[\S+) (?:from|to|in|of)")
_SYNC_PORT = re.compile(r"\b8848\b")


def _shown(case: DoctorCase, host: str) -> Evidence:
    lines = tuple(line.rstrip() for line in case.traces[host].of("ipvs") if line.strip())
    return Evidence(host, "ipvsadm -Ln", lines or ("(no such table)",))


def _health(case: DoctorCase, host: str) -> dict[str, Health]:
    return health(case.traces[host].of("log"))


def _places(case: DoctorCase, host: str) -> dict[str, str]:
    """The real servers' names by their place, `192.168.227.103:80`, in a director's table."""
    return {
        place: name
        for frontend in case.seen.topology.directed_by(host)
        for service in frontend.services
        for _, names in entries(frontend, service)
        for place, name in names.items()
    }


def _failing(case: DoctorCase, host: str) -> dict[str, tuple[str, Health]]:
    """The real servers whose check failed last on a director that checks them: names and last words by place."""
    found: dict[str, tuple[str, Health]] = {}
    if stopped(case, host):
        return found  # it says that it removes them when it ends, too
    said = _health(case, host)
    for place, name in _places(case, host).items():
        for word in words_on(said, place):
            if not word.well:
                found[place] = (name, word)
    return found


@rule(
    "table-by-hand",
    OUTAGE,
    "the tables are what Keepalived made them",
    "keepalived issue 1877: a reload does not repair what ipvsadm did",
    about=(scope.directors,),
    unless=("no-ipvs", "keepalived-down", "dead-holder", "config-edited", "config-not-loaded"),
)
def table_by_hand(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if stopped(case, host):
            continue
        failing = _failing(case, host)
        names = {name for name, _ in failing.values()}
        found = [finding for finding in table(case.seen, host) if not _by_check(finding, names)]
        if found:
            said = "; ".join(finding.what for finding in found[:3])
            cause = "it was changed with ipvsadm, or another service owns the table too: no check explains it"
            fix = "`systemctl restart keepalived` there (on a master: hand over first), or deploy"
            last = [line for line in case.traces[host].log if _CHANGED.search(line.text)]
            yield Symptom(host, said, cause, fix, (_shown(case, host), case.logged(host, last, 3)))


def _by_check(finding: LiveFinding, failing: set[str]) -> bool:
    """Whether Keepalived did that itself: the real server's check fails, or too few are well."""
    return finding.what.split()[0] in failing or "sorry server" in finding.what


@rule(
    "service-down",
    OUTAGE,
    "every real server listens on its port",
    "ss(8)",
    about=(scope.servers,),
)
def service_down(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.real_servers:
        for finding in listeners(case.seen, host):
            if finding.what.startswith("nothing listens"):
                port = finding.what.rpartition(" ")[2]
                lines = case.traces[host].listening(port)
                shown = [
                    Evidence(host, f"ss -lntu | grep :{port}", lines or ("(nothing)",)),
                    *_logs(case, host),
                ]
                cause = finding.what
                yield Symptom(
                    host, "no connection gets there", cause, "start the service there", tuple(shown)
                )


def _logs(case: DoctorCase, server: str) -> Iterator[Evidence]:
    """What the directors' checks said last about a real server that fails."""
    for host in case.directors:
        words = [
            f"{word.at:.3f} {place}: {word.reason}"
            for place, (name, word) in _failing(case, host).items()
            if name == server
        ]
        if words:
            yield Evidence(host, "journalctl -u keepalived -o short-unix", tuple(words))


@rule(
    "check-failing",
    OUTAGE,
    "the directors' checks of every real server pass",
    "keepalived.conf(5), checkers",
    about=(scope.directors,),
    unless=("service-down", "host-unreachable"),
)
def check_failing(case: DoctorCase) -> Iterator[Symptom]:
    servers = {name for host in case.directors for name, _ in _failing(case, host).values()}
    for name in sorted(servers):
        shown = list(_logs(case, name))
        where = " and ".join(evidence.host for evidence in shown)
        filters = (
            dropping(list(case.traces[name].of("filters")), re.compile(""))
            if name in case.traces
            else ()
        )
        if filters:
            shown.append(Evidence(name, "nft list ruleset", filters[:6]))
        cause = f"its check fails on {where}, though something listens there"
        fix = f"ask it yourself from {shown[0].host}: what is the answer, and does a packet filter drop it?"
        yield Symptom(name, "it gets no new connections", cause, fix, tuple(shown))


@rule(
    "server-flapping",
    OUTAGE,
    "no real server came and went in the last ten minutes",
    "keepalived.conf(5): retry, delay_before_retry, delay_loop",
    about=(scope.directors,),
)
def server_flapping(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        names = {endpoint.host(place): name for place, name in _places(case, host).items()}
        for server, lines in _taken_out(case, host).items():
            if len(lines) >= 3:
                name = names.get(server.partition("]")[0].strip("["), server)
                symptom = f"{name} was taken out {len(lines)} times in ten minutes"
                cause = "its service restarts or stalls, or the check's time limits are too tight for it"
                fix = f"look at {name}'s own log at those times; `retry` and `timeout` of the check bridge short stalls"
                yield Symptom(host, symptom, cause, fix, (case.logged(host, lines),))


def _taken_out(case: DoctorCase, host: str) -> dict[str, list[LogLine]]:
    """The times in ten minutes that a check took a real server out, by server; at its end Keepalived removes all."""
    found: dict[str, list[LogLine]] = {}
    spoken: dict[str, float] = {}
    for line in case.traces[host].lately(600):
        match = _CHANGED.search(line.text)
        if match is None:
            spoken |= {
                server: line.at for server in re.findall(r"\[\S+", line.text) if "fail" in line.text
            }
        elif match[1] in ("Removing", "Disabling") and line.at - spoken.get(match[2], 0) < 2:
            found.setdefault(match[2], []).append(line)
    return found


@rule(
    "sync-inert",
    FAILOVER,
    "connections are synchronised between the directors",
    "keepalived issue 1819; ipvs-sysctl (sync_threshold): the default `3 50` skips short connections",
    about=(scope.directors,),
    unless=("keepalived-down", "dead-holder", "keepalived-hung"),
)
def sync_inert(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        if case.seen.expected(host).sync is None:
            continue
        trace = case.traces[host]
        shown = [Evidence(host, "ipvsadm -Ln --daemon", tuple(trace.of("sync")) or ("(none)",))]
        blocked = dropping(list(trace.of("filters")), _SYNC_PORT)
        findings = [finding.what for finding in sync_daemons(case.seen, host)]
        if blocked:
            findings.append("a packet filter drops UDP 8848, which carries them")
            shown.append(Evidence(host, "nft list ruleset", blocked))
        threshold = case.seen.lives[host].sysctls.get("net.ipv4.vs.sync_threshold", "").split()
        if len(threshold) == 2 and (threshold[0] == "0" or int(threshold[1]) >= 50):
            findings.append(
                f"sync_threshold is {' '.join(threshold)}, which leaves short connections out"
            )
            line = [line for line in trace.of("files") if "sync_threshold:" in line]
            shown.append(Evidence(host, "cat /proc/sys/net/ipv4/vs/sync_threshold", tuple(line)))
        if findings:
            fix = "`systemctl restart keepalived` starts the daemons; sync_threshold `2 0`, sync_refresh_period 1"
            yield Symptom(
                host,
                "connections would break in a failover",
                "; ".join(findings),
                fix,
                tuple(shown),
            )


@rule(
    "dead-server-held",
    FAILOVER,
    "clients of a real server that is gone are let go, persistent ones too",
    "ipvs-sysctl: expire_nodest_conn, expire_quiescent_template; keepalived issue 1781",
    about=(scope.directors,),
)
def dead_server_held(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        services = [
            service.model
            for one in case.seen.topology.directed_by(host)
            for service in one.services
        ]
        held = {
            "expire_nodest_conn": "connections to a server that was taken out go on to it, or nowhere"
        }
        if any(service.persistent for service in services):
            held["expire_quiescent_template"] = (
                "persistent clients of a server with weight 0 go on to it"
            )
        sysctls = case.seen.lives[host].sysctls
        for name in (each for each in held if sysctls.get(f"net.ipv4.vs.{each}") == "0"):
            lines = tuple(
                line.strip() for line in case.traces[host].of("files") if f"/vs/{name}:" in line
            )
            shown = Evidence(host, f"grep -H '' /proc/sys/net/ipv4/vs/{name}", lines)
            cause = f"net.ipv4.vs.{name} is 0: {held[name]}"
            fix = f"`sysctl -w net.ipv4.vs.{name}=1`, or deploy"
            yield Symptom(
                host,
                "clients of a real server that dies hang until their time-out",
                cause,
                fix,
                (shown,),
            )


@rule(
    "conn-reuse",
    NOTE,
    "no director's kernel delays connections from a port that was used before",
    "ipvs-sysctl, conn_reuse_mode; kubernetes issue 93297: mended in Linux 5.9",
    about=(scope.directors,),
)
def conn_reuse(case: DoctorCase) -> Iterator[Symptom]:
    for host in case.directors:
        release = " ".join(case.traces[host].of("release"))
        version = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
        mode = case.seen.lives[host].sysctls.get("net.ipv4.vs.conn_reuse_mode")
        if version and version < (5, 9) and mode == "1":
            shown = Evidence(host, "uname -r; sysctl net.ipv4.vs.conn_reuse_mode", (release, mode))
            cause = "this kernel drops the first packet of a connection whose port was in use a moment ago"
            fix = "a kernel of 5.9 or later, or net.ipv4.vs.conn_reuse_mode 0"
            yield Symptom(host, "some connections take a second longer", cause, fix, (shown,))
