"""zoo.cfg: a properties file with a `server.N` for each member (QuorumPeerConfig, QuorumPeer)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from provision.core.errors import Position
from provision.formats import endpoint, properties
from provision.formats.properties import Properties

_SERVER = re.compile(
    r"(?P<host>\[[^]]+\]|[^:;]+):(?P<peer>\d+):(?P<election>\d+)"
    r"(:(?P<role>participant|observer))?(;((?P<address>\[[^]]+\]|[^:;]+):)?(?P<client>\d+))?"
)


@dataclass(frozen=True)
class ZooKeeperServer:
    """A member: `id` is the number in `myid`, `client_port` is None if the line has none."""

    id: int
    host: str
    peer_port: int = 2888
    election_port: int = 3888
    role: Literal["participant", "observer"] = "participant"
    client_port: int | None = None


@dataclass(frozen=True)
class ServerLine:
    """A `server.N` entry with its position; `server` is None if ZooKeeper cannot parse it."""

    key: str
    server: ZooKeeperServer | None
    position: Position


def servers(settings: Properties) -> tuple[ServerLine, ...]:
    """The members in the file, without overruled entries."""
    lines = []
    for key in settings.plain():
        entry = settings.entry(key)
        if entry and key.strip().startswith("server."):
            lines.append(
                ServerLine(key, _server(key.strip()[7:], settings.get(key)), entry.position)
            )
    return tuple(lines)


def _server(number: str, text: str) -> ZooKeeperServer | None:
    match = _SERVER.fullmatch(text)
    if not match or not number.isdecimal():
        return None
    role: Literal["participant", "observer"] = (
        "observer" if match["role"] == "observer" else "participant"
    )
    client = int(match["client"]) if match["client"] else None
    return ZooKeeperServer(
        int(number),
        match["host"].strip("[]"),
        int(match["peer"]),
        int(match["election"]),
        role,
        client,
    )


def write(
    settings: Mapping[str, properties.Value], members: Sequence[ZooKeeperServer] = ()
) -> bytes:
    """The file with the settings and members.

    Raises:
        HactlError: as in `properties.write`.
    """
    return properties.write(
        {**settings, **{f"server.{member.id}": _line(member) for member in members}}
    )


def _line(member: ZooKeeperServer) -> str:
    role = f":{member.role}" if member.role != "participant" else ""
    client = f";{member.client_port}" if member.client_port else ""
    return f"{endpoint.join(member.host, member.peer_port)}:{member.election_port}{role}{client}"
