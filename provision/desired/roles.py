"""Roles: folders of data that say what a host must look like, in Ansible's layout.

    NAME/manifest.yml              what goes on the host (provision.desired.manifest)
    NAME/meta/argument_specs.yml   the variables an operator may set, in Ansible's format
    NAME/defaults/main.yml         their defaults
    NAME/templates/*.j2            templates of files

A role is looked for beside the inventory first, so an operator's own role needs no Python, and one of the same name
takes the place of a shipped one. Its templates see the declared variables and the computed ones (docs/roles.md).
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
    """One variable of a role, as Ansible's argument_specs describe it.

    `default` is documentation there as here: the value comes from defaults/main.yml.
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
    """A role, read and checked; `source` is the manifest's tree, for the places of complaints."""

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
        """Where an entry of the manifest is written."""
        return self.source.at(*loc).position


def search_path(inventory: Path) -> tuple[Path, ...]:
    """The folders that hold roles, best first: `roles` beside the inventory, beside its folder, the shipped ones."""
    folder = inventory.absolute().parent
    return (folder / "roles", folder.parent / "roles", shipped("roles"))


def load_role(name: str, search: Sequence[Path], named_at: Position | None = None) -> Role:
    """The role `name` from the first folder of `search` that has it.

    Raises:
        InputError: `role-unknown` (at `named_at`, where the inventory asks for it), or every mistake in its files.
    """
    for folder in search:
        path = folder / name
        if (path / "manifest.yml").is_file():
            return _load(path)
    known = {entry.parent.name for folder in search for entry in folder.glob("*/manifest.yml")}
    place = named_at or Position(str(search[0] / name))
    why = f"no manifest.yml in {', '.join(str(folder / name) for folder in search)}"
    raise InputError(
        [Problem(place, "role-unknown", f"there is no role `{name}`", why, nearest(name, known))]
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
    """The file's tree; None, and a problem unless it may be absent, where it holds nothing."""
    if optional and not path.exists():
        return None
    found = len(reader.problems)
    node = reader.read(path)
    if node is None and not optional and len(reader.problems) == found:
        reader.complain(
            Position(str(path)),
            "role-empty",
            "this file is empty",
            fix="say what the host must look like",
        )
    return node


def _mapping(node: Node | None) -> Mapping[str, Node]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        what = "defaults must be a mapping of variables to values"
        raise InputError(
            [Problem(node.position, "wrong-type", what, f"it is {kind(node.plain())}")]
        )
    return node.value


def _missing_templates(role: Role) -> Iterator[Problem]:
    for index, entry in enumerate(role.manifest.files):
        assert isinstance(entry, FileEntry)
        if not (role.templates / entry.template).is_file():
            known = {found.name for found in role.templates.glob("*.j2")}
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
    """What the role's templates see: defaults, then the host's variables of declared names, then `computed`.

    A default may itself use computed variables, the host's, and the defaults above it.

    Raises:
        InputError: a required variable is missing, or a value does not fit its declaration.
    """
    problems: list[Problem] = []
    bound: dict[str, Any] = dict(computed)
    for name, option in role.options.items():
        node = host.vars.get(name)
        if node is None and name not in role.defaults and name not in computed and option.required:
            problems.append(_required(role, name, host))
        if node is not None and name not in computed:
            problems.extend(_misfits(name, option, node))
            bound[name] = node.plain()
    for name, node in role.defaults.items():
        if name not in bound:
            bound[name] = _filled(node, bound)
            problems.extend(_misfits(name, role.options[name], node))
    if problems:
        raise InputError(problems)
    return bound


def _required(role: Role, name: str, host: Host) -> Problem:
    what = f"host `{host.name}` has role `{role.name}` but no `{name}`"
    return Problem(
        host.position,
        "missing-variable",
        what,
        "the role requires it",
        f"set `{name}:` for the host",
    )


def _filled(node: Node, bound: Mapping[str, Any]) -> Any:
    """The value of a default with the templates in its texts filled in."""
    if isinstance(node.value, dict):
        return {key: _filled(inner, bound) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [_filled(inner, bound) for inner in node.value]
    if isinstance(node.value, str) and not node.unsafe:
        return render_text(node.value, node.position, bound)
    return node.value


def _misfits(name: str, option: RoleOption, node: Node) -> Iterator[Problem]:
    """What is wrong with a value, given its declaration."""
    value = node.plain()
    if not _is(value, option.type):
        fix = "put it in quotes" if option.type in ("str", "path") else ""
        what = f"`{name}` must be {_article(option.type)}"
        yield Problem(node.position, "wrong-type", what, f"it is {kind(value)}", fix)
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
            yield from _misfits(f"{name}[{index}]", member, inner)
    elif isinstance(node.value, dict) and option.options:
        yield from _misfits_below(name, option.options, node)


def _misfits_below(name: str, options: Mapping[str, RoleOption], node: Node) -> Iterator[Problem]:
    for key, inner in node.value.items():
        if key in options:
            yield from _misfits(f"{name}.{key}", options[key], inner)
        else:
            what = f"unknown field `{key}` in `{name}`"
            yield Problem(
                node.key_position(key), "unknown-field", what, fix=nearest(str(key), options)
            )
    for key in (
        key for key, option in options.items() if option.required and key not in node.value
    ):
        yield Problem(
            node.position, "missing-field", f"`{name}.{key}` is missing", fix=f"add `{key}:`"
        )


def _is(value: object, name: TypeName) -> bool:
    """Whether a value is of a declared type; true and false are no numbers here."""
    if isinstance(value, bool):
        return name in ("bool", "raw")
    return isinstance(value, _TYPES[name])


def _article(name: TypeName) -> str:
    words = {
        "str": "text",
        "path": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
    }
    return words.get(name, {"list": "a list", "dict": "a mapping"}.get(name, "a value"))
