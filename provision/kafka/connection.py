"""The way to a cluster that a command was given: an inventory, or what a client of Kafka's takes."""

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
    """To the cluster: an inventory, or its lab; or bootstrap servers, a client's file, or both."""

    project: Project | None = None
    lab: bool = False
    bootstrap: str = ""
    client: Path | None = None


@contextmanager
def reached(way: ConnectionOptions) -> Iterator[Login]:
    """A login to the cluster.

    Raises:
        UsageError: there is no way, or there are two; or the inventory has no cluster.
        InputError: the client's file, or a certificate, cannot be read.
    """
    if way.project is None:
        if way.lab:
            raise UsageError("--lab goes with an inventory")
        yield login(way.bootstrap, way.client)
        return
    if way.bootstrap or way.client:
        raise UsageError("an inventory goes with neither --bootstrap nor --client")
    hosts = tuple(node.host for node in cluster_of(way.project).brokers)
    with (
        Sessions(way.project.targets(hosts, way.lab)) as sessions,
        administrator(way.project, sessions.of) as found,
    ):
        yield found
