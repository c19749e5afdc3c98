"""One difference between a host and its desired state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.desired.items import Item
from provision.hosts.protocol import LedgerEntry


@dataclass(frozen=True)
class Change:
    """One difference; `action` is create, update or remove, `detail` describes it briefly."""

    kind: str
    name: str
    action: str
    detail: str = ""
    diff: tuple[str, ...] = ()
    item: Item | None = field(default=None, compare=False)
    was: Mapping[str, str] = field(default_factory=dict, compare=False)
    entry: LedgerEntry | None = field(default=None, compare=False)

    def json(self) -> dict[str, str]:
        """The change as `plan --json` prints it."""
        return {"kind": self.kind, "name": self.name, "action": self.action}
