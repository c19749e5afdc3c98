"""From a topology and a host's facts to all that the host must look like.

Pure but for reading the roles' files, which are read once. Two roles may name the same item alike; naming it
differently is an error that names both. Kernel parameters and modules survive a reboot through two files made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provision.core.errors import InputError, Position, Problem
from provision.core.facts import Facts
from provision.desired.host_variables import host_variables
from provision.desired.ipvs_rules import IpvsService, virtual
from provision.desired.items import (
    Address,
    DesiredHost,
    File,
    Item,
    Module,
    Package,
    Sysctl,
    Unit,
    VipItem,
    VirtualService,
)
from provision.desired.manifest import (
    AddressEntry,
    FileEntry,
    ManifestEntry,
    ModuleEntry,
    PackageEntry,
    SysctlEntry,
    UnitEntry,
    VipEntry,
    VirtualEntry,
)
from provision.desired.roles import Role, bind, load_role, search_path
from provision.desired.templates import render_file, render_text
from provision.inventory.hosts import Host, Inventory
from provision.inventory.wording import kind

if TYPE_CHECKING:
    from provision.inventory.topology import Topology

SYSCTL_FILE = "/etc/sysctl.d/99-zz-hactl.conf"
"""Sorts after `99-sysctl.conf`, the distributions' link to /etc/sysctl.conf: the last value wins (sysctl.d(5))."""

MODULES_FILE = "/etc/modules-load.d/hactl.conf"
"""Read by systemd-modules-load before systemd-sysctl runs, so parameters of a module exist by then."""

Scope = Mapping[str, Any]


def render_host(topology: Topology, inventory: Inventory, host: str, facts: Facts) -> DesiredHost:
    """All that `host` must look like, given its facts.

    Raises:
        InputError: an unknown role, a variable that does not fit, a template that fails, roles that contradict.
    """
    variables = host_variables(topology, host, facts)
    return render_roles(topology.roles_of(host), inventory, host, variables, facts)


def render_roles(
    roles: Sequence[str], inventory: Inventory, host: str, variables: Scope, facts: Facts
) -> DesiredHost:
    """The items of these roles on `host`, with `variables` as the computed ones. Raises InputError as `render_host`."""
    computed = {**variables, "facts": facts, "filters_input": facts.firewall != "none"}
    search = search_path(inventory.path)
    source = inventory.hosts[host]
    gathered: dict[tuple[str, str], tuple[Item, str]] = {}
    for name in roles:
        role = load_role(name, search, _asked(source, name))
        scope = bind(role, source, computed)
        for item, place in role_items(role, scope, facts):
            _gather(gathered, item, role.name, place)
    items = [item for item, _ in gathered.values()]
    return DesiredHost(host, (*items, *_persistent(items)))


def _asked(host: Host, role: str) -> Position:
    """Where the inventory gives `role` to the host; the host's own place when it follows from a front end."""
    listed = host.node("hactl_roles").value
    nodes = listed if isinstance(listed, list) else []
    return next((node.position for node in nodes if node.value == role), host.position)


def role_items(role: Role, scope: Scope, facts: Facts) -> Iterator[tuple[Item, Position]]:
    """Every item of a role that is wanted on this host, with the place of its manifest entry."""
    for section, index, entry in role.manifest.entries():
        place = role.place(section, index)
        if entry.os_family not in (None, facts.os_family):
            continue
        for inner in _loop(entry, scope, place):
            if all(_holds(condition, inner, place) for condition in entry.when):
                yield _checked(_item(role, entry, inner, place), place), place


def _loop(entry: ManifestEntry, scope: Scope, place: Position) -> Iterator[Scope]:
    if entry.loop is None:
        yield scope
        return
    members = _lookup(entry.loop, scope, place)
    if not isinstance(members, list | tuple):
        raise InputError([Problem(place, "wrong-type", f"`loop: {entry.loop}` must name a list")])
    for member in members:
        yield {**scope, "item": member}


def _holds(condition: str, scope: Scope, place: Position) -> bool:
    name = condition.removeprefix("not ")
    value = _lookup(name, scope, place)
    if not isinstance(value, bool):
        what = f"`when: {condition}` must name a variable that is true or false"
        raise InputError([Problem(place, "wrong-type", what, f"it is {kind(value)}")])
    return value is (name == condition)


def _lookup(dotted: str, scope: Scope, place: Position) -> Any:
    """The value of a variable, or of a field below it (`facts.network_scripts`)."""
    value: Any = scope
    for name in dotted.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif not isinstance(value, Mapping) and not name.startswith("_") and hasattr(value, name):
            value = getattr(value, name)
        else:
            what = f"`{dotted}` is undefined"
            fix = "declare it in meta/argument_specs.yml and give it a default, or correct the name"
            raise InputError([Problem(place, "template-undefined", what, fix=fix)])
    return value


def _item(role: Role, entry: ManifestEntry, scope: Scope, place: Position) -> Item:
    def text(template: str) -> str:
        return render_text(template, place, scope)

    match entry:
        case PackageEntry():
            return Package(text(entry.name))
        case ModuleEntry():
            return Module(text(entry.name))
        case FileEntry():
            return _file(role, entry, scope, place)
        case SysctlEntry():
            return Sysctl(text(entry.name), text(str(entry.value)))
        case AddressEntry():
            return Address(text(entry.address), text(entry.device), text(entry.label))
        case UnitEntry():
            return Unit(
                text(entry.name), entry.enabled, entry.active, entry.on_change, text(entry.check)
            )
        case VipEntry():
            return VipItem(text(entry.name))
        case VirtualEntry():
            return _virtual(scope.get("item"), place)
    raise AssertionError(f"no item is made from {type(entry).__name__}")


def _virtual(service: Any, place: Position) -> VirtualService:
    if not isinstance(service, IpvsService):
        what = "`virtuals` lists services of the table"
        raise InputError([Problem(place, "wrong-type", what, fix="write `loop: ipvs_services`")])
    return virtual(service)


def _file(role: Role, entry: FileEntry, scope: Scope, place: Position) -> File:
    def text(template: str) -> str:
        return render_text(template, place, scope)

    path = text(entry.path)
    if not path.startswith("/") or ".." in path.split("/"):
        why = "it must be absolute and without `..`"
        raise InputError([Problem(place, "bad-path", f"`{path}` cannot be a file's path", why)])
    return File(
        path,
        render_file(role.templates, entry.template, scope).encode(),
        mode=entry.mode,
        owner=text(entry.owner),
        group=text(entry.group),
        validate=text(entry.validate_with),
        unit=text(entry.unit),
        secret=entry.secret,
    )


def _checked(item: Item, place: Position) -> Item:
    """The item; refuses empty names and control characters, which no host would take as meant."""
    texts = (value for name, value in vars(item).items() if isinstance(value, str))
    if not item.name or any(
        ord(character) < 32 or ord(character) == 127 for text in texts for character in text
    ):
        what = f"the {item.kind} made here has an empty name or a control character in a field"
        raise InputError([Problem(place, "bad-item", what, fix="correct the value that fills it")])
    return item


def _gather(
    gathered: dict[tuple[str, str], tuple[Item, str]], item: Item, role: str, place: Position
) -> None:
    """Add an item unless it is there already, refusing one that says something else."""
    present, other = gathered.setdefault((item.kind, item.name), (item, role))
    if present != item:
        what = f"roles `{other}` and `{role}` want {item.kind} {item.name} differently"
        why = "a host can only be one of them"
        raise InputError(
            [
                Problem(
                    place,
                    "role-conflict",
                    what,
                    why,
                    "change one of the two roles, or drop it from the host",
                )
            ]
        )


def _persistent(items: list[Item]) -> Iterator[File]:
    """The files that bring parameters and modules back after a reboot."""
    sysctls = sorted(f"{item.name} = {item.value}\n" for item in items if isinstance(item, Sysctl))
    modules = sorted(f"{item.name}\n" for item in items if isinstance(item, Module))
    for path, lines in ((SYSCTL_FILE, sysctls), (MODULES_FILE, modules)):
        if lines:
            yield File(
                path,
                "".join(["# Managed by hactl; changes made here are undone.\n", *lines]).encode(),
            )
