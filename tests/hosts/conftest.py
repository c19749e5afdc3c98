"""A client, a jump host that is a target itself, and a server that only the jump host can reach."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provision.hosts.ssh import SshSession, connect
from provision.hosts.target import Target
from tests.hosts.netns import Namespace, Server, keygen

NUMBERS = itertools.count(1)  # another package of tests has hosts of its own


@dataclass(frozen=True)
class Net:
    """The three hosts and the key that opens two of them."""

    client: Namespace
    near: Server
    far: Server
    key: Path

    def target(self, known_hosts: Path, server: Server | None = None, **more: object) -> Target:
        """The login to a server, the near one unless told otherwise."""
        server = server or self.near
        values = {
            "key_files": (str(self.key),),
            "identities_only": True,
            "known_hosts": (str(known_hosts),),
        }
        return Target(host="web1", address=server.address, **{**values, **more})  # type: ignore[arg-type]

    def connect(self, target: Target) -> SshSession:
        return self.client.enter(lambda: connect(target))


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    if os.getuid() != 0:
        pytest.skip("network namespaces need root")
    for tool in ("ip", "nsenter", "unshare", "sudo", "ssh-keygen", "nc"):
        assert shutil.which(tool), f"{tool} is missing"
    base = tmp_path_factory.mktemp("net")
    stem = f"hactl-t{os.getpid()}-{next(NUMBERS)}"
    spaces: list[Namespace] = []
    servers: list[Server] = []
    try:
        for letter in "cnf":
            spaces.append(Namespace(stem + letter))
        client, near, far = spaces
        client.link(near, "10.77.0.1", "10.77.0.2")
        near.link(far, "10.77.0.5", "10.77.0.6")
        key = keygen(base / "key")
        servers.append(Server(near, "10.77.0.2", base / "near", key, users=True))
        servers.append(Server(far, "10.77.0.6", base / "far", key))
        yield Net(client, servers[0], servers[1], key)
    finally:
        for server in servers:
            server.delete()
        for space in spaces:
            space.delete()


@pytest.fixture
def known(net: Net, tmp_path: Path) -> Path:
    """A known_hosts file that vouches for the near server."""
    return net.near.known_hosts(tmp_path / "known_hosts")


@pytest.fixture
def session(net: Net, known: Path) -> Iterator[SshSession]:
    """A login as root to the near server."""
    with net.connect(net.target(known)) as session:
        yield session


Look = Callable[[SshSession], object]
