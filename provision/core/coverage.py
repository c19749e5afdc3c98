"""The hosts that a command has seen; its statements hold for these hosts alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Coverage:
    """The hosts that a command looked for; `unseen` has the reason for each unseen host."""

    hosts: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> tuple[str, ...]:
        """The hosts that were seen."""
        return tuple(host for host in self.hosts if host not in self.unseen)

    @property
    def blind(self) -> bool:
        """Whether hosts were looked for and none was seen."""
        return bool(self.hosts) and not self.seen

    def of(self, hosts: Iterable[str]) -> Coverage:
        """The coverage of these hosts alone."""
        chosen = tuple(host for host in hosts if host in self.hosts)
        return Coverage(chosen, {host: self.unseen[host] for host in chosen if host in self.unseen})

    def with_unseen(self, reasons: Mapping[str, str]) -> Coverage:
        """The same coverage, with these hosts counted as unseen too."""
        return Coverage(self.hosts, {**reasons, **self.unseen})

    def known(self, count: int) -> int | None:
        """The count, or None if it is zero and a host is unseen: then nobody knows the count."""
        return count if count or not self.unseen else None

    def counted(self) -> str:
        """The number of seen hosts as text: `2 of 4 hosts`."""
        return f"{len(self.seen)} of {len(self.hosts)} host{'' if len(self.hosts) == 1 else 's'}"

    def json(self) -> dict[str, Any]:
        """The coverage keys of a JSON document; a reason is one line without its host's name."""
        reasons = {
            host: _one_line(reason.removeprefix(f"{host}: "))
            for host, reason in self.unseen.items()
        }
        return {"hosts_seen": len(self.seen), "hosts_total": len(self.hosts), "unseen": reasons}


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines())
