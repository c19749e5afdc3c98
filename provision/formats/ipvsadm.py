"""Rules as ipvsadm(8) saves them.

`-A SELECTOR OPTIONS` is a service, `-a SELECTOR -r SERVER OPTIONS` a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Table = Mapping[str, tuple[str, Mapping[str, str]]]
"""By selector (`-t 192.0.2.10:80`): the service's options, and its servers' by `ADDRESS:PORT`."""


def saved_table(lines: Iterable[str]) -> Table:
    """The table of `ipvsadm --save --numeric`; skips comments and other lines of a rules file."""
    table: dict[str, tuple[str, dict[str, str]]] = {}
    for line in lines:
        words = line.split()
        selector, options = " ".join(words[1:3]), words[3:]
        if options[:1] == ["-6"]:
            selector, options = f"{selector} -6", options[1:]
        if words[:1] == ["-A"]:
            table[selector] = (" ".join(options), {})
        elif words[:1] == ["-a"] and selector in table:
            table[selector][1][options[1]] = " ".join(options[2:])
    return table


def weight(options: str) -> int:
    """The weight in a server's options: 1 if there is no `-w` (ipvsadm(8))."""
    words = options.split()
    return int(words[words.index("-w") + 1]) if "-w" in words else 1


def with_weight(options: str, number: int) -> str:
    """A server's options with another weight in the same place."""
    words = options.split()
    if "-w" not in words:
        return f"{options} -w {number}"
    words[words.index("-w") + 1] = str(number)
    return " ".join(words)
