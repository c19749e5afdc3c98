"""The agents' protocol (docs/agent-protocol.md): requests and answers as bytes.

Pure functions. Fields are joined by US (0x1F). Unlike a tab it is no white space to the shell's
`IFS`, so empty fields are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provision.core.facts import Facts, Interface
from provision.desired.items import WATCHED, DesiredHost, File, Item, Sysctl, Unit

SEPARATOR = "\x1f"
MARKER = b"hactl-agent\n"
"""The bootstrap's first line. Output before it comes from the login shell and is ignored."""

BOOTSTRAP = (
    "echo hactl-agent; IFS= read -r n; "
    'p=$(dd bs="$n" count=1 iflag=fullblock 2>/dev/null); eval "$p"'
)
"""The constant command of every exec.

It has no single quote, `!` or backslash, which a login shell could interpret.
"""

_OWN_FOLDERS = re.compile(r"/etc/(hactl|keepalived)|/usr/local/lib/hactl|/etc/systemd/system/.*\.d")
_FORBIDDEN = re.compile(r"[\x00\n\x1f]")
_SYSCTL = re.compile(r"[A-Za-z0-9_@:+-]+(?:[./][A-Za-z0-9_@:+-]+)*")


class ProtocolError(ValueError):
    """A value cannot be sent in the protocol, or an answer does not follow it."""


@dataclass(frozen=True)
class LedgerEntry:
    """One item that hactl put on a host and owns there. `detail` has what its removal needs."""

    kind: str
    name: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockHolder:
    """The owner of a host's lock: `since` is the host's UTC time, `alive` if that run exists."""

    who: str
    since: str
    alive: bool


def encode_line(*fields: str) -> bytes:
    """Return one line of the protocol. Raises ProtocolError for a field with US, newline or NUL."""
    for field in fields:
        if _FORBIDDEN.search(field):
            raise ProtocolError(
                f"a name or value holds a control character that cannot be sent: {field!r}"
            )
    return SEPARATOR.join(fields).encode("utf-8", "surrogateescape") + b"\n"


def decode_line(line: bytes) -> tuple[str, ...]:
    """Return the fields of one line. Bytes that are not UTF-8 are kept as surrogates."""
    return tuple(line.rstrip(b"\n").decode("utf-8", "surrogateescape").split(SEPARATOR))


def encode_program(program: str) -> bytes:
    """Return the input of the bootstrap: the length in bytes, and the program."""
    text = program.encode()
    return f"{len(text)}\n".encode() + text


def sysctl_path(name: str) -> str:
    """Return the file of a kernel parameter: dots and slashes change places (sysctl(8)).

    `net.ipv4.conf.eth0/100.arp_ignore` is the parameter of the interface `eth0.100`.
    """
    if not _SYSCTL.fullmatch(name):
        raise ProtocolError(f"{name!r} is not the name of a kernel parameter")
    return "/proc/sys/" + name.translate(str.maketrans("./", "/."))


def _request_line(item: Item, files_of: Mapping[str, Sequence[str]]) -> bytes:
    if isinstance(item, File):
        return encode_line("file", item.name, item.sha256)
    if isinstance(item, Sysctl):
        return encode_line("sysctl", item.name, sysctl_path(item.name))
    if isinstance(item, Unit):
        return encode_line("unit", item.name, item.check, *files_of.get(item.name, ()))
    return encode_line(item.kind, item.name)


def _ledger_request_line(entry: LedgerEntry) -> bytes:
    if entry.kind == "file":
        return encode_line("file", entry.name, "-")
    if entry.kind == "sysctl":
        return encode_line("sysctl", entry.name, sysctl_path(entry.name))
    return encode_line(entry.kind, entry.name)


def folders(desired: DesiredHost) -> tuple[str, ...]:
    """Return the folders of managed files that belong to hactl or its daemons.

    Other entries in these folders are reported as unmanaged.
    """
    parents = (item.name.rpartition("/")[0] for item in desired.items if isinstance(item, File))
    return tuple(dict.fromkeys(parent for parent in parents if _OWN_FOLDERS.fullmatch(parent)))


def encode_request(desired: DesiredHost, ledger: Iterable[LedgerEntry] = ()) -> bytes:
    """Return the request for the desired items and those of the ledger, after its length in bytes.

    A file that is only in the ledger has the digest `-`: the agent then sends no content.
    """
    files_of: dict[str, list[str]] = {}
    for item in desired.items:
        if isinstance(item, File) and item.unit:
            files_of.setdefault(item.unit, []).append(item.name)
    lines = [_request_line(item, files_of) for item in desired.items if item.kind not in WATCHED]
    lines += [encode_line("folder", folder) for folder in folders(desired)]
    known = {(item.kind, item.name) for item in desired.items}
    lines += [
        _ledger_request_line(entry) for entry in ledger if (entry.kind, entry.name) not in known
    ]
    data = b"".join(lines)
    return f"{max(len(data), 1)}\n".encode() + (data or b"\n")


def encode_ledger(entries: Iterable[LedgerEntry]) -> bytes:
    """Return the ledger file. The observe agent prints its lines unchanged."""
    return b"".join(
        encode_line("ledger", entry.kind, entry.name, *entry.detail) for entry in entries
    )


def decode_ledger(fields: Sequence[str]) -> LedgerEntry:
    """Return the entry of a `ledger` line; `fields` are those after the word `ledger`."""
    if len(fields) < 2:
        raise ProtocolError("the host's ledger is damaged")
    return LedgerEntry(fields[0], fields[1], tuple(fields[2:]))


def decode_lock(fields: Sequence[str]) -> LockHolder:
    """Return the lock's owner from a `lock` or `locked` line; `fields` are those after the word."""
    who, since, alive = (*fields, "", "", "")[:3]
    return LockHolder(who, since, alive == "yes")


def decode_drains(lines: Iterable[str]) -> dict[str, str]:
    """Return the drains of lines `HOST WHO WHEN` (drained.sh), as `WHO, WHEN` by host.

    The host `.` is the host that the lines come from.
    """
    drains = {}
    for line in lines:
        host, _, words = line.strip().partition(" ")
        operator, _, when = words.partition(" ")
        drains[host] = f"{operator or 'somebody'}, {when or 'unknown'}"
    return drains


def decode_facts(lines: Iterable[Sequence[str]]) -> Facts:
    """Return the facts of the `fact` lines, given their fields after that word.

    Unknown names are ignored.
    """
    interfaces: list[Interface] = []
    values: dict[str, str] = {}
    for name, *fields in lines:
        if name == "interface" and fields:
            interfaces.append(Interface(fields[0], tuple(fields[1:])))
        elif fields:
            values[name] = fields[0]
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
