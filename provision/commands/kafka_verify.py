"""`hactl kafka verify`: check from a client's host what each user may and may not do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit
from provision.core.events import Console
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions
from provision.hosts.tunnel import connect_through, tunnel
from provision.inventory.kafka import KafkaCluster
from provision.kafka.raw_client import UNREACHABLE, Address, Refused
from provision.kafka.ssh_tunnel import client, cluster_of
from provision.kafka.verify.refusals import VerifyEnvironment
from provision.kafka.verify.run import run
from provision.kafka.verify.show import lines


def verify(project: Project, *, json: bool, lab: bool) -> Exit:
    """Check every consequence of the inventory.

    Returns 0, 1 for a failed check, 4 where the cluster was not reached.

    Raises:
        UsageError: the inventory has no cluster.
        Unreachable: the client cannot be logged in to.
        HactlError: no front end has the brokers behind it.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    hosts = dict.fromkeys(
        [*project.topology.idle_clients()[:1], *(member.host for member in cluster.members)]
    )
    with (
        Sessions(project.targets(tuple(hosts), lab)) as sessions,
        verify_environment(project, cluster, sessions, lab) as environment,
    ):
        result = run(environment, Console().note)
    if json:
        print_json(result.json())
    else:
        Screen().show(lines(result))
    return result.exit


@contextmanager
def verify_environment(
    project: Project, cluster: KafkaCluster, sessions: Sessions, lab: bool
) -> Iterator[VerifyEnvironment]:
    """The connections: to brokers from a client's host, to ZooKeeper from its members' hosts."""
    for host in project.topology.idle_clients()[:1]:
        sessions.of(host)
    host_of = {member.endpoint: member.host for member in cluster.members}
    with (
        client(project, sessions.of, user=cluster.model.admin, lab=lab) as admin,
        tunnel(lambda host, port: sessions.of(host_of[host]).forward(host, port)) as tunnels,
    ):

        def member(address: Address) -> socket.socket:
            try:
                return connect_through(tunnels, *address)
            except OSError as error:
                raise Refused(UNREACHABLE, error.strerror or str(error)) from None

        yield VerifyEnvironment(cluster, admin, member)


def command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Check what each user may and may not do.

    Log in as each user from a client's host: allowed requests must succeed, and
    all others must be refused. Writes one marked record (key `hactl-verify`) into
    each topic that a user may read or write. Exit 0 when all checks pass, 1 when
    a check fails, 4 when the cluster cannot be reached."""
    raise typer.Exit(verify(load(inventory), json=json, lab=lab))
