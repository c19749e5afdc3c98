"""OpenSSH's options as hactl understands them: from arguments in an inventory, and from ssh_config files.

Option names are lower-case, as `paramiko.SSHConfig` gives them. What hactl has no use for and what does no harm when
left out is listed in IGNORED; everything else is refused rather than silently dropped.
"""

from __future__ import annotations

import functools
import glob
import io
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from paramiko import SSHConfig, SSHException


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


USED = _names(
    """batchmode connecttimeout globalknownhostsfile hostkeyalias hostname identitiesonly identityfile port
    proxycommand proxyjump stricthostkeychecking user userknownhostsfile"""
)
"""The options of ssh_config(5) that change what hactl does."""

IGNORED = _names(
    """addkeystoagent addressfamily checkhostip ciphers compression connectionattempts controlmaster controlpath
    controlpersist escapechar forwardagent forwardx11 gssapiauthentication hashknownhosts hostkeyalgorithms
    kbdinteractiveauthentication kexalgorithms loglevel macs numberofpasswordprompts passwordauthentication
    permitlocalcommand preferredauthentications pubkeyacceptedalgorithms pubkeyacceptedkeytypes
    pubkeyauthentication requesttty sendenv serveralivecountmax serveraliveinterval tcpkeepalive updatehostkeys
    verifyhostkeydns visualhostkey"""
)
"""Options that may be given and have no effect here."""

_VALUED = {"i": "identityfile", "J": "proxyjump", "l": "user", "p": "port"}
_FLAGS = frozenset("46ACTaknqtvx")


class OptionError(ValueError):
    """An argument or a file that hactl cannot use; the message says which and why."""


def parse_args(text: str) -> dict[str, str]:
    """The options in a line of ssh(1) arguments; `-F`'s file is under the key `F`. The first of two equal ones wins.

    Raises OptionError for quotes that do not close and for arguments hactl does not know.
    """
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise OptionError(f"{error} in {text!r}") from error
    options: dict[str, str] = {}
    for word in words:
        for name, value in _argument(word, words):
            options.setdefault(name, value)
    return options


def _argument(word: str, rest: Iterator[str]) -> Iterable[tuple[str, str]]:
    if len(word) < 2 or word[0] != "-":
        raise OptionError(f"{word!r} is not an option of ssh")
    letter = word[1]
    if letter in _FLAGS and set(word[1:]) <= _FLAGS:
        return ()
    if letter not in {"F", "o", *_VALUED}:
        raise OptionError(f"the option {word!r} of ssh is not supported")
    value = word[2:] or next(rest, "")
    if not value:
        raise OptionError(f"the option {word!r} of ssh needs a value")
    if letter == "o":
        return (_assignment(value),)
    return ((_VALUED.get(letter, letter), value),)


def _assignment(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        name, found, value = text.partition(" ")
    key = name.strip().lower()
    if key not in USED | IGNORED:
        raise OptionError(f"the option {name.strip()!r} of ssh_config is not supported")
    if not found or not value.strip():
        raise OptionError(f"the option {name.strip()!r} of ssh_config needs a value")
    return key, value.strip().strip('"')


def lookup(name: str, config_file: str = "") -> Mapping[str, str | list[str]]:
    """What ssh_config says of a host: `config_file`, or the user's file and then the system's.

    Raises OptionError where a named file is missing or a file cannot be parsed.
    """
    if config_file == "none":
        return {}
    if config_file:
        if not Path(config_file).expanduser().is_file():
            raise OptionError(f"the ssh_config file {config_file} does not exist")
        return _parsed(config_file).lookup(name)
    merged: dict[str, str | list[str]] = {}
    for path in ("~/.ssh/config", "/etc/ssh/ssh_config"):
        if Path(path).expanduser().is_file():
            for key, value in _parsed(path).lookup(name).items():
                if key == "hostname" and value == name:
                    continue
                merged.setdefault(key, value)
    return merged


@functools.lru_cache(maxsize=32)
def _parsed(path: str) -> SSHConfig:
    config = SSHConfig()
    try:
        config.parse(io.StringIO("\n".join(_lines(Path(path).expanduser(), depth=0))))
    except (OSError, SSHException, ValueError) as error:
        raise OptionError(f"the ssh_config file {path} cannot be read: {error}") from error
    return config


def _lines(path: Path, depth: int) -> Iterator[str]:
    """The lines of a file with its `Include`s in place, which paramiko does not know."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.strip().replace("=", " ", 1).split()
        if not words or words[0].lower() != "include" or depth > 8:
            yield line
            continue
        for pattern in shlex.split(" ".join(words[1:])):
            home = path.parent if path.is_relative_to("/etc") else Path("~/.ssh").expanduser()
            for match in sorted(glob.glob(str(home / Path(pattern).expanduser()))):  # noqa: PTH207 - may be absolute
                yield from _lines(Path(match), depth + 1)
