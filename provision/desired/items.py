"""The items of a host's desired state: frozen dataclasses, one for every kind.

An item has a `kind`, a `name` unique within its kind, and `attributes()`: the values that the plan
compares with the host. Rendering creates the items, and the apply agent applies them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

NOT_KNOWN = "(not known on this machine)"
"""The placeholder for a value that this machine lacks; a file with it is never deployed."""


@dataclass(frozen=True)
class Package:
    """A package that must be installed. hactl never removes packages: others may need them."""

    kind: ClassVar[str] = "package"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """None: only the presence counts, the distribution chooses the version."""
        return {}


@dataclass(frozen=True)
class Module:
    """A kernel module that must be loaded now and at boot."""

    kind: ClassVar[str] = "module"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """None: only the presence counts."""
        return {}


@dataclass(frozen=True)
class Sysctl:
    """A kernel parameter with a dotted name, and its value now and after a reboot."""

    kind: ClassVar[str] = "sysctl"
    name: str
    value: str

    def attributes(self) -> Mapping[str, str]:
        """The value, with the kernel's white space folded to single blanks."""
        return {"value": " ".join(self.value.split())}


@dataclass(frozen=True)
class File:
    """A regular file.

    `validate` is a command that checks the staged file (`%s`) before it replaces the old file; a
    non-zero status rejects it. `unit` reloads or restarts (see Unit) if the file is newer than its
    running configuration. `secret` hides the content from diffs.
    """

    kind: ClassVar[str] = "file"
    name: str
    content: bytes = field(repr=False)
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    validate: str = ""
    unit: str = ""
    secret: bool = False

    @property
    def known(self) -> bool:
        """Whether this machine knows all of the content."""
        return NOT_KNOWN.encode() not in self.content

    @property
    def sha256(self) -> str:
        """The digest that the agents compare."""
        return hashlib.sha256(self.content).hexdigest()

    def attributes(self) -> Mapping[str, str]:
        """Content digest, mode and ownership."""
        return {"sha256": self.sha256, "mode": self.mode, "owner": self.owner, "group": self.group}


@dataclass(frozen=True)
class Address:
    """An address on an interface: `name` is `ADDRESS/PREFIX`, `label` (IPv4 only) as in `lo:0`."""

    kind: ClassVar[str] = "address"
    name: str
    device: str
    label: str = ""

    def attributes(self) -> Mapping[str, str]:
        """The interface; a wrong label alone is no reason to remove and add an address."""
        return {"device": self.device}


@dataclass(frozen=True)
class Unit:
    """A systemd unit: enabled or not, active or not, and how it loads a new configuration.

    `on_change` is `reload` or `restart`. `check` is a read-only command; if it fails, the unit's
    effect is missing.
    """

    kind: ClassVar[str] = "unit"
    name: str
    enabled: bool = True
    active: bool = True
    on_change: str = "reload"
    check: str = ""

    def attributes(self) -> Mapping[str, str]:
        """`enabled`, `active` and `current` as `yes` or `no`; current: the installed files run."""
        return {
            "enabled": "yes" if self.enabled else "no",
            "active": "yes" if self.active else "no",
            "current": "yes",
        }


@dataclass(frozen=True)
class VipItem:
    """A VIP, which only Keepalived sets on this host, while it is master, and removes again.

    hactl changes nothing for this item. A host that has the VIP without being master got it by a
    manual change.
    """

    kind: ClassVar[str] = "vip"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """None: Keepalived alone decides which director has it."""
        return {}


@dataclass(frozen=True)
class VirtualService:
    """A service of the kernel's table: `name` is ipvsadm's selector, `options` are its options.

    A text in `servers` is `HOST ADDRESS:PORT OPTIONS…`; `sorry` is the `ADDRESS:PORT` of the sorry
    server. `weights` tells which weights are no drift: only the inventory's (`fixed`), also 0 by a
    failed check (`zero`), or any weight that a check sets (`any`).
    """

    kind: ClassVar[str] = "virtual"
    name: str
    options: str
    servers: tuple[str, ...] = ()
    weights: str = "fixed"
    sorry: str = ""

    def attributes(self) -> Mapping[str, str]:
        """The values that `hactl render` shows."""
        return {"options": self.options, "servers": "; ".join(self.servers)}


Item = Package | Module | Sysctl | File | Address | Unit | VipItem | VirtualService

WATCHED = ("vip", "virtual")
"""The kinds that the observe agent lists completely, instead of by name."""


@dataclass(frozen=True)
class DesiredHost:
    """The desired state of a host, in the order of its roles; names are unique within a kind."""

    host: str
    items: tuple[Item, ...] = ()

    def of(self, kind: str) -> tuple[Item, ...]:
        """The items of one kind."""
        return tuple(item for item in self.items if item.kind == kind)

    def get(self, kind: str, name: str) -> Item | None:
        """The item, or None."""
        return next((item for item in self.items if (item.kind, item.name) == (kind, name)), None)
