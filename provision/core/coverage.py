"""Which hosts a command has seen: what it says holds of those alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Coverage:
    """The hosts that a command looked for; `unseen` says by host why it did not see some of them."""

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
        """The same where these hosts, too, do not count as seen."""
        return Coverage(self.hosts, {**reasons, **self.unseen})

    def known(self, count: int) -> int | None:
        """A count of what the seen hosts showed; None where it is zero and a host was not seen: nobody knows then."""
        return count if count or not self.unseen else None

    def counted(self) -> str:
        """How many were seen: `2 of 4 hosts`."""
        return f"{len(self.seen)} of {len(self.hosts)} host{'' if len(self.hosts) == 1 else 's'}"

    def json(self) -> dict[str, Any]:
        """The keys that every document about hosts has; each reason on one line, without its host's name."""
        reasons = {host: _line(why.removeprefix(f"{host}: ")) for host, why in self.unseen.items()}
        return {"hosts_seen": len(self.seen), "hosts_total": len(self.hosts), "unseen": reasons}


def _line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines())
