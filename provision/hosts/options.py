"""OpenSSH's options that hactl understands: ssh arguments of an inventory, and ssh_config files.

Option names are lower-case, as `paramiko.SSHConfig` gives them. IGNORED lists options that hactl
does not need and that do no harm without effect. All other options are refused.
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
    """batchmode connecttimeout globalknownhostsfile hostkeyalias hostname identitiesonly
    identityfile port proxycommand proxyjump stricthostkeychecking user userknownhostsfile"""
)
"""The options of ssh_config(5) that have an effect."""

IGNORED = _names(
    """addkeystoagent addressfamily checkhostip ciphers compression connectionattempts controlmaster
    controlpath controlpersist escapechar forwardagent forwardx11 gssapiauthentication
    hashknownhosts hostkeyalgorithms kbdinteractiveauthentication kexalgorithms loglevel macs
    numberofpasswordprompts passwordauthentication permitlocalcommand preferredauthentications
    pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication requesttty sendenv
    serveralivecountmax serveraliveinterval tcpkeepalive updatehostkeys verifyhostkeydns
    visualhostkey"""
)
"""Options that are accepted and have no effect."""

_VALUED = {"i": "identityfile", "J": "proxyjump", "l": "user", "p": "port"}
_FLAGS = frozenset("46ACTaknqtvx")


class OptionError(ValueError):
    """An argument or a file that hactl cannot use. The message names it and the reason."""


def parse_args(text: str) -> dict[str, str]:
    """Return the options in a line of ssh(1) arguments. The first of two values counts.

    The key `F` holds the file of `-F`.

    Raises:
        OptionError: a quote is not closed, or an argument is unknown.
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


def _argument(word: str, following_words: Iterator[str]) -> Iterable[tuple[str, str]]:
    if len(word) < 2 or word[0] != "-":
        raise OptionError(f"{word!r} is not an option of ssh")
    letter = word[1]
    if letter in _FLAGS and set(word[1:]) <= _FLAGS:
        return ()
    if letter not in {"F", "o", *_VALUED}:
        raise OptionError(f"the option {word!r} of ssh is not supported")
    value = word[2:] or next(following_words, "")
    if not value:
        raise OptionError(f"the option {word!r} of ssh needs a value")
    if letter == "o":
        return (_assignment(value),)
    return ((_VALUED.get(letter, letter), value),)


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        name, separator, value = text.partition(" ")
    key = name.strip().lower()
    if key not in USED | IGNORED:
        raise OptionError(f"the option {name.strip()!r} of ssh_config is not supported")
    if not separator or not value.strip():
        raise OptionError(f"the option {name.strip()!r} of ssh_config needs a value")
    return key, value.strip().strip('"')


def lookup(name: str, config_file: str = "") -> Mapping[str, str | list[str]]:
    """Return the options of a host in `config_file`, or in the user's file and then the system's.

    Raises:
        OptionError: the named file is missing, or a file cannot be parsed.
    """
    if config_file == "none":
        return {}
    if config_file:
        if not Path(config_file).expanduser().is_file():
            raise OptionError(f"the ssh_config file {config_file} does not exist")
        return _ssh_config(config_file).lookup(name)
    merged: dict[str, str | list[str]] = {}
    for path in ("~/.ssh/config", "/etc/ssh/ssh_config"):
        if Path(path).expanduser().is_file():
            for key, value in _ssh_config(path).lookup(name).items():
                if key == "hostname" and value == name:
                    continue
                merged.setdefault(key, value)
    return merged


@functools.lru_cache(maxsize=32)
def _ssh_config(path: str) -> SSHConfig:
    config = SSHConfig()
    try:
        config.parse(io.StringIO("\n".join(_lines(Path(path).expanduser(), depth=0))))
    except (OSError, SSHException, ValueError) as error:
        raise OptionError(f"the ssh_config file {path} cannot be read: {error}") from error
    return config


def _lines(path: Path, depth: int) -> Iterator[str]:
    """Yield the lines of a file with its `Include`s expanded, which paramiko does not do."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.strip().replace("=", " ", 1).split()
        if not words or words[0].lower() != "include" or depth > 8:
            yield line
            continue
        for pattern in shlex.split(" ".join(words[1:])):
            home = path.parent if path.is_relative_to("/etc") else Path("~/.ssh").expanduser()
            absolute = str(home / Path(pattern).expanduser())
            for match in sorted(glob.glob(absolute)):  # noqa: PTH207 - it may be absolute
                yield from _lines(Path(match), depth + 1)
