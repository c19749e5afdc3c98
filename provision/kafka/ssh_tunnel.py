"""The way to an inventory's brokers: for their administrator through their own hosts, for a user from the clients'."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal

from provision.core.errors import HactlError, UsageError
from provision.deploy.project import Project
from provision.desired.kafka_tls import trusted
from provision.desired.kafka_variables import listener
from provision.hosts.ssh import SshSession
from provision.hosts.tunnel import Stream, tunnel
from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import Login

Sessions = Callable[[str], SshSession]
"""The login of a host by its name in the inventory. Raises Unreachable."""


def cluster_of(project: Project) -> KafkaCluster:
    """The inventory's cluster. Raises UsageError where there is none."""
    if project.topology.kafka is None:
        raise UsageError(
            f"{project.path} has no variable `kafka`", "docs/kafka.md tells what belongs into it"
        )
    return project.topology.kafka


@contextmanager
def administrator(project: Project, sessions: Sessions) -> Iterator[Login]:
    """A login as the cluster's `admin` to any of its brokers, each connection through SSH to that broker's own host.

    It works wherever a deploy does. The login ends with the block.

    Raises:
        UsageError: the inventory has no cluster.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    hosts = {node.endpoint: node.host for node in cluster.nodes}
    brokers = [(node.endpoint, cluster.model.port) for node in cluster.brokers]

    def dial(address: str, port: int) -> Stream:
        """Some broker's host knows the way to what no node of the inventory advertises, too."""
        return sessions(hosts.get(address, cluster.brokers[0].host)).forward(address, port)

    with tunnel(dial) as proxy:
        yield _login(cluster, brokers, cluster.model.admin, proxy=proxy)


@contextmanager
def client(
    project: Project,
    sessions: Sessions,
    *,
    user: str,
    bootstrap: Literal["vip", "brokers"] = "vip",
    mechanism: str = "",
    password: str | None = None,
    lab: bool = False,
) -> Iterator[Login]:
    """A login as a user from the inventory's idle client, else from the controller, by default through the VIP.

    `mechanism` and `password` stand above the inventory's. The login ends with the block.

    Raises:
        UsageError: the inventory has no cluster, or no such user and no password for it.
        HactlError: no front end has the brokers behind it, or a lab has no client.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    brokers = [(node.endpoint, cluster.model.port) for node in cluster.brokers]
    ways = [(name, cluster.model.port) for name in cluster.bootstraps(project.topology.frontends)]
    addresses = ways if bootstrap == "vip" else brokers
    if not addresses:
        raise HactlError(
            "no front end has a broker behind it, so there is nothing to bootstrap with"
        )
    idle = project.topology.idle_clients()
    if not idle and lab:
        raise HactlError("the lab has no client", "give the inventory a host in group `clients`")
    way = (
        tunnel(lambda address, port: sessions(idle[0]).forward(address, port))
        if idle
        else nullcontext("")
    )
    with way as proxy:
        yield _login(cluster, addresses, user, proxy=proxy, mechanism=mechanism, password=password)


def _login(
    cluster: KafkaCluster,
    addresses: Sequence[tuple[str, int]],
    user: str,
    *,
    proxy: str,
    mechanism: str = "",
    password: str | None = None,
) -> Login:
    known = cluster.model.users.get(user)
    if password is None and known is None:
        raise UsageError(
            f"the inventory has no Kafka user {user}", f"it has {', '.join(cluster.model.users)}"
        )
    secret = password if password is not None else known.password if known else ""
    tls = trust(cluster)
    return Login(
        tuple(addresses),
        listener(cluster),
        mechanism or cluster.model.mechanisms[0],
        user,
        secret,
        tls,
        proxy,
    )


def trust(cluster: KafkaCluster) -> ssl.SSLContext | None:
    """What trusts the CA of the cluster and nobody else; None without TLS. Raises InputError without a CA."""
    if cluster.certificates is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=trusted(cluster))
    return context
