"""zoo.cfg: the members of the ensemble."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.formats import properties, zoo_cfg
from provision.formats.zoo_cfg import ZooKeeperServer

SERVERS = st.builds(
    ZooKeeperServer,
    id=st.integers(1, 255),
    host=st.sampled_from(["zk1", "10.0.0.1", "fd00::1"]),
    peer_port=st.integers(1, 65535),
    role=st.sampled_from(["participant", "observer"]),
    client_port=st.none() | st.integers(1, 65535),
)


@given(st.lists(SERVERS, unique_by=lambda member: member.id))
def test_written_members_are_read_back(members: list[ZooKeeperServer]) -> None:
    """Roles, client ports and IPv6 addresses included."""
    settings = properties.read(zoo_cfg.write({"tickTime": 2000}, members), "zoo.cfg")
    assert settings.get("tickTime") == "2000"
    assert [line.server for line in zoo_cfg.servers(settings)] == members


@pytest.mark.parametrize("line", ["server.a=h:1:2", "server.1=h", "server.1=h:1"])
def test_a_line_that_zookeeper_cannot_parse_is_kept_with_its_position(line: str) -> None:
    """So that lint can report it."""
    (entry,) = zoo_cfg.servers(properties.read(f"\n{line}\n".encode(), "zoo.cfg"))
    assert entry.server is None
    assert entry.position.line == 2
