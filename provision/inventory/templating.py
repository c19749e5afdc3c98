"""Templates in inventory values: ``"{{ vip }}"``, resolved as an Ansible user expects.

`resolve` works out one host's variables, `resolve_inventory` those of all hosts. A value that is one expression
keeps the type of its result; otherwise the pieces are joined to a string, a null among them as nothing. Values
see the host's own variables, whatever the order they are written in, and Ansible's `inventory_hostname`,
`inventory_hostname_short`, `inventory_dir`, `inventory_file`, `group_names`, `groups`, `hostvars` and `vars`.
Filters and tests are Jinja's own; of Ansible's lookups there is `lookup('env', 'NAME')`.

Not templated: keys, values marked `!unsafe` or `!env`, and the results of templates. A value that used a secret,
or the environment, is a secret. Templates run in Jinja's sandbox, and an undefined variable is an error.

Rules, each at the value's place: `template-undefined`, `template-syntax`, `template-loop`, `template-depth`,
`template-env`, `template-error`. Unlike Ansible, `lookup('env', …)` of a variable that is not set is an error unless it
has `default=`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from provision.core.errors import InputError, Position, Problem
from provision.formats.bounded_json import MAX_DEPTH
from provision.inventory.hosts import Host, Inventory
from provision.inventory.lazy import LazyDict, LazyList, resolved
from provision.inventory.source import Node

_MARKS = re.compile(r"\{\{|\{%|\{#")
_SCOPE = " scope"  # no template can name it


def resolve(host: Host, inventory: Inventory) -> Host:
    """The host with every template in its variables worked out. Raises InputError with every problem found."""
    resolver = _Resolver(inventory)
    found = resolver.host(host)
    resolver.check()
    return found


def resolve_inventory(inventory: Inventory) -> Inventory:
    """The inventory with `resolve` done for all hosts, problems of all of them in one InputError."""
    resolver = _Resolver(inventory)
    hosts = {name: resolver.host(host) for name, host in inventory.hosts.items()}
    resolver.check()
    return replace(inventory, hosts=hosts)


class _Unset(Exception):
    """A lookup asked for an environment variable that is not set; its argument is the name."""


class _Undefined(StrictUndefined):
    """Says what is missing in an operator's words."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"variable {self._undefined_name!r} is not defined"
        return f"there is no {self._undefined_name!r} in the value it is looked for in"


class _Code(NativeCodeGenerator):
    """Leaves constants alone: Jinja would join them to strings when it compiles."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> Any:
        if isinstance(node, nodes.TemplateData):
            return super()._output_child_to_const(node, frame, finalize)
        raise nodes.Impossible


class _Context(Context):
    """Looks names up in the host's variables after the template's own and before Jinja's."""

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        value = self.parent[_SCOPE].lookup(key)
        return super().resolve_or_missing(key) if value is missing else value


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Code
    context_class = _Context


_ENVIRONMENT = _Environment(undefined=_Undefined)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def _rendered(text: str, scope: _Scope) -> Any:
    """The result of a template: the one piece as it is, several as a string, nothing as null.

    Line breaks at the end of the text come back at the end of a string, and do not make a string of another value.
    """
    body = text.rstrip("\n")
    template = _compiled(body)
    parts = list(template.root_render_func(template.new_context({_SCOPE: scope})))
    if len(parts) < 2:
        result = parts[0] if parts else None
    else:
        result = "".join("" if part is None else str(part) for part in parts)
    if not isinstance(result, str):
        return result
    breaks = len(text) - len(body) - (len(result) - len(result.rstrip("\n")))
    return result + "\n" * breaks


def _has_marks(value: Any) -> bool:
    return isinstance(value, str) and _MARKS.search(value) is not None


class _Resolver:
    """Resolves an inventory: one scope a host, and whether what is being worked out has used a secret."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.groups = {name: list(inventory.members(name)) for name in inventory.groups}
        self.scopes: dict[str, _Scope] = {}
        self.fixed: dict[int, bool] = {}
        self.heights: dict[int, int] = {}
        self.problems: dict[tuple[Position, str], Problem] = {}
        self.tainted = [False]

    def host(self, host: Host) -> Host:
        """The host resolved; problems are noted."""
        scope = self.scope(host.name)
        found: dict[str, Node] = {}
        for name, node in host.vars.items():
            try:
                found[name] = scope.resolve(node)
            except InputError as error:
                self.note(error.problems)
            except RecursionError:
                what = f"variable {name!r} leads through too many others"
                self.note(
                    [
                        Problem(
                            node.position,
                            "template-loop",
                            what,
                            fix="shorten the chain of references",
                        )
                    ]
                )
        return replace(host, vars=found)

    def note(self, problems: Sequence[Problem]) -> None:
        """Keep problems, one of a kind at each place: what is wrong in a group is wrong for all its hosts."""
        for problem in problems:
            self.problems.setdefault((problem.position, problem.rule), problem)

    def check(self) -> None:
        """Raise what was noted, in the order of its places."""
        if self.problems:
            raise InputError(sorted(self.problems.values(), key=lambda problem: problem.position))

    def scope(self, name: str) -> _Scope:
        if name not in self.scopes:
            self.scopes[name] = _Scope(self, self.inventory.hosts[name])
        return self.scopes[name]

    def is_fixed(self, node: Node) -> bool:
        """Whether there is no template in the node or below. Asked once a node, many hosts share them."""
        key = id(node)
        if key not in self.fixed:
            if isinstance(node.value, dict):
                self.fixed[key] = all(map(self.is_fixed, node.value.values()))
            elif isinstance(node.value, list):
                self.fixed[key] = all(map(self.is_fixed, node.value))
            else:
                self.fixed[key] = node.unsafe or not _has_marks(node.value)
        return self.fixed[key]

    def height(self, node: Node) -> int:
        """How many levels of lists and mappings there are in a node. Asked once a part, hosts share them."""
        if not isinstance(node.value, dict | list):
            return 0
        parts = node.value.values() if isinstance(node.value, dict) else node.value
        for part in parts:
            if id(part) not in self.heights:
                self.heights[id(part)] = self.height(part)
        return 1 + max((self.heights[id(part)] for part in parts), default=0)

    def taint(self) -> None:
        """Note that the template being rendered has used a secret."""
        self.tainted[-1] = True


class _HostVars(Mapping[str, Any]):
    """Ansible's `hostvars`: the variables of every host."""

    def __init__(self, resolver: _Resolver) -> None:
        self._resolver = resolver

    def __getitem__(self, name: str) -> Any:
        if name not in self._resolver.inventory.hosts:
            raise KeyError(name)
        return _Variables(self._resolver.scope(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._resolver.inventory.hosts)

    def __len__(self) -> int:
        return len(self._resolver.inventory.hosts)


class _Variables(Mapping[str, Any]):
    """Ansible's `vars`: one host's variables, magic ones included."""

    def __init__(self, scope: _Scope) -> None:
        self._scope = scope

    def __getitem__(self, name: str) -> Any:
        value = self._scope.lookup(name)
        if value is missing:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._scope.host.vars)

    def __len__(self) -> int:
        return len(self._scope.host.vars)


class _Scope:
    """One host: what the names in its templates stand for."""

    def __init__(self, resolver: _Resolver, host: Host) -> None:
        self.resolver = resolver
        self.host = host
        self.done: dict[int, Node] = {}
        self.open: dict[int, Node] = {}
        path = resolver.inventory.path.absolute()
        self.magic: dict[str, Any] = {
            "inventory_hostname": host.name,
            "inventory_hostname_short": _short(host.name),
            "inventory_dir": str(path.parent),
            "inventory_file": str(path),
            "group_names": list(host.groups),
            "groups": resolver.groups,
            "hostvars": _HostVars(resolver),
            "vars": _Variables(self),
            "lookup": self.look_up,
        }

    def lookup(self, name: str) -> Any:
        """What a name stands for, Jinja's `missing` for nothing."""
        if name in self.magic:
            return self.magic[name]
        node = self.host.vars.get(name)
        return missing if node is None else self.open_node(node)

    def open_node(self, node: Node) -> Any:
        """A node's value for a template."""
        found = node if isinstance(node.value, dict | list) else self.resolve(node)
        if isinstance(found.value, dict):
            return LazyDict(found, self.open_node)
        if isinstance(found.value, list):
            return LazyList(found, self.open_node)
        if found.secret:
            self.resolver.taint()
        return found.value

    def resolve(self, node: Node) -> Node:
        """The node with every template in it worked out. Raises InputError."""
        if self.resolver.is_fixed(node):
            return node
        key = id(node)
        if key not in self.done:
            if isinstance(node.value, dict):
                result = replace(
                    node, value={name: self.resolve(part) for name, part in node.value.items()}
                )
            elif isinstance(node.value, list):
                result = replace(node, value=[self.resolve(part) for part in node.value])
            else:
                result = self.render(node)
            if self.resolver.height(result) > MAX_DEPTH:
                what = f"nested deeper than {MAX_DEPTH} levels once its templates are worked out"
                self.fail(node, "template-depth", what, "flatten it")
            self.done[key] = self.keep(result)
        return self.done[key]

    def keep(self, node: Node) -> Node:
        """Remember that a result holds no templates any more: it may be looked into again by another one."""
        self.resolver.fixed[id(node)] = True
        return node

    def render(self, node: Node) -> Node:
        """The result of one template. Raises InputError."""
        key = id(node)
        if key in self.open:
            self.fail(
                node,
                "template-loop",
                "this value is needed to work out itself",
                "break the circle of references",
            )
        self.open[key] = node
        self.resolver.tainted.append(node.secret)
        try:
            result = self.as_node(_rendered(node.value, self), node.position)
            return result.as_secret() if self.resolver.tainted[-1] else result
        except (InputError, RecursionError):
            raise
        except Exception as error:
            self.explain(node, error)
        finally:
            self.resolver.tainted.pop()
            del self.open[key]

    def as_node(self, value: Any, position: Position) -> Node:
        """A template's result as a node; text that looks like a template again is marked unsafe."""
        if isinstance(value, Undefined):
            str(value)  # raises UndefinedError
        lazy = resolved(value)
        if lazy is not None:
            return self.resolve(lazy)
        if isinstance(value, str):
            return Node(str(value), position, unsafe=_has_marks(value))
        if value is None or isinstance(value, bool | int | float | date):
            return Node(value, position)
        if isinstance(value, Mapping):
            return Node(
                {key: self.as_node(part, position) for key, part in value.items()}, position
            )
        if isinstance(value, Iterable) and not isinstance(value, bytes):
            return Node([self.as_node(part, position) for part in value], position)
        raise TypeError(f"the result is of type {type(value).__name__}, which no variable can hold")

    def look_up(self, kind: str, *names: str, default: Any = missing) -> Any:
        """Ansible's `lookup('env', NAME)`."""
        if kind not in ("env", "ansible.builtin.env"):
            raise TypeError(f"lookup({kind!r}) does not exist here, only lookup('env', NAME) does")
        self.resolver.taint()
        found = [os.environ.get(name, default) for name in names]
        for name, value in zip(names, found, strict=True):
            if value is missing:
                raise _Unset(name)
        return found[0] if len(found) == 1 else ",".join(map(str, found))

    def explain(self, node: Node, error: Exception) -> NoReturn:
        """Turn what Jinja or a filter raised into a problem at the value's place. Raises InputError.

        Their words are left out once a secret is involved, for they may quote it.
        """
        message = getattr(error, "message", None) or str(error)
        detail = "" if self.resolver.tainted[-1] else f": {message}"
        if isinstance(error, _Unset):
            fix = f"set it before the run, e.g. `export {message}=…`, or give the lookup a default="
            self.fail(node, "template-env", f"the environment variable {message} is not set", fix)
        if isinstance(error, TemplateSyntaxError):
            where = f" in line {error.lineno} of the value" if error.lineno > 1 else ""
            fix = "correct it, or tag the value !unsafe if the braces are meant"
            self.fail(node, "template-syntax", f"not a template{where}{detail}", fix)
        if isinstance(error, UndefinedError):
            what = f"the template uses something undefined for host {self.host.name!r}{detail}"
            self.fail(node, "template-undefined", what, self.nearest(message))
        what = f"the template fails for host {self.host.name!r}: {type(error).__name__}{detail}"
        self.fail(node, "template-error", what, "correct the expression")

    def nearest(self, message: str) -> str:
        """The remedy for an undefined variable, with the known name that is most like it."""
        match = re.match(r"variable '(\w+)'", message)
        known = [*self.host.vars, *self.magic]
        near = get_close_matches(match.group(1), known, n=1) if match else []
        advice = "define it for this host or one of its groups, or use `| default(…)`"
        return f"did you mean {near[0]!r}? Otherwise {advice}" if near else advice

    def fail(self, node: Node, rule: str, what: str, fix: str) -> NoReturn:
        raise InputError([Problem(node.position, rule, what, fix=fix)])


def _short(name: str) -> str:
    """The first label of a host name; an address has no labels."""
    try:
        ip_address(name)
    except ValueError:
        return name.split(".", maxsplit=1)[0]
    return name
