"""Templates in inventory values, ``"{{ vip }}"``, rendered as Ansible renders them.

`resolve` renders a host's variables, `resolve_inventory` those of all hosts. A value that is a
single expression keeps the type of its result. Otherwise the pieces are joined to a string, and a
null among them is empty. A template sees the host's variables, in whatever order they are written,
and Ansible's `inventory_hostname`, `inventory_hostname_short`, `inventory_dir`, `inventory_file`,
`group_names`, `groups`, `hostvars` and `vars`. Filters and tests are Jinja's; of Ansible's lookups
there is only `lookup('env', 'NAME')`.

Keys, values marked `!unsafe` or `!env`, and the results of templates are not templates. A value
that used a secret or the environment is a secret. Templates run in Jinja's sandbox, and an
undefined variable is an error.

Rules, at the place of the value: `template-undefined`, `template-syntax`, `template-loop`,
`template-depth`, `template-env`, `template-error`. Unlike in Ansible, `lookup('env', …)` of an
unset variable is an error, unless it has a `default=`.
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
_SCOPE = " scope"  # A template cannot use this name.


def resolve(host: Host, inventory: Inventory) -> Host:
    """The host with all its variables rendered. Raises InputError with every problem."""
    resolver = _Resolver(inventory)
    resolved_host = resolver.host(host)
    resolver.check()
    return resolved_host


def resolve_inventory(inventory: Inventory) -> Inventory:
    """The inventory with all hosts rendered. Raises one InputError with the problems of all
    hosts."""
    resolver = _Resolver(inventory)
    hosts = {name: resolver.host(host) for name, host in inventory.hosts.items()}
    resolver.check()
    return replace(inventory, hosts=hosts)


class _UnsetVariable(Exception):
    """An environment variable that a lookup needs is not set; the argument is its name."""


class _Undefined(StrictUndefined):
    """An undefined value with an error message in the operator's words."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"variable {self._undefined_name!r} is not defined"
        return f"the value has no {self._undefined_name!r}"


class _CodeGenerator(NativeCodeGenerator):
    """A code generator that keeps constants: Jinja would join them to strings at compile time."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> Any:
        if isinstance(node, nodes.TemplateData):
            return super()._output_child_to_const(node, frame, finalize)
        raise nodes.Impossible


class _Context(Context):
    """A context that looks up names in the template, then in the host's variables, then in
    Jinja."""

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        value = self.parent[_SCOPE].lookup(key)
        return super().resolve_or_missing(key) if value is missing else value


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _CodeGenerator
    context_class = _Context


_ENVIRONMENT = _Environment(undefined=_Undefined)


@lru_cache(maxsize=4096)
def _compile(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def _render(text: str, scope: _Scope) -> Any:
    """The result of a template: a single piece unchanged, several as a string, no piece as null.

    A string result gets the line breaks at the end of the text back. Other results stay as they
    are.
    """
    body = text.rstrip("\n")
    template = _compile(body)
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
    """Renders an inventory with a scope for every host, and tracks the use of secrets."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.groups = {name: list(inventory.members(name)) for name in inventory.groups}
        self.scopes: dict[str, _Scope] = {}
        self.fixed: dict[int, bool] = {}
        self.heights: dict[int, int] = {}
        self.problems: dict[tuple[Position, str], Problem] = {}
        self.tainted = [False]

    def host(self, host: Host) -> Host:
        """The host with all its variables rendered; problems are noted."""
        scope = self.scope(host.name)
        variables: dict[str, Node] = {}
        for name, node in host.vars.items():
            try:
                variables[name] = scope.resolve(node)
            except InputError as error:
                self.note(error.problems)
            except RecursionError:
                message = f"variable {name!r} leads through too many others"
                fix = "shorten the chain of references"
                self.note([Problem(node.position, "template-loop", message, fix=fix)])
        return replace(host, vars=variables)

    def note(self, problems: Sequence[Problem]) -> None:
        """Keep one problem for each place and rule: all hosts of a group share its problems."""
        for problem in problems:
            self.problems.setdefault((problem.position, problem.rule), problem)

    def check(self) -> None:
        """Raise the noted problems in the order of their places."""
        if self.problems:
            raise InputError(sorted(self.problems.values(), key=lambda problem: problem.position))

    def scope(self, name: str) -> _Scope:
        if name not in self.scopes:
            self.scopes[name] = _Scope(self, self.inventory.hosts[name])
        return self.scopes[name]

    def is_fixed(self, node: Node) -> bool:
        """Whether the node and those below hold no template. Cached, since many hosts share a
        node."""
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
        """The number of nested lists and mappings in a node. Cached, since hosts share nodes."""
        if not isinstance(node.value, dict | list):
            return 0
        parts = node.value.values() if isinstance(node.value, dict) else node.value
        for part in parts:
            if id(part) not in self.heights:
                self.heights[id(part)] = self.height(part)
        return 1 + max((self.heights[id(part)] for part in parts), default=0)

    def taint(self) -> None:
        """Note that the current template has used a secret."""
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
    """Ansible's `vars`: a host's variables, magic ones included."""

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
    """The meaning of names in a host's templates."""

    def __init__(self, resolver: _Resolver, host: Host) -> None:
        self.resolver = resolver
        self.host = host
        self.done: dict[int, Node] = {}
        self.open: dict[int, Node] = {}
        path = resolver.inventory.path.absolute()
        self.magic: dict[str, Any] = {
            "inventory_hostname": host.name,
            "inventory_hostname_short": _short_name(host.name),
            "inventory_dir": str(path.parent),
            "inventory_file": str(path),
            "group_names": list(host.groups),
            "groups": resolver.groups,
            "hostvars": _HostVars(resolver),
            "vars": _Variables(self),
            "lookup": self.look_up,
        }

    def lookup(self, name: str) -> Any:
        """The value of a name, or Jinja's `missing`."""
        if name in self.magic:
            return self.magic[name]
        node = self.host.vars.get(name)
        return missing if node is None else self.open_node(node)

    def open_node(self, node: Node) -> Any:
        """A node's value as a template sees it."""
        if not isinstance(node.value, dict | list):
            node = self.resolve(node)
        if isinstance(node.value, dict):
            return LazyDict(node, self.open_node)
        if isinstance(node.value, list):
            return LazyList(node, self.open_node)
        if node.secret:
            self.resolver.taint()
        return node.value

    def resolve(self, node: Node) -> Node:
        """The node with all its templates rendered. Raises InputError."""
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
                message = f"nested deeper than {MAX_DEPTH} levels once its templates are rendered"
                self.fail(node, "template-depth", message, "flatten it")
            self.done[key] = self.keep(result)
        return self.done[key]

    def keep(self, node: Node) -> Node:
        """Note that a result holds no templates, in case another template reads it."""
        self.resolver.fixed[id(node)] = True
        return node

    def render(self, node: Node) -> Node:
        """The result of one template. Raises InputError."""
        key = id(node)
        if key in self.open:
            self.fail(
                node,
                "template-loop",
                "the value depends on itself",
                "break the cycle of references",
            )
        self.open[key] = node
        self.resolver.tainted.append(node.secret)
        try:
            result = self.as_node(_render(node.value, self), node.position)
            return result.as_secret() if self.resolver.tainted[-1] else result
        except (InputError, RecursionError):
            raise
        except Exception as error:
            self.explain(node, error)
        finally:
            self.resolver.tainted.pop()
            del self.open[key]

    def as_node(self, value: Any, position: Position) -> Node:
        """A template's result as a node. Text that looks like a template is marked unsafe."""
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
        values = [os.environ.get(name, default) for name in names]
        for name, value in zip(names, values, strict=True):
            if value is missing:
                raise _UnsetVariable(name)
        return values[0] if len(values) == 1 else ",".join(map(str, values))

    def explain(self, node: Node, error: Exception) -> NoReturn:
        """Raise an InputError for an error of Jinja or a filter, at the value's place.

        The message leaves out Jinja's text if a secret was used, since that text may quote it.
        """
        cause = getattr(error, "message", None) or str(error)
        detail = "" if self.resolver.tainted[-1] else f": {cause}"
        if isinstance(error, _UnsetVariable):
            fix = f"set it before the run, e.g. `export {cause}=…`, or give the lookup a default="
            self.fail(node, "template-env", f"the environment variable {cause} is not set", fix)
        if isinstance(error, TemplateSyntaxError):
            where = f" in line {error.lineno} of the value" if error.lineno > 1 else ""
            fix = "correct it, or tag the value !unsafe if the braces are meant"
            self.fail(node, "template-syntax", f"not a template{where}{detail}", fix)
        if isinstance(error, UndefinedError):
            message = f"the template uses an undefined name for host {self.host.name!r}{detail}"
            self.fail(node, "template-undefined", message, self.nearest(cause))
        message = f"the template fails for host {self.host.name!r}: {type(error).__name__}{detail}"
        self.fail(node, "template-error", message, "correct the expression")

    def nearest(self, message: str) -> str:
        """The remedy for an undefined variable, with the nearest known name."""
        match = re.match(r"variable '(\w+)'", message)
        known = [*self.host.vars, *self.magic]
        near = get_close_matches(match.group(1), known, n=1) if match else []
        advice = "define it for this host or one of its groups, or use `| default(…)`"
        return f"did you mean {near[0]!r}? Otherwise {advice}" if near else advice

    def fail(self, node: Node, rule: str, message: str, fix: str) -> NoReturn:
        raise InputError([Problem(node.position, rule, message, fix=fix)])


def _short_name(name: str) -> str:
    """The first label of a host name; an address has no labels."""
    try:
        ip_address(name)
    except ValueError:
        return name.split(".", maxsplit=1)[0]
    return name
