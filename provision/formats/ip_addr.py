"""Lines of `ip -o address show` and `ip -o monitor address` (ip-address(8))."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class LiveAddress:
    """One address on an interface; `label` is `lo:0` and the like, else the interface's name."""

    interface: str
    address: str
    prefix: int
    label: str
    scope: str


def live_addresses(lines: Iterable[str]) -> Iterator[LiveAddress]:
    """The addresses in the lines; skips other lines.

    Raises:
        ValueError, IndexError: a line with an address is malformed.
    """
    for line in lines:
        address = live_address(line)
        if address is not None:
            yield address


def live_address(line: str) -> LiveAddress | None:
    """The address in a line, or None. An IPv4 label stands before the backslash."""
    words = line.partition("\\")[0].split()
    if len(words) < 4 or words[2] not in ("inet", "inet6"):
        return None
    interface = words[1].rstrip(":").partition("@")[0]
    address, _, prefix = words[3].partition("/")
    scope = words[words.index("scope") + 1] if "scope" in words else ""
    label = words[-1] if words[2] == "inet" and words[-1] != scope else interface
    length = int(prefix) if prefix else ipaddress.ip_address(address).max_prefixlen
    if "peer" in words:
        length = int(words[words.index("peer") + 1].partition("/")[2])
    return LiveAddress(interface, address, length, label, scope)
