"""SSH tunnels to an inventory's brokers, for their administrator and for users on a client host."""

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
"""Returns a host's SSH session by the host's name in the inventory. Raises Unreachable."""


def cluster_of(project: Project) -> KafkaCluster:
    """Return the inventory's cluster. Raises UsageError if it has none."""
    if project.topology.kafka is None:
        raise UsageError(
            f"{project.path} has no variable `kafka`", "docs/kafka.md describes its contents"
        )
    return project.topology.kafka


@contextmanager
def administrator(project: Project, sessions: Sessions) -> Iterator[Login]:
    """Yield a login as the cluster's `admin`; connections go through SSH to the broker's host.

    It works where a deploy works. The tunnel ends with the block.

    Raises:
        UsageError: the inventory has no cluster.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    hosts = {node.endpoint: node.host for node in cluster.nodes}
    brokers = [(node.endpoint, cluster.model.port) for node in cluster.brokers]

    def dial(address: str, port: int) -> Stream:
        """Connect through the node's host; addresses of no node go through the first broker's."""
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
    """Yield a login as a user, from the inventory's idle client, else from the controller.

    It bootstraps through the VIP by default. `mechanism` and `password` override the inventory's.
    The tunnel ends with the block.

    Raises:
        UsageError: the inventory has no cluster; or it does not have the user, without `password`.
        HactlError: no front end has the brokers behind it, or a lab has no client.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    brokers = [(node.endpoint, cluster.model.port) for node in cluster.brokers]
    vips = [(name, cluster.model.port) for name in cluster.bootstraps(project.topology.frontends)]
    addresses = vips if bootstrap == "vip" else brokers
    if not addresses:
        raise HactlError(
            "no front end has a broker behind it, so there is no address to bootstrap from"
        )
    idle = project.topology.idle_clients()
    if not idle and lab:
        raise HactlError("the lab has no client", "give the inventory a host in group `clients`")
    client_tunnel = (
        tunnel(lambda address, port: sessions(idle[0]).forward(address, port))
        if idle
        else nullcontext("")
    )
    with client_tunnel as proxy:
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
    if password is None:
        if user not in cluster.model.users:
            raise UsageError(
                f"the inventory has no Kafka user {user}",
                f"it has {', '.join(cluster.model.users)}",
            )
        password = cluster.model.users[user].password
    return Login(
        tuple(addresses),
        listener(cluster),
        mechanism or cluster.model.mechanisms[0],
        user,
        password,
        trust(cluster),
        proxy,
    )


def trust(cluster: KafkaCluster) -> ssl.SSLContext | None:
    """Return a TLS context that trusts only the cluster's CA; None without TLS.

    Raises InputError if there is no CA.
    """
    if cluster.certificates is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=trusted(cluster))
    return context
