"""What the files of a Kafka node, a ZooKeeper member and a director that checks brokers are made of.

All settings are written by `provision.formats`, which quotes; the templates only put the texts in their places.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.desired.firewall import Opening
from provision.desired.kafka_tls import certificate, trusted_or_unknown
from provision.formats import endpoint, jaas, properties
from provision.formats.jaas import DIGEST, PLAIN, SCRAM, LoginModule
from provision.inventory.kafka import KafkaCluster, KafkaNode, first_users, kafka_checks
from provision.inventory.model.checks import KafkaCheck
from provision.inventory.model.kafka import Kafka

if TYPE_CHECKING:
    from provision.inventory.topology import Topology

CREDENTIALS = "/run/credentials/kafka.service"
"""Where systemd shows the broker, and nobody else, the files of `LoadCredential=` (systemd.exec(5))."""

CONTROLLER = "CONTROLLER"
AUTHORIZERS = {
    True: "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    False: "kafka.security.authorizer.AclAuthorizer",
}
"""With KRaft and without."""


INTERVAL = 5
"""Seconds from one question to the next where the check names none."""

_LOGGING = {
    True: "-Dlog4j2.configurationFile=/etc/kafka/log4j2.properties",
    False: "-Dlog4j.configuration=file:/etc/kafka/log4j.properties",
}
"""From 4.0 on, and before."""

ZOOKEEPER_USER = "kafka"
"""What the brokers call themselves towards ZooKeeper; the password is the secret."""


@dataclass(frozen=True)
class Credential:
    """A file in /etc/kafka that only root and the broker may read."""

    name: str
    text: str


@dataclass(frozen=True)
class KafkaFiles:
    """What the templates of role kafka see as `kafka`: `credentials` are secret files, the first read once only."""

    cluster_id: str
    version: str
    kraft: bool
    log4j2: bool
    logging: str
    heap: str
    data: tuple[str, ...]
    archive: str
    sha512: str
    jars: str
    zookeeper_connect: str
    scram_users: tuple[str, ...]
    credentials: tuple[Credential, ...]
    first_credentials: tuple[Credential, ...]


@dataclass(frozen=True)
class CheckFiles:
    """What the templates of role kafka_check see as `kafka_check`: its settings, as JSON."""

    settings: str


def node_files(topology: Topology, host: str) -> KafkaFiles | None:
    """Everything about the node on a host; None where there is none.

    Raises:
        InputError: `kafka-certificate`, where a certificate cannot be had.
    """
    cluster = topology.kafka
    node = cluster.on(host) if cluster else None
    if cluster is None or node is None:
        return None
    model = cluster.model
    origin = model.distribution
    return KafkaFiles(
        cluster_id=cluster.cluster_id,
        version=model.version,
        kraft=model.kraft,
        log4j2=model.numbers >= (4,),
        logging=_LOGGING[model.numbers >= (4,)],
        heap=model.heap,
        data=model.data,
        archive=origin.archive or "",
        sha512=origin.sha512 or "",
        jars=origin.jars or "",
        zookeeper_connect=_connect(cluster),
        scram_users=first_users(cluster, topology.frontends) if cluster.model.scram else (),
        credentials=tuple(_credentials(topology, cluster, node)),
        first_credentials=tuple(_first_credentials(topology, cluster)),
    )


def _credentials(
    topology: Topology, cluster: KafkaCluster, node: KafkaNode
) -> Iterator[Credential]:
    yield Credential("server.properties", properties.write(broker_settings(cluster, node)).decode())
    if cluster.certificates is not None:
        yield Credential("ca.pem", trusted_or_unknown(cluster))
        yield Credential("node.pem", certificate(topology, cluster, node))
    if not cluster.model.kraft:
        yield Credential("jaas.conf", jaas.write({"Client": _zookeeper_login(cluster)}).decode())


def _first_credentials(topology: Topology, cluster: KafkaCluster) -> Iterator[Credential]:
    users = first_users(cluster, topology.frontends) if cluster.model.scram else ()
    if cluster.model.kraft:
        yield Credential("format", "".join(_format_arguments(cluster, user) for user in users))
        return
    for user in users:
        yield Credential(f"scram-{user}", properties.write(_scram_settings(cluster, user)).decode())


def broker_settings(cluster: KafkaCluster, node: KafkaNode) -> Mapping[str, properties.Value]:
    """server.properties of a node, in the order in which an operator reads it; the operator's own come last."""
    model = cluster.model
    return {
        **(_kraft_settings(cluster, node) if model.kraft else _zookeeper_settings(cluster, node)),
        "log.dirs": model.data,
        **_security_settings(cluster),
        **_copies(cluster),
        "auto.create.topics.enable": False,
        **model.properties,
    }


def listener(cluster: KafkaCluster) -> str:
    """The listener of clients and brokers, called after its protocol as Kafka's own default is."""
    return "SASL_SSL" if cluster.certificates is not None else "SASL_PLAINTEXT"


def _bound(cluster: KafkaCluster, port: int) -> str:
    """Every address: direct routing leaves packets addressed to the VIP, which no other binding would take."""
    v6 = any(":" in node.endpoint for node in cluster.nodes)
    return f"://{'[::]' if v6 else '0.0.0.0'}:{port}"  # noqa: S104


def _kraft_settings(cluster: KafkaCluster, node: KafkaNode) -> dict[str, properties.Value]:
    model, name = cluster.model, listener(cluster)
    roles = [
        role for role, has in (("broker", node.broker), ("controller", node.controller)) if has
    ]
    bound = [name + _bound(cluster, model.port)] if node.broker else []
    bound += [CONTROLLER + _bound(cluster, model.controller_port)] if node.controller else []
    voters = [
        f"{each.id}@{endpoint.join(each.endpoint, model.controller_port)}"
        for each in cluster.controllers
    ]
    advertised = (
        {"advertised.listeners": f"{name}://{endpoint.join(node.endpoint, model.port)}"}
        if node.broker
        else {}
    )
    return {
        "process.roles": roles,
        "node.id": node.id,
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        "listeners": bound,
        **advertised,
        "listener.security.protocol.map": [f"{name}:{name}", f"{CONTROLLER}:{name}"],
        "inter.broker.listener.name": name,
        "sasl.mechanism.controller.protocol": "PLAIN",
        f"listener.name.{CONTROLLER.lower()}.sasl.enabled.mechanisms": "PLAIN",
        f"listener.name.{CONTROLLER.lower()}.plain.sasl.jaas.config": jaas.property_value(
            _controller_login(cluster)
        ),
    }


def _controller_login(cluster: KafkaCluster) -> LoginModule:
    """PLAIN with the super users: SCRAM's credentials are in the metadata that a controller logs in to fetch."""
    return LoginModule(
        PLAIN, _own(cluster.model) | _known(cluster.model, cluster.model.all_super_users)
    )


def _zookeeper_settings(cluster: KafkaCluster, node: KafkaNode) -> dict[str, properties.Value]:
    model, name = cluster.model, listener(cluster)
    return {
        "broker.id": node.id,
        "zookeeper.connect": _connect(cluster),
        "zookeeper.set.acl": True,
        "listeners": name + _bound(cluster, model.port),
        "advertised.listeners": f"{name}://{endpoint.join(node.endpoint, model.port)}",
        "inter.broker.listener.name": name,
    }


def _connect(cluster: KafkaCluster) -> str:
    port = cluster.model.zookeeper.port if cluster.model.zookeeper else 0
    return ",".join(endpoint.join(member.endpoint, port) for member in cluster.members)


def _security_settings(cluster: KafkaCluster) -> dict[str, properties.Value]:
    model = cluster.model
    settings: dict[str, properties.Value] = {
        "sasl.enabled.mechanisms": model.mechanisms,
        "sasl.mechanism.inter.broker.protocol": model.mechanisms[0],
    }
    for mechanism in model.mechanisms:
        key = f"listener.name.{listener(cluster).lower()}.{mechanism.lower()}.sasl.jaas.config"
        settings[key] = jaas.property_value(_login(model, mechanism))
    if cluster.certificates is not None:
        settings |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": f"{CREDENTIALS}/node.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": f"{CREDENTIALS}/ca.pem",
        }
    return {
        **settings,
        "authorizer.class.name": AUTHORIZERS[model.kraft],
        "super.users": ";".join(f"User:{name}" for name in model.all_super_users),
    }


def _login(model: Kafka, mechanism: str) -> LoginModule:
    """The admin's own login, and with PLAIN every user: that module knows no others than its options name."""
    return (
        LoginModule(SCRAM, _own(model))
        if mechanism != "PLAIN"
        else LoginModule(PLAIN, _own(model) | _known(model, model.users))
    )


def _own(model: Kafka) -> dict[str, str]:
    return {"username": model.admin, "password": model.users[model.admin].password}


def _known(model: Kafka, users: Iterable[str]) -> dict[str, str]:
    """The options by which PlainLoginModule knows users."""
    return {f"user_{name}": model.users[name].password for name in users}


def _copies(cluster: KafkaCluster) -> dict[str, properties.Value]:
    """How often data is kept; one copy may be missing and acks=all still goes on."""
    copies, least = cluster.replication, max(1, cluster.replication - 1)
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": least,
    }


def _format_arguments(cluster: KafkaCluster, name: str) -> str:
    """The arguments of StorageTool that must not show in its command line, one a line (argparse4j, @FILE)."""
    user = cluster.model.users[name]
    return "".join(
        f'--add-scram\n{mechanism}=[name={name},iterations={user.iterations},password="{user.password}"]\n'
        for mechanism in cluster.model.scram
    )


def _scram_settings(cluster: KafkaCluster, user: str) -> dict[str, properties.Value]:
    """What `kafka-configs --add-config-file` reads (ConfigCommand)."""
    own = cluster.model.users[user]
    return dict.fromkeys(
        cluster.model.scram, f"iterations={own.iterations},password={own.password}"
    )


def _zookeeper_login(cluster: KafkaCluster) -> LoginModule:
    assert cluster.model.zookeeper is not None
    return LoginModule(
        DIGEST, {"username": ZOOKEEPER_USER, "password": cluster.model.zookeeper.password}
    )


def check_files(topology: Topology, host: str) -> CheckFiles | None:
    """What the check of brokers needs on a director; None where there is no such check."""
    cluster, checks = topology.kafka, kafka_checks(topology.directed_by(host))
    if cluster is None or not checks:
        return None
    return CheckFiles(
        json.dumps(dict(_check_settings(topology, cluster, checks)), indent=1, sort_keys=True)
        + "\n"
    )


def _check_settings(
    topology: Topology, cluster: KafkaCluster, checks: Mapping[str, KafkaCheck]
) -> Iterator[tuple[str, object]]:
    """By broker: where it is, what it is called, who asks, how often and how patiently in seconds."""
    for node in cluster.brokers:
        if check := checks.get(node.host):
            own = topology.hosts[node.host].address
            yield (
                node.host,
                {
                    "id": node.id,
                    "address": str(own[0]),
                    "port": cluster.model.port,
                    "name": node.endpoint,
                    "ca": trusted_or_unknown(cluster) if cluster.certificates is not None else "",
                    "mechanism": cluster.model.mechanisms[0],
                    "user": check.login,
                    "password": cluster.model.users[check.login].password,
                    "timeout": check.timeout,
                    "interval": check.interval or INTERVAL,
                },
            )


def node_openings(topology: Topology, host: str) -> tuple[Opening, ...]:
    """What clients, other nodes and members must reach on a host of the cluster, on its own addresses."""
    cluster = topology.kafka
    if cluster is None:
        return ()
    node, member, ensemble = cluster.on(host), cluster.member(host), cluster.model.zookeeper
    ports = [cluster.model.port] if node and node.broker else []
    ports += [cluster.model.controller_port] if node and node.controller else []
    ports += (
        [ensemble.port, ensemble.peer_port, ensemble.election_port] if ensemble and member else []
    )
    own = topology.hosts[host].address
    return tuple(
        Opening("tcp", port, str(address), address.version) for port in ports for address in own
    )
