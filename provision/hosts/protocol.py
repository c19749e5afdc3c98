"""The agents' protocol (docs/architecture.md): what is said to them and what they answer, as bytes.

Pure functions. Fields are joined by US (0x1F): the shell's `IFS` treats it, unlike a tab, as a separator that
keeps empty fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provision.core.facts import Facts, Interface
from provision.desired.items import WATCHED, DesiredHost, File, Item, Sysctl, Unit

SEPARATOR = "\x1f"
MARKER = b"hactl-agent\n"
"""The bootstrap's first line: what a login shell printed before it is not ours."""

BOOTSTRAP = 'echo hactl-agent; IFS= read -r n; p=$(dd bs="$n" count=1 iflag=fullblock 2>/dev/null); eval "$p"'
"""The constant command of every exec; it holds no single quote, `!` or backslash that a login shell could act on."""

_OURS = re.compile(r"/etc/(hactl|keepalived)|/usr/local/lib/hactl|/etc/systemd/system/.*\.d")
_FORBIDDEN = re.compile(r"[\x00\n\x1f]")
_SYSCTL = re.compile(r"[A-Za-z0-9_@:+-]+(?:[./][A-Za-z0-9_@:+-]+)*")


class ProtocolError(ValueError):
    """Something cannot be said in the protocol, or an answer does not follow it."""


@dataclass(frozen=True)
class LedgerEntry:
    """One thing hactl put on a host and owns there; `detail` is what its removal needs to know."""

    kind: str
    name: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockHolder:
    """Who holds a host; `since` is the host's UTC time, `alive` says whether that run still exists."""

    who: str
    since: str
    alive: bool


def encode_line(*fields: str) -> bytes:
    """One line of the protocol. Raises ProtocolError for a field with US, newline or NUL in it."""
    for field in fields:
        if _FORBIDDEN.search(field):
            raise ProtocolError(
                f"a name or value holds a control character that cannot be sent: {field!r}"
            )
    return SEPARATOR.join(fields).encode("utf-8", "surrogateescape") + b"\n"


def decode_line(line: bytes) -> tuple[str, ...]:
    """The fields of one line; bytes that are no UTF-8 survive as surrogates."""
    return tuple(line.rstrip(b"\n").decode("utf-8", "surrogateescape").split(SEPARATOR))


def encode_program(program: str) -> bytes:
    """What the bootstrap reads: the length in bytes, the program."""
    text = program.encode()
    return f"{len(text)}\n".encode() + text


def sysctl_path(name: str) -> str:
    """The file of a kernel parameter, by sysctl(8)'s rule: dots and slashes change places after the first dot.

    `net.ipv4.conf.eth0/100.arp_ignore` is the parameter of the interface `eth0.100`.
    """
    if not _SYSCTL.fullmatch(name):
        raise ProtocolError(f"{name!r} is not the name of a kernel parameter")
    return "/proc/sys/" + name.translate(str.maketrans("./", "/."))


def _question(item: Item, files_of: Mapping[str, Sequence[str]]) -> bytes:
    if isinstance(item, File):
        return encode_line("file", item.name, item.sha256)
    if isinstance(item, Sysctl):
        return encode_line("sysctl", item.name, sysctl_path(item.name))
    if isinstance(item, Unit):
        return encode_line("unit", item.name, item.check, *files_of.get(item.name, ()))
    return encode_line(item.kind, item.name)


def _ledger_question(entry: LedgerEntry) -> bytes:
    if entry.kind == "file":
        return encode_line("file", entry.name, "-")
    if entry.kind == "sysctl":
        return encode_line("sysctl", entry.name, sysctl_path(entry.name))
    return encode_line(entry.kind, entry.name)


def folders(desired: DesiredHost) -> tuple[str, ...]:
    """The folders of managed files that are hactl's own or its daemons': what else is there counts beside ours."""
    parents = (item.name.rpartition("/")[0] for item in desired.items if isinstance(item, File))
    return tuple(dict.fromkeys(parent for parent in parents if _OURS.fullmatch(parent)))


def encode_request(desired: DesiredHost, ledger: Iterable[LedgerEntry] = ()) -> bytes:
    """The items to look at, desired or in the ledger, preceded by their length in bytes.

    A file of the ledger alone is asked for with the digest `-`: its content is not wanted.
    """
    files_of: dict[str, list[str]] = {}
    for item in desired.items:
        if isinstance(item, File) and item.unit:
            files_of.setdefault(item.unit, []).append(item.name)
    lines = [_question(item, files_of) for item in desired.items if item.kind not in WATCHED]
    lines += [encode_line("folder", folder) for folder in folders(desired)]
    known = {(item.kind, item.name) for item in desired.items}
    lines += [_ledger_question(entry) for entry in ledger if (entry.kind, entry.name) not in known]
    data = b"".join(lines)
    return f"{max(len(data), 1)}\n".encode() + (data or b"\n")


def encode_ledger(entries: Iterable[LedgerEntry]) -> bytes:
    """The ledger file: lines that the observe agent prints as they are."""
    return b"".join(
        encode_line("ledger", entry.kind, entry.name, *entry.detail) for entry in entries
    )


def decode_ledger(fields: Sequence[str]) -> LedgerEntry:
    """One `ledger` line's fields, the word `ledger` left off."""
    if len(fields) < 2:
        raise ProtocolError("the host's ledger is damaged")
    return LedgerEntry(fields[0], fields[1], tuple(fields[2:]))


def decode_lock(fields: Sequence[str]) -> LockHolder:
    """The fields of a `lock` or `locked` line, its first word left off."""
    who, since, alive = (*fields, "", "", "")[:3]
    return LockHolder(who, since, alive == "yes")


def decode_drains(lines: Iterable[str]) -> dict[str, str]:
    """Lines `HOST WHO WHEN` of what is drained (agent/drained.sh), as `WHO, WHEN` by host; `.` is the host itself."""
    found = {}
    for line in lines:
        host, _, words = line.strip().partition(" ")
        who, _, when = words.partition(" ")
        found[host] = f"{who or 'somebody'}, {when or 'unknown'}"
    return found


def decode_facts(lines: Iterable[Sequence[str]]) -> Facts:
    """Facts from the fields of the `fact` lines, the word `fact` left off; unknown names are ignored."""
    interfaces: list[Interface] = []
    values: dict[str, str] = {}
    for name, *rest in lines:
        if name == "interface" and rest:
            interfaces.append(Interface(rest[0], tuple(rest[1:])))
        elif rest:
            values[name] = rest[0]
    texts = (
        "os_family",
        "os_id",
        "os_version",
        "hostname",
        "kernel",
        "default_interface",
        "keepalived_version",
        "firewall",
        "selinux",
    )
    return Facts(
        interfaces=tuple(interfaces),
        network_scripts=values.get("network_scripts") == "yes",
        **{name: values.get(name, "") for name in texts},
    )
