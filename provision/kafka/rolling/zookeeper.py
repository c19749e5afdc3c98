"""The state of ZooKeeper's members, by the four-letter word `srvr`: may a member be stopped?"""

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
    """Return whether this `srvr` answer is from a member that takes part in the ensemble.

    The answer of a member that serves has a line `Mode:`; a member without a quorum says that it
    serves no requests (ZooKeeper Administrator's Guide, "The Four Letter Words").
    """
    return (
        re.search(r"^Mode: (leader|follower|observer|standalone)$", answer, re.MULTILINE)
        is not None
    )


def stop_refusal(members: Mapping[str, bool], host: str) -> str:
    """Return why the member on `host` may not stop, empty if it may; `members` says which serve.

    A majority of all members must stay (Zab). Of two members, whose majority is both, the other
    must stay.
    """
    others = [name for name in members if name != host]
    down = [name for name in others if not members[name]]
    if len(others) - len(down) < min(len(others), len(members) // 2 + 1):
        return (
            f"ZooKeeper: {' and '.join(down)} does not serve; "
            f"without {host} there is no majority of members"
        )
    return ""


def members(cluster: KafkaCluster, sessions: Callable[[str], SshSession]) -> dict[str, bool]:
    """Return by host whether its member serves; each is asked through its host's SSH session."""
    model = cluster.model.zookeeper
    port = model.port if model else 0
    return {
        member.host: _member_serves(sessions, member.host, member.endpoint, port)
        for member in cluster.members
    }


def _member_serves(
    sessions: Callable[[str], SshSession], host: str, address: str, port: int
) -> bool:
    try:
        channel = sessions(host).forward(address, port)
    except HostError:
        return False
    answer = b""
    try:
        channel.settimeout(ANSWER_TIMEOUT)
        channel.sendall(b"srvr")
        while len(answer) < MAX_ANSWER_BYTES and (data := channel.recv(4096)):
            answer += data
    except (OSError, EOFError):
        return False
    finally:
        channel.close()
    return serves(answer.decode("utf-8", "replace"))
