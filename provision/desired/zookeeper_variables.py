"""The contents of the files of a ZooKeeper member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.formats import jaas, properties, zoo_cfg
from provision.formats.jaas import DIGEST, LoginModule
from provision.inventory.kafka import KafkaCluster

if TYPE_CHECKING:
    from provision.inventory.topology import Topology
from provision.desired.kafka_variables import ZOOKEEPER_USER

ZOOKEEPER_DATA = "/var/lib/zookeeper/data"
"""Not the folder above it: there Debian's package has a link `myid` to its example."""


@dataclass(frozen=True)
class ZooKeeperFiles:
    """The variable `zookeeper` of role zookeeper."""

    id: int
    heap: str
    zoo_cfg: str
    jaas: str


def member_files(topology: Topology, host: str) -> ZooKeeperFiles | None:
    """The files of the ZooKeeper member on a host; None if there is no member."""
    cluster = topology.kafka
    member = cluster.member(host) if cluster else None
    if cluster is None or member is None:
        return None
    model = cluster.model.zookeeper
    assert model is not None
    return ZooKeeperFiles(member.id, model.heap, _zoo_cfg(cluster), _member_jaas(cluster))


def _zoo_cfg(cluster: KafkaCluster) -> str:
    """zoo.cfg; without `server.N` and quorum settings for a single member (QuorumPeerConfig)."""
    model = cluster.model.zookeeper
    assert model is not None
    settings: dict[str, properties.Value] = {
        "tickTime": 2000,
        "initLimit": 10,
        "syncLimit": 5,
        "dataDir": ZOOKEEPER_DATA,
        "clientPort": model.port,
        "maxClientCnxns": 3000,
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 24,
        "admin.enableServer": False,
        "4lw.commands.whitelist": ["srvr", "mntr", "ruok"],
        "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "sessionRequireClientSASLAuth": True,
        "jaasLoginRenew": 3600000,
    }
    if len(cluster.members) < 2:
        return properties.write(settings).decode()
    quorum: dict[str, properties.Value] = {
        "quorum.auth.enableSasl": True,
        "quorum.auth.learnerRequireSasl": True,
        "quorum.auth.serverRequireSasl": True,
        "quorum.cnxn.threads.size": 20,
    }
    servers = [
        zoo_cfg.ZooKeeperServer(member.id, member.endpoint, model.peer_port, model.election_port)
        for member in cluster.members
    ]
    return zoo_cfg.write(settings | quorum, servers).decode()


def _member_jaas(cluster: KafkaCluster) -> str:
    model = cluster.model.zookeeper
    assert model is not None
    quorum = model.quorum_password
    return jaas.write(
        {
            "Server": LoginModule(DIGEST, {f"user_{ZOOKEEPER_USER}": model.password}),
            "QuorumServer": LoginModule(DIGEST, {"user_member": quorum}),
            "QuorumLearner": LoginModule(DIGEST, {"username": "member", "password": quorum}),
        }
    ).decode()
