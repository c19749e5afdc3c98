"""Rules as ipvsadm(8) saves them: `-A SELECTOR OPTIONS` is a service, `-a SELECTOR -r SERVER OPTIONS` a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Table = Mapping[str, tuple[str, Mapping[str, str]]]
"""By selector (`-t 192.0.2.10:80`) the service's options, and each server's options by `ADDRESS:PORT`."""


def saved_table(lines: Iterable[str]) -> Table:
    """The table of `ipvsadm --save --numeric`. Comments and other lines of a rules file are passed over."""
    table: dict[str, tuple[str, dict[str, str]]] = {}
    for line in lines:
        words = line.split()
        selector, rest = " ".join(words[1:3]), words[3:]
        if rest[:1] == ["-6"]:
            selector, rest = f"{selector} -6", rest[1:]
        if words[:1] == ["-A"]:
            table[selector] = (" ".join(rest), {})
        elif words[:1] == ["-a"] and selector in table:
            table[selector][1][rest[1]] = " ".join(rest[2:])
    return table


def weight(options: str) -> int:
    """The weight in a server's options: 1 where they name none (ipvsadm(8) -w)."""
    words = options.split()
    return int(words[words.index("-w") + 1]) if "-w" in words else 1


def with_weight(options: str, number: int) -> str:
    """A server's options with another weight in the same place."""
    words = options.split()
    if "-w" not in words:
        return f"{options} -w {number}"
    words[words.index("-w") + 1] = str(number)
    return " ".join(words)
