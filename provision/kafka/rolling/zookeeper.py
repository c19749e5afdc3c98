"""ZooKeeper's members: which of them serve, and whether one of them may go. By the four-letter word `srvr`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from provision.core.errors import HostError
from provision.hosts.ssh import SshSession
from provision.inventory.kafka import KafkaCluster

ANSWER_TIMEOUT = 5.0
"""Seconds for a member's answer."""

MAX_ANSWER_BYTES = 65536
"""Bytes of an answer."""


def serves(answer: str) -> bool:
    """Whether a member that answered so takes part: one that has no quorum says that it serves no requests.

    The answer has a line `Mode:` (ZooKeeper Administrator's Guide, "The Four Letter Words").
    """
    return (
        re.search(r"^Mode: (leader|follower|observer|standalone)$", answer, re.MULTILINE)
        is not None
    )


def may_go(members: Mapping[str, bool], host: str) -> str:
    """Why the member on `host` may not go, `members` saying which serve; empty where it may.

    A majority of all must stay (Zab); of two, whose majority is both, the other one.
    """
    others = [name for name in members if name != host]
    down = [name for name in others if not members[name]]
    if len(others) - len(down) < min(len(others), len(members) // 2 + 1):
        return f"ZooKeeper: {' and '.join(down)} does not serve, and without {host} no majority of its members would"
    return ""


def members(cluster: KafkaCluster, sessions: Callable[[str], SshSession]) -> dict[str, bool]:
    """Which members serve, by host; asked through the SSH login of each one's own host."""
    model = cluster.model.zookeeper
    port = model.port if model else 0
    return {each.host: _asked(sessions, each.host, each.endpoint, port) for each in cluster.members}


def _asked(sessions: Callable[[str], SshSession], host: str, address: str, port: int) -> bool:
    try:
        channel = sessions(host).forward(address, port)
    except HostError:
        return False
    said = b""
    try:
        channel.settimeout(ANSWER_TIMEOUT)
        channel.sendall(b"srvr")
        while len(said) < MAX_ANSWER_BYTES and (more := channel.recv(4096)):
            said += more
    except (OSError, EOFError):
        return False
    finally:
        channel.close()
    return serves(said.decode("utf-8", "replace"))
