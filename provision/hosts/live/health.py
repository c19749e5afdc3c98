"""What Keepalived's health checks last said of each real server, read from its log. Pure.

Keepalived logs a check when its result changes, in the words of check_tcp.c, check_http.c and so on, with the server as
`[ADDRESS]:protocol:port`; ipwrapper.c tells that it adds, removes or disables it.
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
    """`well` is whether the checks passed last, `reason` their words without the server, `at` the host's clock.

    `out_of` are the services, as Keepalived writes them, that it was taken out of and has not come back to: each has
    checks of its own.
    """

    well: bool
    reason: str
    at: float
    out_of: frozenset[str] = frozenset()


def checks(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """What the checker that runs now has said and when, of lines of `journalctl -o short-unix`; not an earlier one."""
    found = [match.groups() for line in lines if (match := _LINE.match(line))]
    last = found[-1][1] if found else ""
    return ((float(at), text) for at, pid, text in found if pid == last)


def health(lines: Iterable[str]) -> dict[str, Health]:
    """The last word on each real server, by `[ADDRESS]:protocol:port` as Keepalived writes it.

    A check of several tries counts once, with the words of its end.
    """
    found: dict[str, Health] = {}
    for at, text in checks(lines):
        named = _SERVER.search(text)
        if named is None or text.startswith(_NOISE) or "quorum" in text:
            continue
        server, was = named.group(), found.get(named.group())
        out_of = was.out_of if was else frozenset()
        if text.startswith((*_IN, *_OUT)):
            well, service = text.startswith(_IN), {text.rpartition(" VS ")[2]}
            out_of = out_of - service if well else out_of | service
            same = was is not None and was.well == well
            found[server] = Health(
                well, was.reason if was and same else "", was.at if was else at, out_of
            )
        else:
            found[server] = Health(_good(text), _without(text, server), at, out_of)
    return found


def words_on(said: Mapping[str, Health], place: str) -> tuple[Health, ...]:
    """What `health` has on a server, `ADDRESS:PORT` in the table: of each protocol, and of its address alone."""
    address, port = endpoint.split(place)
    named = re.compile(rf"\[{re.escape(address)}\](:\w+:{port})?")
    return tuple(word for name, word in said.items() if named.fullmatch(name))


def _good(text: str) -> bool:
    return any(word in text.lower() for word in ("success", "succeed"))


def _without(text: str, server: str) -> str:
    """A check's words without the server's address, which stands beside them: `TCP_CHECK failed after 1 retries`."""
    for words in (
        f" on service {server}",
        f" to {server}",
        f" for {server}",
        f" of {server}",
        f" {server}",
    ):
        text = text.replace(words, "", 1) if words in text else text
    return " ".join(text.split()).rstrip(".")
