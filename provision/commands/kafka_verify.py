"""`hactl kafka verify`: log in to where clients are, ask, and say it in a few lines."""

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
    """Ask everything that follows from the inventory. Returns 0, 1 for a failed check, 4 where nothing was reached.

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
        site(project, cluster, sessions, lab) as found,
    ):
        result = run(found, Console().note)
    if json:
        print_json(result.json())
    else:
        Screen().show(lines(result))
    return result.exit


@contextmanager
def site(
    project: Project, cluster: KafkaCluster, sessions: Sessions, lab: bool
) -> Iterator[VerifyEnvironment]:
    """Brokers are asked from where clients are; members of the ensemble each from its own host."""
    for host in project.topology.idle_clients()[:1]:
        sessions.of(host)
    by_place = {member.endpoint: member.host for member in cluster.members}
    with (
        client(project, sessions.of, user=cluster.model.admin, lab=lab) as admin,
        tunnel(lambda host, port: sessions.of(by_place[host]).forward(host, port)) as way,
    ):

        def member(address: Address) -> socket.socket:
            try:
                return connect_through(way, *address)
            except OSError as error:
                raise Refused(UNREACHABLE, error.strerror or str(error)) from None

        yield VerifyEnvironment(cluster, admin, member)


def command(inventory: InventoryPath = None, json: Json = False, lab: Lab = False) -> None:
    """Log in as each user from where clients are: what it may do must work, what it may not must be refused.

    Writes one marked record (key `hactl-verify`) into each topic that a user may write to or read, whatever else is in
    it. Exit 0 when all is as it must be, 1 when not, 4 when nothing can be reached."""
    raise typer.Exit(verify(load(inventory), json=json, lab=lab))
