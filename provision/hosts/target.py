"""Where a host is and how to log in to it: Ansible's connection variables joined with ssh_config."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from provision.core.errors import InputError, Position, Problem
from provision.hosts.options import OptionError, lookup, parse_args
from provision.inventory.hosts import Host

ARGS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
CONNECT_TIMEOUT = 10.0
_UNSAFE_ADDRESS = re.compile(r"^-|[\s'\"`$\\;&<>|(){}\x00-\x1f\x7f]")
_UNSAFE_USER = re.compile(r"^-|[\s'\"`$;&<>|(){}\x00-\x1f\x7f]|\\$")


@dataclass(frozen=True)
class Target:
    """A host's login. Passwords never show in its representation.

    `proxy_command` has its tokens filled in; `jumps` are passed through in order. `strict` false means OpenSSH's
    `accept-new`: an unknown host key is recorded, a changed one refused all the same. `timeout` is in seconds.
    """

    host: str
    address: str
    port: int = 22
    user: str = "root"
    become: bool = False
    become_password: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    key_files: tuple[str, ...] = ()
    identities_only: bool = False
    proxy_command: str = ""
    jumps: tuple[Target, ...] = ()
    known_hosts: tuple[str, ...] = KNOWN_HOSTS + GLOBAL_KNOWN_HOSTS
    key_name: str = ""
    strict: bool = True
    timeout: float = CONNECT_TIMEOUT

    @classmethod
    def of(cls, host: Host) -> Target:
        """The login that a host's variables describe.

        Raises InputError at the variable that cannot be used, or that asks for a way in that hactl lacks.
        """
        return _Reader(host).target()


def from_options(host: str, name: str, options: Mapping[str, Any], config_file: str = "") -> Target:
    """The target that `ssh NAME` with these options would log in to. Raises OptionError."""
    known = lookup(name, config_file)
    merged: dict[str, Any] = {**known, **options}
    files = _list(options.get("identityfile")) + _list(known.get("identityfile"))
    address = str(merged.get("hostname", name)).replace("%h", name)
    user = str(merged.get("user") or getpass.getuser())
    port = _number(merged.get("port", 22), "Port", 65535)
    _refuse_unsafe(name, address, user)
    proxy, jumps = _proxy(host, merged, config_file)
    return Target(
        host=host,
        address=address,
        port=port,
        user=user,
        key_files=tuple(
            str(Path(file).expanduser()) for file in dict.fromkeys(files) if file != "none"
        ),
        identities_only=_is_yes(merged.get("identitiesonly", "no")),
        proxy_command=_filled(proxy, {"%h": address, "%p": str(port), "%r": user, "%n": name}),
        jumps=jumps,
        known_hosts=_known_hosts(merged),
        key_name=str(merged.get("hostkeyalias", "")),
        strict=str(merged.get("stricthostkeychecking", "yes")).lower()
        not in ("accept-new", "no", "off"),
        timeout=float(
            _number(merged.get("connecttimeout", CONNECT_TIMEOUT), "ConnectTimeout", 600)
        ),
    )


def _proxy(
    host: str, merged: Mapping[str, Any], config_file: str
) -> tuple[str, tuple[Target, ...]]:
    """The proxy command or the jump hosts; a `none` in either place means neither."""
    jump = merged.get("proxyjump")
    if jump and str(jump).lower() != "none":
        hops = [_hop(host, text.strip(), config_file) for text in str(jump).split(",")]
        return "", tuple(hop for before in hops for hop in (*before.jumps, before))
    command = merged.get("proxycommand")
    return ("", ()) if command is None or str(command).lower() == "none" else (str(command), ())


def _hop(host: str, text: str, config_file: str) -> Target:
    """One jump host, `[USER@]NAME[:PORT]` or the same as `ssh://`; it has its own section in ssh_config."""
    rest = text.removeprefix("ssh://")
    user, _, place = rest.rpartition("@")
    name, port = place, ""
    if place.startswith("["):
        name, _, port = place[1:].partition("]")
    elif place.count(":") == 1:
        name, _, port = place.partition(":")
    if not name:
        raise OptionError(f"the jump host {text!r} has no name")
    options = {"user": user, "port": port.lstrip(":")}
    return from_options(
        host, name, {key: value for key, value in options.items() if value}, config_file
    )


def _refuse_unsafe(name: str, address: str, user: str) -> None:
    """Raise OptionError where these would be more than words to the shell that runs a proxy command.

    Nothing can be quoted, for they may stand inside quotes there: so they are refused, as OpenSSH 9.6 does
    (CVE-2023-51385).
    """
    for text, unsafe, what in (
        (name, _UNSAFE_ADDRESS, "host"),
        (address, _UNSAFE_ADDRESS, "host"),
        (user, _UNSAFE_USER, "user"),
    ):
        if unsafe.search(text):
            raise OptionError(
                f"{text!a} is no name of a {what}: a shell would read it as something else"
            )


def _filled(command: str, tokens: Mapping[str, str]) -> str:
    """A proxy command with its tokens filled in; `_refuse_unsafe` has seen the values."""
    parts = command.split("%%")
    for mark, value in tokens.items():
        parts = [part.replace(mark, value) for part in parts]
    return "%".join(parts)


def _known_hosts(merged: Mapping[str, Any]) -> tuple[str, ...]:
    user = str(merged.get("userknownhostsfile", " ".join(KNOWN_HOSTS))).split()
    everybody = str(merged.get("globalknownhostsfile", " ".join(GLOBAL_KNOWN_HOSTS))).split()
    return tuple(str(Path(file).expanduser()) for file in (*user, *everybody) if file != "none")


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _number(value: Any, name: str, top: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= top:
        raise OptionError(f"{name} must be a number from 1 to {top}, not {value!r}")
    return number


def _is_yes(value: Any) -> bool:
    return str(value).lower() in ("1", "on", "true", "y", "yes")


class _Reader:
    """Reads one host's connection variables and points at the one that is wrong."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def target(self) -> Target:
        self._refuse_other_ways()
        options: dict[str, Any] = {}
        for option, names in (
            ("port", ("ansible_port", "ansible_ssh_port")),
            ("user", ("ansible_user", "ansible_ssh_user")),
            ("identityfile", ("ansible_ssh_private_key_file", "ansible_private_key_file")),
        ):
            if value := self._first(*names):
                options[option] = value
        for name in ARGS:
            for key, value in self._arguments(name).items():
                options.setdefault(key, value)
        config_file = str(options.pop("F", ""))
        address = self._first("ansible_host", "ansible_ssh_host") or self.host.name
        try:
            target = from_options(self.host.name, address, options, config_file)
        except OptionError as error:
            raise self._problem("ansible_ssh_common_args", str(error)) from error
        return self._with_passwords(target)

    def _with_passwords(self, target: Target) -> Target:
        return replace(
            target,
            become=target.user != "root" and _is_yes(self.host.var("ansible_become", False)),
            become_password=self._password(
                "ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"
            ),
            password=self._password("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
        )

    def _password(self, *names: str) -> str:
        """A password, which is one line: what came after it would be read as something else."""
        text = self._first(*names)
        if set(text) & set("\n\r\0"):
            name = next(name for name in names if self.host.var(name) not in (None, ""))
            raise self._problem(
                name, "a password holds a line's end or a NUL", "write it in one line"
            )
        return text

    def _first(self, *names: str) -> str:
        for name in names:
            value = self.host.var(name)
            if value not in (None, ""):
                return str(value)
        return ""

    def _arguments(self, name: str) -> dict[str, str]:
        try:
            return parse_args(self._first(name))
        except OptionError as error:
            raise self._problem(name, str(error)) from error

    def _refuse_other_ways(self) -> None:
        for name, allowed in (
            ("ansible_connection", ("ssh", "smart", "paramiko", "paramiko_ssh")),
            ("ansible_become_method", ("sudo", "ansible.builtin.sudo")),
            ("ansible_become_user", ("root",)),
        ):
            value = self._first(name)
            if value and value not in allowed:
                raise self._problem(name, f"{name}: {value} is not supported", f"use {allowed[0]}")

    def _problem(self, name: str, what: str, fix: str = "") -> InputError:
        node = self.host.vars.get(name)
        position: Position = node.position if node is not None else self.host.position
        why = "hactl reaches every host over SSH with the same options that ssh(1) would use"
        return InputError([Problem(position, "ssh-args", what, why, fix or "remove or correct it")])
