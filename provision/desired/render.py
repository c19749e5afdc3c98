"""The desired state of a host, from the topology and the host's facts.

Rendering only reads the roles' files, once. Two roles may have an equal item; two different items
of one name are an error that names both roles. Two files make kernel parameters and modules
persistent.
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
"""It sorts after `99-sysctl.conf`, a link to /etc/sysctl.conf: the last wins (sysctl.d(5))."""

MODULES_FILE = "/etc/modules-load.d/hactl.conf"
"""systemd reads it before systemd-sysctl runs, so that the modules' parameters exist then."""

Scope = Mapping[str, Any]


def render_host(topology: Topology, inventory: Inventory, host: str, facts: Facts) -> DesiredHost:
    """The desired state of `host`, given its facts.

    Raises:
        InputError: a role is unknown, a variable has a wrong value, a template fails, or roles
            conflict.
    """
    variables = host_variables(topology, host, facts)
    return render_roles(topology.roles_of(host), inventory, host, variables, facts)


def render_roles(
    roles: Sequence[str], inventory: Inventory, host: str, variables: Scope, facts: Facts
) -> DesiredHost:
    """The items of roles, with computed `variables`. Raises InputError as `render_host`."""
    computed = {**variables, "facts": facts, "filters_input": facts.firewall != "none"}
    search = search_path(inventory.path)
    source = inventory.hosts[host]
    gathered: dict[tuple[str, str], tuple[Item, str]] = {}
    for name in roles:
        role = load_role(name, search, _role_position(source, name))
        scope = bind(role, source, computed)
        for item, position in role_items(role, scope, facts):
            _add_item(gathered, item, role.name, position)
    items = [item for item, _ in gathered.values()]
    return DesiredHost(host, (*items, *_persistent(items)))


def _role_position(host: Host, role: str) -> Position:
    """Where the inventory assigns the role; the host's position if a front end assigns it."""
    role_list = host.node("hactl_roles").value
    nodes = role_list if isinstance(role_list, list) else []
    return next((node.position for node in nodes if node.value == role), host.position)


def role_items(role: Role, scope: Scope, facts: Facts) -> Iterator[tuple[Item, Position]]:
    """The items of a role on this host, with the positions of their manifest entries."""
    for section, index, entry in role.manifest.entries():
        position = role.place(section, index)
        if entry.os_family not in (None, facts.os_family):
            continue
        for entry_scope in _loop_scopes(entry, scope, position):
            if all(_is_true(condition, entry_scope, position) for condition in entry.when):
                yield _validated(_item(role, entry, entry_scope, position), position), position


def _loop_scopes(entry: ManifestEntry, scope: Scope, position: Position) -> Iterator[Scope]:
    if entry.loop is None:
        yield scope
        return
    members = _lookup(entry.loop, scope, position)
    if not isinstance(members, list | tuple):
        raise InputError(
            [Problem(position, "wrong-type", f"`loop: {entry.loop}` must name a list")]
        )
    for member in members:
        yield {**scope, "item": member}


def _is_true(condition: str, scope: Scope, position: Position) -> bool:
    name = condition.removeprefix("not ")
    value = _lookup(name, scope, position)
    if not isinstance(value, bool):
        message = f"`when: {condition}` must name a variable that is true or false"
        raise InputError([Problem(position, "wrong-type", message, f"it is {kind(value)}")])
    return value is (name == condition)


def _lookup(dotted: str, scope: Scope, position: Position) -> Any:
    """The value of a variable, or of a field below it (`facts.network_scripts`)."""
    value: Any = scope
    for name in dotted.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif not isinstance(value, Mapping) and not name.startswith("_") and hasattr(value, name):
            value = getattr(value, name)
        else:
            message = f"`{dotted}` is undefined"
            fix = "declare it in meta/argument_specs.yml and give it a default, or correct the name"
            raise InputError([Problem(position, "template-undefined", message, fix=fix)])
    return value


def _item(role: Role, entry: ManifestEntry, scope: Scope, position: Position) -> Item:
    def text(template: str) -> str:
        return render_text(template, position, scope)

    match entry:
        case PackageEntry():
            return Package(text(entry.name))
        case ModuleEntry():
            return Module(text(entry.name))
        case FileEntry():
            return _file(role, entry, scope, position)
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
            return _virtual(scope.get("item"), position)
    raise AssertionError(f"no item is made from {type(entry).__name__}")


def _virtual(service: Any, position: Position) -> VirtualService:
    if not isinstance(service, IpvsService):
        message = "`virtuals` must list IPVS services"
        raise InputError(
            [Problem(position, "wrong-type", message, fix="write `loop: ipvs_services`")]
        )
    return virtual(service)


def _file(role: Role, entry: FileEntry, scope: Scope, position: Position) -> File:
    def text(template: str) -> str:
        return render_text(template, position, scope)

    path = text(entry.path)
    if not path.startswith("/") or ".." in path.split("/"):
        reason = "it must be absolute and without `..`"
        raise InputError(
            [Problem(position, "bad-path", f"`{path}` cannot be a file's path", reason)]
        )
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


def _validated(item: Item, position: Position) -> Item:
    """The item. Raises InputError for an empty name and for control characters."""
    texts = (value for name, value in vars(item).items() if isinstance(value, str))
    if not item.name or any(
        ord(character) < 32 or ord(character) == 127 for text in texts for character in text
    ):
        message = f"this {item.kind} has an empty name or a control character in a field"
        raise InputError([Problem(position, "bad-item", message, fix="correct the field's value")])
    return item


def _add_item(
    gathered: dict[tuple[str, str], tuple[Item, str]], item: Item, role: str, position: Position
) -> None:
    """Add an item, unless it is present. Raises InputError if the present one is different."""
    present, other = gathered.setdefault((item.kind, item.name), (item, role))
    if present != item:
        message = f"roles `{other}` and `{role}` define {item.kind} {item.name} differently"
        reason = "a host cannot have both"
        fix = "change one of the two roles, or remove it from the host"
        raise InputError([Problem(position, "role-conflict", message, reason, fix)])


def _persistent(items: list[Item]) -> Iterator[File]:
    """The files that set parameters and load modules at boot."""
    sysctls = sorted(f"{item.name} = {item.value}\n" for item in items if isinstance(item, Sysctl))
    modules = sorted(f"{item.name}\n" for item in items if isinstance(item, Module))
    for path, lines in ((SYSCTL_FILE, sysctls), (MODULES_FILE, modules)):
        if lines:
            yield File(
                path,
                "".join(["# Managed by hactl; changes made here are undone.\n", *lines]).encode(),
            )
