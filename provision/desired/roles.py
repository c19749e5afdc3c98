"""Roles: folders with the desired state of a host as data, in Ansible's layout.

    NAME/manifest.yml              the items of the host (provision.desired.manifest)
    NAME/meta/argument_specs.yml   the variables that an operator may set, in Ansible's format
    NAME/defaults/main.yml         their defaults
    NAME/templates/*.j2            templates of files

hactl looks for a role beside the inventory first. An operator's role thus needs no Python, and
replaces hactl's role of the same name. The templates see the declared and the computed variables
(docs/roles.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from provision.core.errors import InputError, Position, Problem
from provision.core.shipped import shipped
from provision.desired.manifest import FileEntry, Manifest
from provision.desired.templates import render_text
from provision.inventory.document import Reader
from provision.inventory.hosts import Host
from provision.inventory.source import Node
from provision.inventory.validation import validated
from provision.inventory.wording import kind, nearest

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
    "raw": object,
}
TypeName = Literal["str", "path", "int", "float", "bool", "list", "dict", "raw"]


class RoleOption(BaseModel):
    """A variable of a role, as in Ansible's argument_specs.

    As in Ansible, `default` is only documentation: the value comes from defaults/main.yml.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    description: str | list[str] = ""
    type: TypeName = "str"
    required: bool = False
    default: Any = None
    choices: list[Any] | None = None
    elements: TypeName | None = None
    options: dict[str, RoleOption] = {}
    version_added: str = ""


class EntryPoint(BaseModel):
    """A role's entry point; only `main` is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    short_description: str = ""
    description: str | list[str] = ""
    author: str | list[str] = ""
    options: dict[str, RoleOption] = {}


class _EntryPoints(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    main: EntryPoint


class ArgumentSpecs(BaseModel):
    """meta/argument_specs.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    argument_specs: _EntryPoints


@dataclass(frozen=True)
class Role:
    """A role, read and checked; `source` is the manifest's tree, for positions in messages."""

    name: str
    path: Path
    manifest: Manifest
    source: Node
    options: Mapping[str, RoleOption]
    defaults: Mapping[str, Node]

    @property
    def templates(self) -> Path:
        """The folder of its templates."""
        return self.path / "templates"

    def place(self, *loc: str | int) -> Position:
        """The position of an entry of the manifest."""
        return self.source.at(*loc).position


def search_path(inventory: Path) -> tuple[Path, ...]:
    """The folders of roles, in order: `roles` beside the inventory and its folder, then hactl's."""
    folder = inventory.absolute().parent
    return (folder / "roles", folder.parent / "roles", shipped("roles"))


def load_role(name: str, search: Sequence[Path], named_at: Position | None = None) -> Role:
    """The role `name` from the first folder of `search` that has it.

    Raises:
        InputError: `role-unknown` (at `named_at`, the position in the inventory), or all mistakes
            in the role's files.
    """
    for folder in search:
        path = folder / name
        if (path / "manifest.yml").is_file():
            return _load(path)
    known = {entry.parent.name for folder in search for entry in folder.glob("*/manifest.yml")}
    position = named_at or Position(str(search[0] / name))
    reason = f"no manifest.yml in {', '.join(str(folder / name) for folder in search)}"
    raise InputError(
        [
            Problem(
                position, "role-unknown", f"there is no role `{name}`", reason, nearest(name, known)
            )
        ]
    )


@lru_cache(maxsize=256)
def _load(path: Path) -> Role:
    reader = Reader(os.environ)
    source = _read(reader, path / "manifest.yml")
    specs = _read(reader, path / "meta" / "argument_specs.yml", optional=True)
    defaults = _read(reader, path / "defaults" / "main.yml", optional=True)
    if reader.problems:
        raise InputError(reader.problems)
    assert source is not None
    manifest = validated(Manifest, source)
    options = validated(ArgumentSpecs, specs).argument_specs.main.options if specs else {}
    role = Role(path.name, path, manifest, source, options, _mapping(defaults))
    problems = [*_missing_templates(role), *_undeclared(role)]
    if problems:
        raise InputError(problems)
    return role


def _read(reader: Reader, path: Path, optional: bool = False) -> Node | None:
    """The file's tree; None for an empty file, with a problem unless the file is optional."""
    if optional and not path.exists():
        return None
    problem_count = len(reader.problems)
    node = reader.read(path)
    if node is None and not optional and len(reader.problems) == problem_count:
        reader.complain(
            Position(str(path)),
            "role-empty",
            "this file is empty",
            fix="list the role's items, or remove the role",
        )
    return node


def _mapping(node: Node | None) -> Mapping[str, Node]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        message = "defaults must be a mapping of variables to values"
        raise InputError(
            [Problem(node.position, "wrong-type", message, f"it is {kind(node.plain())}")]
        )
    return node.value


def _missing_templates(role: Role) -> Iterator[Problem]:
    for index, entry in enumerate(role.manifest.files):
        assert isinstance(entry, FileEntry)
        if not (role.templates / entry.template).is_file():
            known = {path.name for path in role.templates.glob("*.j2")}
            yield Problem(
                role.place("files", index, "template"),
                "template-missing",
                f"there is no template `{entry.template}` in {role.templates}",
                fix=nearest(entry.template, known),
            )


def _undeclared(role: Role) -> Iterator[Problem]:
    for name, node in role.defaults.items():
        if name not in role.options:
            yield Problem(
                node.position,
                "undeclared-variable",
                f"`{name}` has a default but is not declared",
                "templates see declared variables only",
                f"describe it in {role.path / 'meta' / 'argument_specs.yml'}, or remove it",
            )


def bind(role: Role, host: Host, computed: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the role's templates: defaults, declared host variables, and `computed`.

    Computed variables come before host variables, and these before defaults. A default may use
    computed variables, host variables and the defaults above it.

    Raises:
        InputError: a required variable is missing, or a value does not match its declaration.
    """
    problems: list[Problem] = []
    bound: dict[str, Any] = dict(computed)
    for name, option in role.options.items():
        node = host.vars.get(name)
        if node is None and name not in role.defaults and name not in computed and option.required:
            problems.append(_missing_variable(role, name, host))
        if node is not None and name not in computed:
            problems.extend(_mistakes(name, option, node))
            bound[name] = node.plain()
    for name, node in role.defaults.items():
        if name not in bound:
            bound[name] = _rendered(node, bound)
            problems.extend(_mistakes(name, role.options[name], node))
    if problems:
        raise InputError(problems)
    return bound


def _missing_variable(role: Role, name: str, host: Host) -> Problem:
    message = f"host `{host.name}` has role `{role.name}` but no `{name}`"
    return Problem(
        host.position,
        "missing-variable",
        message,
        "the role requires it",
        f"set `{name}:` for the host",
    )


def _rendered(node: Node, bound: Mapping[str, Any]) -> Any:
    """The value of a default, with its templates rendered."""
    if isinstance(node.value, dict):
        return {key: _rendered(inner, bound) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [_rendered(inner, bound) for inner in node.value]
    if isinstance(node.value, str) and not node.unsafe:
        return render_text(node.value, node.position, bound)
    return node.value


def _mistakes(name: str, option: RoleOption, node: Node) -> Iterator[Problem]:
    """The mistakes in a value, by its declaration."""
    value = node.plain()
    if not _has_type(value, option.type):
        fix = "put it in quotes" if option.type in ("str", "path") else ""
        message = f"`{name}` must be {_type_description(option.type)}"
        yield Problem(node.position, "wrong-type", message, f"it is {kind(value)}", fix)
        return
    if option.choices is not None and value not in option.choices:
        choices = ", ".join(f"`{choice}`" for choice in option.choices)
        yield Problem(
            node.position,
            "wrong-value",
            f"`{name}` must be one of {choices}",
            f"it is {kind(value)}",
        )
    if isinstance(node.value, list) and (option.elements or option.options):
        member = option.model_copy(
            update={"type": option.elements or "dict", "choices": None, "elements": None}
        )
        for index, inner in enumerate(node.value):
            yield from _mistakes(f"{name}[{index}]", member, inner)
    elif isinstance(node.value, dict) and option.options:
        yield from _field_mistakes(name, option.options, node)


def _field_mistakes(name: str, options: Mapping[str, RoleOption], node: Node) -> Iterator[Problem]:
    for key, inner in node.value.items():
        if key in options:
            yield from _mistakes(f"{name}.{key}", options[key], inner)
        else:
            message = f"unknown field `{key}` in `{name}`"
            yield Problem(
                node.key_position(key), "unknown-field", message, fix=nearest(str(key), options)
            )
    for key in (
        key for key, option in options.items() if option.required and key not in node.value
    ):
        yield Problem(
            node.position, "missing-field", f"`{name}.{key}` is missing", fix=f"add `{key}:`"
        )


def _has_type(value: object, name: TypeName) -> bool:
    """Whether a value has a declared type; true and false are not numbers."""
    if isinstance(value, bool):
        return name in ("bool", "raw")
    return isinstance(value, _TYPES[name])


def _type_description(name: TypeName) -> str:
    descriptions: Mapping[str, str] = {
        "str": "text",
        "path": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "list": "a list",
        "dict": "a mapping",
    }
    return descriptions.get(name, "a value")
