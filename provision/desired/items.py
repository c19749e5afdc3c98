"""What a host must look like: plain frozen items, one class a kind.

Every item has a `kind`, a `name` unique within its kind, and `attributes()`: the values that are compared with
what was observed. Rendering makes them, the plan compares them, the apply agent makes them true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

NOT_KNOWN = "(not known on this machine)"
"""Stands in a file for a value that cannot be had here; such a file is never put on a host."""


@dataclass(frozen=True)
class Package:
    """A package that must be installed. Packages are never removed: something else may need them by then."""

    kind: ClassVar[str] = "package"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """Nothing but its presence counts; versions are the distribution's."""
        return {}


@dataclass(frozen=True)
class Module:
    """A kernel module that must be loaded now and at boot."""

    kind: ClassVar[str] = "module"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """Nothing but its presence counts."""
        return {}


@dataclass(frozen=True)
class Sysctl:
    """A kernel parameter, dotted name, and the value it must have now and after a reboot."""

    kind: ClassVar[str] = "sysctl"
    name: str
    value: str

    def attributes(self) -> Mapping[str, str]:
        """The value, with white space as the kernel prints it folded to single blanks."""
        return {"value": " ".join(self.value.split())}


@dataclass(frozen=True)
class File:
    """A regular file.

    `validate` is a command with `%s` for the staged file, run before it replaces the old one; any non-zero
    status refuses it. `unit` must reload (or restart, as the Unit says) when the file differs from what it runs.
    `secret` hides the content from every diff.
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
        """Whether all of the content is known here."""
        return NOT_KNOWN.encode() not in self.content

    @property
    def sha256(self) -> str:
        """The digest the agents compare."""
        return hashlib.sha256(self.content).hexdigest()

    def attributes(self) -> Mapping[str, str]:
        """Content digest, mode and ownership."""
        return {"sha256": self.sha256, "mode": self.mode, "owner": self.owner, "group": self.group}


@dataclass(frozen=True)
class Address:
    """An address on an interface: `name` is `ADDRESS/PREFIX`, `label` what `ip addr` shows (`lo:0`), IPv4 only."""

    kind: ClassVar[str] = "address"
    name: str
    device: str
    label: str = ""

    def attributes(self) -> Mapping[str, str]:
        """The interface that carries it; a label alone is no reason to take an address away and back."""
        return {"device": self.device}


@dataclass(frozen=True)
class Unit:
    """A systemd unit: enabled or not, active or not, and how it takes a new configuration.

    `on_change` is `reload` or `restart`. `check` is a read-only command; where it fails, the unit's effect is not in
    """

    kind: ClassVar[str] = "unit"
    name: str
    enabled: bool = True
    active: bool = True
    on_change: str = "reload"
    check: str = ""

    def attributes(self) -> Mapping[str, str]:
        """Enabled and active as `yes`/`no`, and `current`: it runs what is installed."""
        return {
            "enabled": "yes" if self.enabled else "no",
            "active": "yes" if self.active else "no",
            "current": "yes",
        }


@dataclass(frozen=True)
class VipItem:
    """An address that Keepalived alone puts on an interface of this host and takes off again, while it is master.

    Nothing is made of it: whoever has it without being master got it from somebody's hand.
    """

    kind: ClassVar[str] = "vip"
    name: str

    def attributes(self) -> Mapping[str, str]:
        """Nothing: where it is, is Keepalived's business."""
        return {}


@dataclass(frozen=True)
class VirtualService:
    """A service of the kernel's table, whoever fills it: `name` is ipvsadm's selector, `options` what follows it.

    `servers` are words `HOST PLACE OPTIONS…`, and `sorry` the place of the sorry server. `weights` says who but the
    inventory sets weights: nobody (`fixed`), a check that leaves 0 behind (`zero`), a check that moves them (`any`).
    """

    kind: ClassVar[str] = "virtual"
    name: str
    options: str
    servers: tuple[str, ...] = ()
    weights: str = "fixed"
    sorry: str = ""

    def attributes(self) -> Mapping[str, str]:
        """What `hactl render` shows of it."""
        return {"options": self.options, "servers": "; ".join(self.servers)}


Item = Package | Module | Sysctl | File | Address | Unit | VipItem | VirtualService

WATCHED = ("vip", "virtual")
"""The kinds that nobody is asked for by name: they are looked for in all that a host has of their kind."""


@dataclass(frozen=True)
class DesiredHost:
    """All that one host must look like, in the order the roles name it; names are unique within a kind."""

    host: str
    items: tuple[Item, ...] = ()

    def of(self, kind: str) -> tuple[Item, ...]:
        """The items of one kind."""
        return tuple(item for item in self.items if item.kind == kind)

    def get(self, kind: str, name: str) -> Item | None:
        """One item, or None."""
        return next((item for item in self.items if (item.kind, item.name) == (kind, name)), None)
