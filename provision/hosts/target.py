"""Login data of a host: Ansible's connection variables, combined with ssh_config."""

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
    """The login data of a host. Its representation has no passwords.

    `proxy_command` has its tokens filled in. The connection goes through `jumps` in order. If
    `strict` is false, an unknown host key is recorded and a changed key is still refused, as with
    OpenSSH's `accept-new`. `timeout` is in seconds.
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
        """Return the login data of a host's variables.

        Raises:
            InputError: a variable is wrong, or asks for a connection that hactl does not support.
        """
        return _Reader(host).target()


def from_options(host: str, name: str, options: Mapping[str, Any], config_file: str = "") -> Target:
    """Return the target of `ssh NAME` with these options. Raises OptionError."""
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
    """Return the proxy command or the jump hosts. The value `none` means neither of them."""
    jump = merged.get("proxyjump")
    if jump and str(jump).lower() != "none":
        hops = [_hop(host, text.strip(), config_file) for text in str(jump).split(",")]
        return "", tuple(jump for hop in hops for jump in (*hop.jumps, hop))
    command = merged.get("proxycommand")
    return ("", ()) if command is None or str(command).lower() == "none" else (str(command), ())


def _hop(host: str, text: str, config_file: str) -> Target:
    """Return one jump host, `[USER@]NAME[:PORT]` or `ssh://…`, with its own ssh_config section."""
    user, _, location = text.removeprefix("ssh://").rpartition("@")
    name, port = location, ""
    if location.startswith("["):
        name, _, port = location[1:].partition("]")
    elif location.count(":") == 1:
        name, _, port = location.partition(":")
    if not name:
        raise OptionError(f"the jump host {text!r} has no name")
    options = {"user": user, "port": port.lstrip(":")}
    return from_options(
        host, name, {key: value for key, value in options.items() if value}, config_file
    )


def _refuse_unsafe(name: str, address: str, user: str) -> None:
    """Raise OptionError for values with characters that the shell of a proxy command interprets.

    Quoting is not safe, since the command may already quote them. OpenSSH 9.6 refuses them too
    (CVE-2023-51385).
    """
    for text, unsafe, kind in (
        (name, _UNSAFE_ADDRESS, "host"),
        (address, _UNSAFE_ADDRESS, "host"),
        (user, _UNSAFE_USER, "user"),
    ):
        if unsafe.search(text):
            raise OptionError(
                f"{text!a} is not the name of a {kind}: a shell would interpret its characters"
            )


def _filled(command: str, tokens: Mapping[str, str]) -> str:
    """Return a proxy command with its tokens filled in. `_refuse_unsafe` has checked the values."""
    parts = command.split("%%")
    for token, value in tokens.items():
        parts = [part.replace(token, value) for part in parts]
    return "%".join(parts)


def _known_hosts(merged: Mapping[str, Any]) -> tuple[str, ...]:
    user = str(merged.get("userknownhostsfile", " ".join(KNOWN_HOSTS))).split()
    system = str(merged.get("globalknownhostsfile", " ".join(GLOBAL_KNOWN_HOSTS))).split()
    return tuple(str(Path(file).expanduser()) for file in (*user, *system) if file != "none")


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
    """Reads a host's connection variables. Its errors have the position of the wrong variable."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def target(self) -> Target:
        self._refuse_other_connections()
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
        """Return a password, which must be one line: sudo would read a second line as an answer."""
        text = self._first(*names)
        if set(text) & set("\n\r\0"):
            name = next(name for name in names if self.host.var(name) not in (None, ""))
            raise self._problem(
                name, "a password contains a newline or a NUL", "write it in one line"
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

    def _refuse_other_connections(self) -> None:
        for name, allowed in (
            ("ansible_connection", ("ssh", "smart", "paramiko", "paramiko_ssh")),
            ("ansible_become_method", ("sudo", "ansible.builtin.sudo")),
            ("ansible_become_user", ("root",)),
        ):
            value = self._first(name)
            if value and value not in allowed:
                raise self._problem(name, f"{name}: {value} is not supported", f"use {allowed[0]}")

    def _problem(self, name: str, message: str, fix: str = "") -> InputError:
        node = self.host.vars.get(name)
        position: Position = node.position if node is not None else self.host.position
        reason = "hactl connects to every host over SSH with the options that ssh(1) would use"
        return InputError(
            [Problem(position, "ssh-args", message, reason, fix or "remove or correct it")]
        )
