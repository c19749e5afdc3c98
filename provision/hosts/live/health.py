"""The last results of Keepalived's health checks by real server, read from its log. Pure.

Keepalived logs a check when its result changes. The words come from check_tcp.c, check_http.c and
so on; the server is `[ADDRESS]:protocol:port`. ipwrapper.c logs that Keepalived adds, removes,
enables or disables a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provision.formats import endpoint

_LINE = re.compile(r"(\d+\.\d+) \S+ Keepalived_healthcheckers\[(\d+)\]: (.*)")
_SERVER = re.compile(r"\[[0-9A-Fa-f.:]+\]:\w+:\d+|\[[0-9A-Fa-f.:]+\]")
_IN, _OUT = ("Adding service", "Enabling service"), ("Removing service", "Disabling service")
_NOISE = ("Activating", "Changing weight", "Initializing")


@dataclass(frozen=True)
class Health:
    """The last result of a real server's checks.

    `well`: the checks passed. `reason` is their message without the server. `at` is the time by the
    host's clock. `out_of` has the services, as Keepalived writes them, that it removed the server
    from and has not added it to again. A service has its own checks of a server.
    """

    well: bool
    reason: str
    at: float
    out_of: frozenset[str] = frozenset()


def checks(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Return the times and messages of the present checker process, not of an earlier process.

    The lines come from `journalctl -o short-unix`.
    """
    entries = [match.groups() for line in lines if (match := _LINE.match(line))]
    present_pid = entries[-1][1] if entries else ""
    return ((float(at), text) for at, pid, text in entries if pid == present_pid)


def health(lines: Iterable[str]) -> dict[str, Health]:
    """Return the last result by real server: `[ADDRESS]:protocol:port`, as Keepalived writes it.

    A check with several tries counts once, with the message of its last try.
    """
    results: dict[str, Health] = {}
    for at, text in checks(lines):
        match = _SERVER.search(text)
        if match is None or text.startswith(_NOISE) or "quorum" in text:
            continue
        server, before = match.group(), results.get(match.group())
        out_of = before.out_of if before else frozenset()
        if text.startswith((*_IN, *_OUT)):
            well, service = text.startswith(_IN), {text.rpartition(" VS ")[2]}
            out_of = out_of - service if well else out_of | service
            same = before is not None and before.well == well
            results[server] = Health(
                well, before.reason if before and same else "", before.at if before else at, out_of
            )
        else:
            results[server] = Health(_passed(text), _without_server(text, server), at, out_of)
    return results


def words_on(results: Mapping[str, Health], place: str) -> tuple[Health, ...]:
    """Return the results of `ADDRESS:PORT`: of each protocol, and of the address alone."""
    address, port = endpoint.split(place)
    pattern = re.compile(rf"\[{re.escape(address)}\](:\w+:{port})?")
    return tuple(result for server, result in results.items() if pattern.fullmatch(server))


def _passed(text: str) -> bool:
    return any(word in text.lower() for word in ("success", "succeed"))


def _without_server(text: str, server: str) -> str:
    """Return a check's message without the server's address: `TCP_CHECK failed after 1 retries`."""
    for prefix in (" on service", " to", " for", " of", ""):
        text = text.replace(f"{prefix} {server}", "", 1)
    return " ".join(text.split()).rstrip(".")
