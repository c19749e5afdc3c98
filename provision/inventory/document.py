"""The reader of inventory files: from bytes to `Node`, YAML 1.1 or JSON, plain or vaulted.

A file is read as Ansible reads it. YAML is what PyYAML's safe loader accepts: `yes` and `off` are
booleans, `017` is fifteen, `1:30` is ninety, `2001-12-14` is a date (YAML 1.1,
https://yaml.org/type/). Valid JSON is read as JSON, where `1e3` is a number. Ansible's tags are
`!vault` and `!unsafe`. Ansible does not know our tag `!env NAME`;
`"{{ lookup('env', 'NAME') }}"` works in both programs.

The reader refuses some YAML that PyYAML accepts:

- duplicate keys, and keys that are lists or mappings;
- tags that have no use in an inventory;
- values that nest deeper than `MAX_DEPTH`, or contain themselves;
- aliases that multiply into more than `MAX_NODES` values.

Rules: `file-missing`, `file-directory`, `file-unreadable`, `file-encoding`, `yaml-syntax`,
`yaml-tab`, `yaml-duplicate-key`, `yaml-key`, `yaml-tag`, `yaml-value`, `yaml-depth`,
`yaml-recursion`, `yaml-size`, and those of `provision.inventory.secrets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from provision.core.errors import Position, Problem
from provision.formats.bounded_json import MAX_DEPTH
from provision.inventory import json_document, yaml_mistakes
from provision.inventory.secrets import SecretError, Vault, from_environment, is_vaulted
from provision.inventory.source import Node

MAX_NODES = 1_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YAML = "tag:yaml.org,2002:"
_RESOLVER: Any = yaml.resolver.Resolver()
_KINDS = {f"{_YAML}map": "mapping", f"{_YAML}seq": "list"}


class Reader:
    """Reads files into nodes and collects every problem in `problems`.

    `!env` values and the vault password come from `environ`. A reader serves a single inventory
    with all its files.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.vault = Vault(environ)
        self.problems: list[Problem] = []

    def complain(
        self, position: Position, rule: str, message: str, why: str = "", fix: str = ""
    ) -> None:
        """Add a problem; the reading continues."""
        self.problems.append(Problem(position, rule, message, why, fix))

    def read(self, path: Path) -> Node | None:
        """The value in the file. None if the file is empty or has a problem, which is then
        noted."""
        text = self._text(path)
        if text is None:
            return None
        secret = is_vaulted(text)
        if secret:
            try:
                text = self.vault.decrypt(text)
            except SecretError as error:
                self.complain(Position(str(path)), error.rule, error.message, fix=error.fix)
                return None
        node = self.parse(text, str(path))
        return node.as_secret() if node is not None and secret else node

    def parse(self, text: str, file: str) -> Node | None:
        """The value in a text, None as for `read`. Positions name `file`."""
        text = text.removeprefix("\ufeff")
        node = json_document.parse(text, file)
        if node is not None:
            return node
        try:
            tree = yaml.compose(text, Loader=_bounded_loader(_LOADER))
        except (yaml.YAMLError, ValueError) as error:
            self.problems.append(yaml_mistakes.problem(error, text, file))
            return None
        return None if tree is None else _NodeBuilder(self, file).build(tree, 0)

    def _text(self, path: Path) -> str | None:
        """The file's text. None if it cannot be read; the problem is then noted."""
        position = Position(str(path))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self.complain(
                position,
                "file-missing",
                "there is no such file",
                fix="check the path, or create the file",
            )
        except IsADirectoryError:
            self.complain(
                position,
                "file-directory",
                "this is a directory",
                fix="name the YAML file inside it",
            )
        except OSError as error:
            self.complain(
                position,
                "file-unreadable",
                f"cannot be read: {error.strerror}",
                fix="check its permissions",
            )
        else:
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError as error:
                error_position = yaml_mistakes.place_behind(
                    data[: error.start].decode("utf-8"), str(path)
                )
                message = f"byte 0x{data[error.start]:02x} is not UTF-8"
                fix = f"convert it, e.g. `iconv -f latin1 -t utf-8 {path.name}`"
                self.complain(
                    error_position, "file-encoding", message, "inventories are UTF-8 text", fix
                )
        return None


class _NodeBuilder:
    """Converts PyYAML's tree of a file into nodes."""

    def __init__(self, reader: Reader, file: str) -> None:
        self.reader = reader
        self.file = file
        self.scalars = SafeConstructor()
        self.done: dict[int, Node] = {}
        self.sizes: dict[int, int] = {}
        self.heights: dict[int, int] = {}
        self.open: set[int] = set()

    def place(self, tree: yaml.Node) -> Position:
        mark = tree.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def complain(
        self, tree: yaml.Node, rule: str, message: str, why: str = "", fix: str = ""
    ) -> Node:
        """Note a problem and return a null, so that the reading continues."""
        self.reader.complain(self.place(tree), rule, message, why, fix)
        return Node(None, self.place(tree))

    def too_deep(self, tree: yaml.Node) -> Node:
        return self.complain(tree, "yaml-depth", yaml_mistakes.TOO_DEEP, fix=yaml_mistakes.FLATTEN)

    def build(self, tree: yaml.Node, depth: int) -> Node:
        """The node of a YAML value: the same node for all its aliases."""
        key = id(tree)
        if key in self.done:
            return self.done[key]
        if key in self.open:
            return self.complain(
                tree, "yaml-recursion", "this value contains itself", fix="remove the inner alias"
            )
        if depth > MAX_DEPTH:
            return self.too_deep(tree)
        self.open.add(key)
        node = self._build(tree, depth)
        self.open.discard(key)
        self.done[key] = node
        return node

    def _build(self, tree: yaml.Node, depth: int) -> Node:
        if tree.tag.startswith("!"):
            return self._build_tagged(tree, depth)
        if isinstance(tree, yaml.ScalarNode):
            return Node(self.scalar(tree), self.place(tree))
        expected = "map" if isinstance(tree, yaml.MappingNode) else "seq"
        if tree.tag != _YAML + expected:
            return self._tag_problem(tree)
        node = (
            self._mapping(tree, depth)
            if isinstance(tree, yaml.MappingNode)
            else self._sequence(tree, depth)
        )
        return self._check_size(tree, node)

    def _check_size(self, tree: yaml.Node, node: Node) -> Node:
        """The node, or a problem if it is too deep or too large once its aliases are expanded."""
        parts = node.value.values() if isinstance(node.value, dict) else node.value
        height = 1 + max((self.heights.get(id(part), 0) for part in parts), default=0)
        if height > MAX_DEPTH:
            return self.too_deep(tree)
        size = 1 + sum(self.sizes.get(id(part), 1) for part in parts)
        if size > MAX_NODES:
            message = f"its aliases multiply into more than {MAX_NODES:,} values"
            return self.complain(
                tree, "yaml-size", message, fix="write the value out where it is needed"
            )
        self.sizes[id(node)], self.heights[id(node)] = size, height
        return node

    def _sequence(self, tree: yaml.Node, depth: int) -> Node:
        return Node([self.build(item, depth + 1) for item in tree.value], self.place(tree))

    def _mapping(self, tree: yaml.MappingNode, depth: int) -> Node:
        """The mapping: explicit keys override merged keys (`<<`), and must not repeat."""
        values: dict[Any, Node] = {}
        key_positions: dict[Any, Position] = {}
        explicit_pairs: list[tuple[yaml.Node, yaml.Node]] = []
        for key_tree, value_tree in tree.value:
            if key_tree.tag == f"{_YAML}merge":
                for merged in self._merged_mappings(value_tree, depth):
                    values = {**merged.value, **values}
                    key_positions = {**merged.keys, **key_positions}
            else:
                explicit_pairs.append((key_tree, value_tree))
        first_positions: dict[Any, Position] = {}
        for key_tree, value_tree in explicit_pairs:
            node = self.build(value_tree, depth + 1)
            wrapped_key = self._key(key_tree)
            if wrapped_key is None:
                continue
            (key,) = wrapped_key
            if key in first_positions:
                line = first_positions[key].line
                message = f"key {key!r} is written twice in this mapping, first in line {line}"
                fix = "merge the two or rename one"
                self.complain(
                    key_tree, "yaml-duplicate-key", message, "YAML keeps the last one silently", fix
                )
                continue
            first_positions[key] = key_positions[key] = self.place(key_tree)
            values[key] = node
        return Node(values, self.place(tree), keys=key_positions)

    def _merged_mappings(self, tree: yaml.Node, depth: int) -> list[Node]:
        """The mappings behind `<<`, the strongest first (https://yaml.org/type/merge.html)."""
        trees = tree.value if isinstance(tree, yaml.SequenceNode) else [tree]
        nodes = []
        for part in trees:
            node = self.build(part, depth + 1)
            if isinstance(node.value, dict):
                nodes.append(node)
            elif id(part) not in self.open:
                self.complain(
                    part,
                    "yaml-value",
                    "`<<` merges mappings only",
                    fix="give it an alias of a mapping",
                )
        return nodes

    def _key(self, tree: yaml.Node) -> tuple[Any] | None:
        """The key in a tuple, since None is a valid key. None after noting a problem."""
        if tree.tag == f"{_YAML}value":
            return (tree.value,)
        if isinstance(tree, yaml.ScalarNode) and (
            tree.tag == "!unsafe" or not tree.tag.startswith("!")
        ):
            return (self.build(tree, 0).value,)
        kind = "a mapping" if isinstance(tree, yaml.MappingNode) else "a list"
        message = f"{kind if not isinstance(tree, yaml.ScalarNode) else tree.tag} cannot be a key"
        fix = "quote it: a value that starts with { or [ is a mapping or list unless it is quoted"
        self.complain(tree, "yaml-key", message, fix=fix)
        return None

    def scalar(self, tree: yaml.ScalarNode) -> Any:
        """The Python value of a plain scalar, by its tag; None after noting a problem."""
        tag = tree.tag.removeprefix(_YAML)
        if tag == "str":
            return tree.value
        build = _SCALARS.get(tag)
        if build is None:
            return self._tag_problem(tree).value
        try:
            return build(self.scalars, tree)
        except (ValueError, KeyError, IndexError, OverflowError, ConstructorError):
            message = f"this is not a valid {tag} of YAML 1.1"
            self.complain(
                tree, "yaml-value", message, fix="correct it, or quote it if text is meant"
            )
            return None

    def _build_tagged(self, tree: yaml.Node, depth: int) -> Node:
        """The node of a value with one of Ansible's tags or ours."""
        if tree.tag == "!unsafe":
            return _mark_unsafe(self._build_untagged(tree, depth))
        if tree.tag not in ("!vault", "!vault-encrypted", "!env"):
            return self._tag_problem(tree)
        if not isinstance(tree, yaml.ScalarNode):
            return self.complain(
                tree, "yaml-tag", f"{tree.tag} takes a string", fix=f"write `{tree.tag} TEXT`"
            )
        try:
            if tree.tag == "!env":
                text = from_environment(tree.value.strip(), self.reader.environ)
            else:
                text = self.reader.vault.decrypt(tree.value)
        except SecretError as error:
            return self.complain(tree, error.rule, error.message, fix=error.fix)
        return Node(text, self.place(tree), secret=True, unsafe=tree.tag == "!env")

    def _build_untagged(self, tree: yaml.Node, depth: int) -> Node:
        """The value below `!unsafe`, with the type that it has without the tag.

        Ansible, too, reads `!unsafe "3"` as the number 3.
        """
        tag = _RESOLVER.resolve(type(tree), tree.value, (True, False))
        return self._build(type(tree)(tag, tree.value, tree.start_mark, tree.end_mark), depth)

    def _tag_problem(self, tree: yaml.Node) -> Node:
        tag = tree.tag.replace(_YAML, "!!")
        if isinstance(tree, yaml.ScalarNode) and tree.value in ("=", "<<"):
            return self.complain(
                tree, "yaml-tag", f"a bare {tree.value} has a special meaning", fix="quote it"
            )
        kind = _KINDS.get(tree.tag)
        if kind is not None:
            return self.complain(tree, "yaml-tag", f"{tag} is for a {kind}", fix="remove the tag")
        fix = "remove it; use !vault, !env, !unsafe or a plain type of YAML such as !!str"
        return self.complain(tree, "yaml-tag", f"unknown tag {tag}", fix=fix)


_SCALARS: dict[str, Any] = {
    "null": SafeConstructor.construct_yaml_null,
    "bool": SafeConstructor.construct_yaml_bool,
    "int": SafeConstructor.construct_yaml_int,
    "float": SafeConstructor.construct_yaml_float,
    "timestamp": SafeConstructor.construct_yaml_timestamp,
}


def _mark_unsafe(node: Node) -> Node:
    """The node with every value below it marked unsafe."""
    if isinstance(node.value, dict):
        return replace(
            node, value={key: _mark_unsafe(part) for key, part in node.value.items()}, unsafe=True
        )
    if isinstance(node.value, list):
        return replace(node, value=[_mark_unsafe(part) for part in node.value], unsafe=True)
    return replace(node, unsafe=True)


@cache
def _bounded_loader(loader: Any) -> Any:
    """The loader with a limit on depth.

    Both of PyYAML's composers call these two methods around every value.
    """

    class Bounded(loader):  # type: ignore[misc]
        levels = 0

        def descend_resolver(self, parent: yaml.Node | None, _: Any) -> None:
            self.levels += 1
            if self.levels > MAX_DEPTH + 1:  # a scalar is a level
                raise yaml_mistakes.TooDeep(None, None, None, parent.start_mark if parent else None)

        def ascend_resolver(self) -> None:
            self.levels -= 1

    return Bounded
