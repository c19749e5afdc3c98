"""What the doctor was shown: hosts, their logs and filters, what a deploy would change, what the wire said."""

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

_LOG = re.compile(r"(\d+\.\d+) \S+ ([\w.-]+)\[(\d+)\]: (.*)")
Sections = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class LogLine:
    """A line of Keepalived's journal: when by the host's clock, who (`Keepalived_vrrp`), its process, what."""

    at: float
    who: str
    pid: int
    text: str
    line: str


@dataclass(frozen=True)
class HostTrace:
    """What a host's look and trace printed, as it is, by section."""

    host: str
    sections: Sections

    def of(self, section: str) -> Sequence[str]:
        """The lines of a section."""
        return self.sections.get(section, ())

    def shown(self, section: str, *words: str) -> tuple[str, ...]:
        """The lines of a section that hold any of the words (whole ones), without the blanks around them."""
        patterns = [re.compile(rf"(?<![\w.:]){re.escape(word)}(?![\w:]|\.\d)") for word in words]
        return tuple(
            line.strip() for line in self.of(section) if any(each.search(line) for each in patterns)
        )

    def listening(self, port: str) -> tuple[str, ...]:
        """The lines of `ss -lntu` about a port."""
        lines = (line.split() for line in self.of("listeners"))
        return tuple(
            " ".join(words) for words in lines if len(words) > 4 and words[4].endswith(f":{port}")
        )

    @cached_property
    def clock(self) -> float:
        """The host's wall clock at the look, in seconds since the epoch."""
        return float((self.of("clock") or ["0"])[0])

    @cached_property
    def log(self) -> tuple[LogLine, ...]:
        """Keepalived's log since the boot, the latest 400 lines of it."""
        found = ((_LOG.match(line), line) for line in self.of("log"))
        return tuple(
            LogLine(float(match[1]), match[2], int(match[3]), match[4], line)
            for match, line in found
            if match
        )

    @cached_property
    def running_log(self) -> tuple[LogLine, ...]:
        """The log of the Keepalived that runs now: since its last start."""
        starts = [
            at for at, line in enumerate(self.log) if line.text.startswith("Starting Keepalived v")
        ]
        return self.log[starts[-1] :] if starts else self.log

    def lately(self, seconds: float) -> tuple[LogLine, ...]:
        """The log of the last so many seconds."""
        return tuple(line for line in self.log if self.clock - line.at <= seconds)

    @cached_property
    def processes(self) -> tuple[tuple[int, str], ...]:
        """Keepalived's processes and the state of each as proc(5) letters it: S sleeps, T is stopped, D waits."""
        stats = (line.rpartition(") ") for line in self.of("processes"))
        return tuple((int(head.split()[0]), tail[:1]) for head, _, tail in stats if head)

    @cached_property
    def neighbours(self) -> dict[str, tuple[str, str]]:
        """Hardware address and line of `ip neigh show` by address, for those that have one."""
        found = {}
        for line in self.of("neighbours"):
            words = line.split()
            if "lladdr" in words:
                found[words[0]] = (words[words.index("lladdr") + 1].lower(), line.strip())
        return found


@dataclass(frozen=True)
class DoctorCase:
    """Everything rules may ask. `traces` has every host that was looked at, the client among them.

    `changes` is what a deploy would change; it lacks hosts that could not be compared with the inventory.
    """

    seen: Snapshot
    traces: Mapping[str, HostTrace]
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    wire: WireAnswers = field(default_factory=WireAnswers)
    errors: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def coverage(self) -> Coverage:
        """Which of all managed hosts and clients could be looked at."""
        hosts = tuple(dict.fromkeys((*self.seen.topology.managed(), *self.seen.topology.clients)))
        unseen = {
            host: self.errors.get(host, "it was not looked at")
            for host in hosts
            if host not in self.traces
        }
        return Coverage(hosts, unseen)

    @cached_property
    def compared(self) -> Coverage:
        """Which managed hosts could be compared with the inventory."""
        managed = self.coverage.of(self.seen.topology.managed())
        why = "it could not be compared with the inventory"
        return managed.with_unseen(
            {host: why for host in managed.hosts if host not in self.changes}
        )

    @cached_property
    def directors(self) -> tuple[str, ...]:
        """The directors that were looked at."""
        return tuple(host for host in self.seen.topology.directors() if host in self.traces)

    @cached_property
    def real_servers(self) -> tuple[str, ...]:
        """The real servers that were looked at."""
        return tuple(host for host in self.seen.topology.real_servers() if host in self.traces)

    def addresses(self, host: str, *addresses: str) -> Evidence:
        """Where a host has these addresses; that it has not is evidence, too."""
        return Evidence(
            host, "ip -o address show", self.traces[host].shown("addresses", *addresses) or NOTHING
        )

    def unit(self, host: str) -> Evidence:
        """Keepalived's unit as systemd sees it."""
        block: list[str] = []
        for line in (*self.traces[host].of("units"), ""):
            if line.strip():
                block.append(line.strip())
            elif "Id=keepalived.service" in block:
                return Evidence(host, "systemctl show keepalived", tuple(block))
            else:
                block = []
        return Evidence(host, "systemctl show keepalived", NOTHING)

    def logged(self, host: str, lines: Iterable[LogLine], most: int = 6) -> Evidence:
        """Lines of the log, the latest of them."""
        chosen = tuple(f"{line.at:.3f} {line.who}: {line.text}" for line in lines)[-most:]
        return Evidence(host, "journalctl -u keepalived -o short-unix", chosen or NOTHING)

    def vrrp(self, host: str) -> Evidence:
        """What a director's Keepalived says of its instances."""
        lines = tuple(
            f"{own.name}: {own.state}, VRID {own.vrid}, version {own.version}, priority {own.priority}, "
            f"advert_int {own.advert_int:g}, VIPs {' '.join(own.vips)}, {own.adverts_sent} adverts sent, "
            f"{own.adverts_received} heard, {own.errors} refused"
            for own in self.seen.lives[host].vrrp
        )
        return Evidence(
            host, "pkill --signal $(keepalived --signum=JSON) -o keepalived", lines or NOTHING
        )


NOTHING = ("(nothing)",)
