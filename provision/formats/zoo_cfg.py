"""zoo.cfg: a properties file with one `server.N` for each member of the ensemble (QuorumPeerConfig, QuorumPeer)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from provision.core.errors import Position
from provision.formats import properties
from provision.formats.properties import Properties

_SERVER = re.compile(
    r"(?P<host>\[[^]]+\]|[^:;]+):(?P<peer>\d+):(?P<election>\d+)"
    r"(:(?P<role>participant|observer))?(;((?P<address>\[[^]]+\]|[^:;]+):)?(?P<client>\d+))?"
)


@dataclass(frozen=True)
class ZooKeeperServer:
    """A member: `id` is what its `myid` holds; `client_port` only where it is part of the line."""

    id: int
    host: str
    peer_port: int = 2888
    election_port: int = 3888
    role: Literal["participant", "observer"] = "participant"
    client_port: int | None = None


@dataclass(frozen=True)
class ServerLine:
    """A `server.N` entry with its place; `server` is None where ZooKeeper could not parse it."""

    key: str
    server: ZooKeeperServer | None
    position: Position


def servers(settings: Properties) -> tuple[ServerLine, ...]:
    """The members that the file names, overruled entries left out."""
    lines = []
    for key in settings.plain():
        entry = settings.entry(key)
        if entry and key.strip().startswith("server."):
            lines.append(
                ServerLine(key, _server(key.strip()[7:], settings.get(key)), entry.position)
            )
    return tuple(lines)


def _server(number: str, text: str) -> ZooKeeperServer | None:
    found = _SERVER.fullmatch(text)
    if not found or not number.isdecimal():
        return None
    role: Literal["participant", "observer"] = (
        "observer" if found["role"] == "observer" else "participant"
    )
    client = int(found["client"]) if found["client"] else None
    return ZooKeeperServer(
        int(number),
        found["host"].strip("[]"),
        int(found["peer"]),
        int(found["election"]),
        role,
        client,
    )


def write(
    settings: Mapping[str, properties.Value], members: Sequence[ZooKeeperServer] = ()
) -> bytes:
    """The file with these settings and members.

    Raises:
        HactlError: as `properties.write`.
    """
    return properties.write(
        {**settings, **{f"server.{member.id}": _line(member) for member in members}}
    )


def _line(member: ZooKeeperServer) -> str:
    host = f"[{member.host}]" if ":" in member.host else member.host
    role = f":{member.role}" if member.role != "participant" else ""
    client = f";{member.client_port}" if member.client_port else ""
    return f"{host}:{member.peer_port}:{member.election_port}{role}{client}"
