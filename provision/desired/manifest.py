"""A role's manifest: the items of a host with this role, as data.

`manifest.yml` has a list for each kind of item. Every text in it is a Jinja template over the
role's variables. All entries may have these fields:

- `when`: the name of a variable that is true or false, or `not` and the name, or a list of these
  conditions, all of which must hold
- `loop`: the name of a list; there is an item for every member, which the templates see as `item`
- `os_family`: `debian` or `redhat`
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from provision.inventory.model.text import as_list, mistake

_NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"


def _condition(text: str) -> str:
    if not re.fullmatch(rf"(not )?{_NAME}", text):
        fix = "name a variable that is true or false, or write `not` and its name"
        raise mistake("wrong-value", f"{text!a} is not a condition", "a manifest is data", fix)
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise mistake("wrong-value", f"{text!a} is not a variable's name", "", "name a list")
    return text


def _mode(text: str) -> str:
    if not re.fullmatch(r"[0-7]{4}", text):
        raise mistake(
            "wrong-value",
            f"{text!a} is not a file mode",
            "",
            'write four octal digits in quotes, as in "0644"',
        )
    return text


class ManifestEntry(BaseModel):
    """The fields of all entries of a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    when: Annotated[list[Annotated[str, AfterValidator(_condition)]], BeforeValidator(as_list)] = []
    loop: Annotated[str, AfterValidator(_variable)] | None = None
    os_family: Literal["debian", "redhat"] | None = None


class PackageEntry(ManifestEntry):
    """A package that must be installed."""

    name: str


class ModuleEntry(ManifestEntry):
    """A kernel module that must be loaded, now and at boot."""

    name: str


class FileEntry(ManifestEntry):
    """A file from a template; for `validate` and `unit` see `provision.desired.items.File`."""

    path: str
    template: str
    mode: Annotated[str, AfterValidator(_mode)] = "0644"
    owner: str = "root"
    group: str = "root"
    validate_with: str = Field("", alias="validate")
    unit: str = ""
    secret: bool = False


class SysctlEntry(ManifestEntry):
    """A kernel parameter. Write a dot inside a component, as in eth0.100, as a slash."""

    name: str
    value: str | int


class AddressEntry(ManifestEntry):
    """An address with its prefix length on an interface."""

    address: str
    device: str
    label: str = ""


class UnitEntry(ManifestEntry):
    """A systemd unit; for its fields see `provision.desired.items.Unit`."""

    name: str
    enabled: bool = True
    active: bool = True
    on_change: Literal["reload", "restart"] = "reload"
    check: str = ""


class VipEntry(ManifestEntry):
    """A VIP, which Keepalived sets and removes: hactl only compares it."""

    name: str


class VirtualEntry(ManifestEntry):
    """A service of the kernel's table, compared and repaired; `loop` names the `ipvs_services`."""


class Manifest(BaseModel):
    """All entries of one role."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    packages: list[PackageEntry] = []
    modules: list[ModuleEntry] = []
    files: list[FileEntry] = []
    sysctls: list[SysctlEntry] = []
    addresses: list[AddressEntry] = []
    units: list[UnitEntry] = []
    vips: list[VipEntry] = []
    virtuals: list[VirtualEntry] = []

    def entries(self) -> list[tuple[str, int, ManifestEntry]]:
        """All entries, with the name of their list and their index."""
        lists: dict[str, list[ManifestEntry]] = {
            name: list(getattr(self, name)) for name in type(self).model_fields
        }
        return [
            (name, index, entry)
            for name, members in lists.items()
            for index, entry in enumerate(members)
        ]
