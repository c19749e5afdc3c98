"""Looks at running hosts: read-only, one exec a host, all hosts in parallel."""

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

_SECTION = b"\x1f"


def look(session: Session) -> LiveHost:
    """Return the present state of a host. Takes one exec and changes nothing.

    Raises:
        HostError: the connection was lost, or the host lacks a tool that the look needs.
    """
    return look_with(session, "look")[0]


def look_with(session: Session, agent: str) -> tuple[LiveHost, Sections]:
    """Return the present state of a host, and all sections that the agent printed.

    `agent` is `look`, or an agent that prints more sections before those of the look.

    Raises:
        HostError: as `look`.
    """
    wall_start, start = time.time(), time.monotonic()
    channel = session.run_agent(program(agent))
    sections: Sections = {}
    lines: list[str] = []
    round_trip = 0.0
    try:
        while (line := channel.read_line()) is not None:
            if line.startswith(_SECTION):
                lines = sections.setdefault(line[1:].decode("ascii", "replace").strip(), [])
            else:
                # The first line of all is the clock's.
                round_trip = round_trip or time.monotonic() - start
                lines.append(line.decode("utf-8", "replace").rstrip("\n"))
    finally:
        channel.close()
    if "end" not in sections:
        raise HostError(
            session.host, "the connection was lost while looking at the host; nothing was changed"
        )
    try:
        return live_host(
            session.host,
            sections,
            wall_start + round_trip / 2,
            round_trip,
            time.monotonic() - start,
        ), sections
    except LookError as error:
        raise HostError(
            session.host, f"the output of the agent `{agent}` cannot be read: {error}"
        ) from error


def look_all(sessions: Mapping[str, Session | HostError]) -> dict[str, LiveHost | HostError]:
    """Look at all hosts in parallel. Failed hosts have their error instead. The order is kept."""
    return dict(zip(sessions, run_parallel(_look, sessions.values()), strict=True))


def look_at(sessions: Sessions, *hosts: str) -> dict[str, LiveHost | HostError]:
    """Look at the hosts, all of them by default, in parallel. Log in where no login is open."""
    return look_all(sessions.all(hosts or None))


def _look(session: Session | HostError) -> LiveHost | HostError:
    if isinstance(session, HostError):
        return session
    try:
        return look(session)
    except HostError as error:
        return error
