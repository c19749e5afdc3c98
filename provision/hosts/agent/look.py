"""Look at running hosts: one exec each, nothing changed, all at once."""

from __future__ import annotations

import time
from collections.abc import Mapping

from provision.core.errors import HostError
from provision.hosts.agent import program
from provision.hosts.channel import Session
from provision.hosts.live.parse import LookError, Sections, live_host
from provision.hosts.live.state import LiveHost
from provision.hosts.parallel import run_parallel
from provision.hosts.sessions import Sessions

_MARK = b"\x1f"


def look(session: Session) -> LiveHost:
    """A host as it is right now; takes one exec, and read-only.

    Raises:
        HostError: the connection was lost, or the host lacks a tool without which nothing can be said.
    """
    return look_with(session, "look")[0]


def look_with(session: Session, agent: str) -> tuple[LiveHost, Sections]:
    """A host as it is right now, and all that the agent printed: one that ends with the look and prints more before.

    Raises:
        HostError: as `look`.
    """
    began, begun = time.time(), time.monotonic()
    channel = session.run_agent(program(agent))
    sections: Sections = {}
    lines: list[str] = []
    round_trip = 0.0
    try:
        while (line := channel.read_line()) is not None:
            if line.startswith(_MARK):
                lines = sections.setdefault(line[1:].decode("ascii", "replace").strip(), [])
            else:
                round_trip = (
                    round_trip or time.monotonic() - begun
                )  # the first line of all is the clock's
                lines.append(line.decode("utf-8", "replace").rstrip("\n"))
    finally:
        channel.close()
    if "end" not in sections:
        raise HostError(
            session.host, "the connection was lost while looking at the host; nothing was changed"
        )
    try:
        return live_host(
            session.host, sections, began + round_trip / 2, round_trip, time.monotonic() - begun
        ), sections
    except LookError as error:
        raise HostError(
            session.host, f"what it says about itself cannot be read: {error}"
        ) from error


def look_all(sessions: Mapping[str, Session | HostError]) -> dict[str, LiveHost | HostError]:
    """All hosts at once, in the order given; the error of one that could not be logged in to or looked at."""
    return dict(zip(sessions, run_parallel(_look, sessions.values()), strict=True))


def look_at(sessions: Sessions, *hosts: str) -> dict[str, LiveHost | HostError]:
    """Log in to the hosts named (all of them by default) where need be, and look at them, all at once."""
    return look_all(sessions.all(hosts or None))


def _look(session: Session | HostError) -> LiveHost | HostError:
    if isinstance(session, HostError):
        return session
    try:
        return look(session)
    except HostError as error:
        return error
