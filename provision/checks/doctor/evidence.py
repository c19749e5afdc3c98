"""The evidence that rules judge: hosts, their logs and filters, pending changes and the wire."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from provision.checks.doctor.result import Evidence
from provision.checks.verify.wire import WireAnswers
from provision.core.coverage import Coverage
from provision.deploy.plan import Change
from provision.hosts.live.snapshot import Snapshot

_LOG_LINE = re.compile(r"(\d+\.\d+) \S+ ([\w.-]+)\[(\d+)\]: (.*)")
Sections = Mapping[str, Sequence[str]]

NOTHING = ("(nothing)",)


@dataclass(frozen=True)
class LogLine:
    """A line of Keepalived's journal.

    `time` is by the host's clock, in seconds since the epoch. `program` is for example
    `Keepalived_vrrp`. `line` is the whole line, `text` its message.
    """

    time: float
    program: str
    pid: int
    text: str
    line: str


@dataclass(frozen=True)
class HostTrace:
    """The output of a host's inspection, by section."""

    host: str
    sections: Sections

    def lines(self, section: str) -> Sequence[str]:
        """Return the lines of a section."""
        return self.sections.get(section, ())

    def matching_lines(self, section: str, *words: str) -> tuple[str, ...]:
        """Return the lines of a section that contain any of the words as whole words, stripped."""
        patterns = [re.compile(rf"(?<![\w.:]){re.escape(word)}(?![\w:]|\.\d)") for word in words]
        return tuple(
            line.strip()
            for line in self.lines(section)
            if any(pattern.search(line) for pattern in patterns)
        )

    def listening_lines(self, port: str) -> tuple[str, ...]:
        """Return the lines of `ss -lntu` about a port."""
        rows = (line.split() for line in self.lines("listeners"))
        return tuple(" ".join(row) for row in rows if len(row) > 4 and row[4].endswith(f":{port}"))

    @cached_property
    def clock(self) -> float:
        """The host's wall clock at the inspection, in seconds since the epoch."""
        return float((self.lines("clock") or ["0"])[0])

    @cached_property
    def log(self) -> tuple[LogLine, ...]:
        """The last 400 lines of Keepalived's log since the boot."""
        matches = ((_LOG_LINE.match(line), line) for line in self.lines("log"))
        return tuple(
            LogLine(float(match[1]), match[2], int(match[3]), match[4], line)
            for match, line in matches
            if match
        )

    @cached_property
    def running_log(self) -> tuple[LogLine, ...]:
        """The log since Keepalived's last start."""
        starts = [
            index
            for index, line in enumerate(self.log)
            if line.text.startswith("Starting Keepalived v")
        ]
        return self.log[starts[-1] :] if starts else self.log

    def recent_log(self, seconds: float) -> tuple[LogLine, ...]:
        """Return the log of the last seconds."""
        return tuple(line for line in self.log if self.clock - line.time <= seconds)

    @cached_property
    def neighbours(self) -> dict[str, tuple[str, str]]:
        """The hardware address and the line of `ip neigh show`, by address."""
        neighbours = {}
        for line in self.lines("neighbours"):
            words = line.split()
            if "lladdr" in words:
                mac = words[words.index("lladdr") + 1].lower()
                neighbours[words[0]] = (mac, line.strip())
        return neighbours


@dataclass(frozen=True)
class DoctorCase:
    """All input of the rules.

    `traces` has every inspected host, the client included. `changes` has the changes that a deploy
    would make; hosts that could not be compared with the inventory are absent.
    """

    snapshot: Snapshot
    traces: Mapping[str, HostTrace]
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    wire: WireAnswers = field(default_factory=WireAnswers)
    errors: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def coverage(self) -> Coverage:
        """Which of all managed hosts and clients were inspected."""
        topology = self.snapshot.topology
        hosts = tuple(dict.fromkeys((*topology.managed(), *topology.clients)))
        unseen = {
            host: self.errors.get(host, "it was not inspected")
            for host in hosts
            if host not in self.traces
        }
        return Coverage(hosts, unseen)

    @cached_property
    def compared(self) -> Coverage:
        """Which managed hosts could be compared with the inventory."""
        managed = self.coverage.of(self.snapshot.topology.managed())
        reason = "it could not be compared with the inventory"
        return managed.with_unseen(
            {host: reason for host in managed.hosts if host not in self.changes}
        )

    @cached_property
    def directors(self) -> tuple[str, ...]:
        """The directors that were inspected."""
        return tuple(host for host in self.snapshot.topology.directors() if host in self.traces)

    @cached_property
    def real_servers(self) -> tuple[str, ...]:
        """The real servers that were inspected."""
        return tuple(host for host in self.snapshot.topology.real_servers() if host in self.traces)

    def address_evidence(self, host: str, *addresses: str) -> Evidence:
        """Return the lines about a host's addresses. Their absence is evidence, too."""
        lines = self.traces[host].matching_lines("addresses", *addresses)
        return Evidence(host, "ip -o address show", lines or NOTHING)

    def unit_evidence(self, host: str) -> Evidence:
        """Return systemd's properties of Keepalived's unit."""
        block: list[str] = []
        for line in (*self.traces[host].lines("units"), ""):
            if line.strip():
                block.append(line.strip())
            elif "Id=keepalived.service" in block:
                return Evidence(host, "systemctl show keepalived", tuple(block))
            else:
                block = []
        return Evidence(host, "systemctl show keepalived", NOTHING)

    def log_evidence(self, host: str, lines: Iterable[LogLine], limit: int = 6) -> Evidence:
        """Return the last log lines, at most `limit`."""
        shown = tuple(f"{line.time:.3f} {line.program}: {line.text}" for line in lines)[-limit:]
        return Evidence(host, "journalctl -u keepalived -o short-unix", shown or NOTHING)

    def vrrp_evidence(self, host: str) -> Evidence:
        """Return a line for every VRRP instance of a director, from Keepalived's own data."""
        lines = tuple(
            f"{instance.name}: {instance.state}, VRID {instance.vrid}, "
            f"version {instance.version}, priority {instance.priority}, "
            f"advert_int {instance.advert_int:g}, VIPs {' '.join(instance.vips)}, "
            f"{instance.adverts_sent} adverts sent, {instance.adverts_received} heard, "
            f"{instance.errors} refused"
            for instance in self.snapshot.lives[host].vrrp
        )
        return Evidence(
            host, "pkill --signal $(keepalived --signum=JSON) -o keepalived", lines or NOTHING
        )
