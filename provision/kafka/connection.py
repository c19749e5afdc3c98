"""The connection options of a command: an inventory, or the bootstrap servers and client file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import UsageError
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions
from provision.kafka.client_file import Login, login
from provision.kafka.ssh_tunnel import administrator, cluster_of


@dataclass(frozen=True)
class ConnectionOptions:
    """An inventory or its lab; or bootstrap servers, a client's file, or both."""

    project: Project | None = None
    lab: bool = False
    bootstrap: str = ""
    client: Path | None = None


@contextmanager
def cluster_login(options: ConnectionOptions) -> Iterator[Login]:
    """Yield a login to the cluster.

    Raises:
        UsageError: the options name no cluster, or two; or the inventory has no cluster.
        InputError: the client's file, or a certificate, cannot be read.
    """
    if options.project is None:
        if options.lab:
            raise UsageError("--lab needs an inventory")
        yield login(options.bootstrap, options.client)
        return
    if options.bootstrap or options.client:
        raise UsageError("an inventory goes with neither --bootstrap nor --client")
    hosts = tuple(node.host for node in cluster_of(options.project).brokers)
    with (
        Sessions(options.project.targets(hosts, options.lab)) as sessions,
        administrator(options.project, sessions.of) as admin_login,
    ):
        yield admin_login
