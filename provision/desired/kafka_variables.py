"""The contents of the files of a Kafka node and of a director's broker check.

`provision.formats` writes and quotes all settings; the templates only insert the texts.
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
"""Here systemd shows `LoadCredential=` files to the broker alone (systemd.exec(5))."""

CONTROLLER = "CONTROLLER"
AUTHORIZERS = {
    True: "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    False: "kafka.security.authorizer.AclAuthorizer",
}
"""With KRaft (True) and without."""

INTERVAL = 5
"""Default interval of the broker check, in seconds."""

_LOGGING = {
    True: "-Dlog4j2.configurationFile=/etc/kafka/log4j2.properties",
    False: "-Dlog4j.configuration=file:/etc/kafka/log4j.properties",
}
"""From Kafka 4.0 on (True), and before."""

ZOOKEEPER_USER = "kafka"
"""The user name of the brokers in ZooKeeper; only the password is secret."""


@dataclass(frozen=True)
class Credential:
    """A file in /etc/kafka that only root and the broker can read."""

    name: str
    text: str


@dataclass(frozen=True)
class KafkaFiles:
    """The variable `kafka` of role kafka; `first_credentials` are read only at the first start."""

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
    """The variable `kafka_check` of role kafka_check: its settings as JSON."""

    settings: str


def node_files(topology: Topology, host: str) -> KafkaFiles | None:
    """The files of the Kafka node on a host; None if there is no node.

    Raises:
        InputError: `kafka-certificate`, if a certificate cannot be read or issued.
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
    """server.properties of a node, in reading order; the operator's settings come last."""
    model = cluster.model
    return {
        **(_kraft_settings(cluster, node) if model.kraft else _zookeeper_settings(cluster, node)),
        "log.dirs": model.data,
        **_security_settings(cluster),
        **_replication_settings(cluster),
        "auto.create.topics.enable": False,
        **model.properties,
    }


def listener(cluster: KafkaCluster) -> str:
    """The listener of clients and brokers; its name is its protocol, as in Kafka's defaults."""
    return "SASL_SSL" if cluster.certificates is not None else "SASL_PLAINTEXT"


def _wildcard(cluster: KafkaCluster, port: int) -> str:
    """All addresses: with direct routing, packets arrive for the VIP."""
    v6 = any(":" in node.endpoint for node in cluster.nodes)
    return f"://{'[::]' if v6 else '0.0.0.0'}:{port}"  # noqa: S104


def _kraft_settings(cluster: KafkaCluster, node: KafkaNode) -> dict[str, properties.Value]:
    model, name = cluster.model, listener(cluster)
    roles = [
        role
        for role, enabled in (("broker", node.broker), ("controller", node.controller))
        if enabled
    ]
    listeners = [name + _wildcard(cluster, model.port)] if node.broker else []
    listeners += [CONTROLLER + _wildcard(cluster, model.controller_port)] if node.controller else []
    voters = [
        f"{controller.id}@{endpoint.join(controller.endpoint, model.controller_port)}"
        for controller in cluster.controllers
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
        "listeners": listeners,
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
    """PLAIN with the super users, as a controller needs a login before it has SCRAM's metadata."""
    model = cluster.model
    return LoginModule(PLAIN, _admin_login(model) | _user_options(model, model.all_super_users))


def _zookeeper_settings(cluster: KafkaCluster, node: KafkaNode) -> dict[str, properties.Value]:
    model, name = cluster.model, listener(cluster)
    return {
        "broker.id": node.id,
        "zookeeper.connect": _connect(cluster),
        "zookeeper.set.acl": True,
        "listeners": name + _wildcard(cluster, model.port),
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
    """The admin's login, and with PLAIN all users, since PlainLoginModule has no other source."""
    if mechanism != "PLAIN":
        return LoginModule(SCRAM, _admin_login(model))
    return LoginModule(PLAIN, _admin_login(model) | _user_options(model, model.users))


def _admin_login(model: Kafka) -> dict[str, str]:
    return {"username": model.admin, "password": model.users[model.admin].password}


def _user_options(model: Kafka, users: Iterable[str]) -> dict[str, str]:
    """PlainLoginModule's options for users."""
    return {f"user_{name}": model.users[name].password for name in users}


def _replication_settings(cluster: KafkaCluster) -> dict[str, properties.Value]:
    """Replication of all topics: producers with acks=all continue while one replica is missing."""
    replicas, min_insync = cluster.replication, max(1, cluster.replication - 1)
    return {
        "default.replication.factor": replicas,
        "min.insync.replicas": min_insync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": min_insync,
    }


def _format_arguments(cluster: KafkaCluster, name: str) -> str:
    """StorageTool's arguments with secrets, one on a line, for its @FILE option (argparse4j)."""
    user = cluster.model.users[name]
    login = f'name={name},iterations={user.iterations},password="{user.password}"'
    return "".join(f"--add-scram\n{mechanism}=[{login}]\n" for mechanism in cluster.model.scram)


def _scram_settings(cluster: KafkaCluster, name: str) -> dict[str, properties.Value]:
    """The file for `kafka-configs --add-config-file` (ConfigCommand)."""
    user = cluster.model.users[name]
    return dict.fromkeys(
        cluster.model.scram, f"iterations={user.iterations},password={user.password}"
    )


def _zookeeper_login(cluster: KafkaCluster) -> LoginModule:
    assert cluster.model.zookeeper is not None
    return LoginModule(
        DIGEST, {"username": ZOOKEEPER_USER, "password": cluster.model.zookeeper.password}
    )


def check_files(topology: Topology, host: str) -> CheckFiles | None:
    """The files of the broker check on a director; None if no service uses it."""
    cluster, checks = topology.kafka, kafka_checks(topology.directed_by(host))
    if cluster is None or not checks:
        return None
    settings = dict(_check_settings(topology, cluster, checks))
    return CheckFiles(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def _check_settings(
    topology: Topology, cluster: KafkaCluster, checks: Mapping[str, KafkaCheck]
) -> Iterator[tuple[str, object]]:
    """By broker: its address and name, and the check's login, interval and time-out (seconds)."""
    for node in cluster.brokers:
        if check := checks.get(node.host):
            yield (
                node.host,
                {
                    "id": node.id,
                    "address": str(topology.hosts[node.host].address[0]),
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
    """The ports of a host for clients, other nodes and ZooKeeper members, on its addresses."""
    cluster = topology.kafka
    if cluster is None:
        return ()
    node, member, ensemble = cluster.on(host), cluster.member(host), cluster.model.zookeeper
    ports = [cluster.model.port] if node and node.broker else []
    ports += [cluster.model.controller_port] if node and node.controller else []
    ports += (
        [ensemble.port, ensemble.peer_port, ensemble.election_port] if ensemble and member else []
    )
    return tuple(
        Opening("tcp", port, str(address), address.version)
        for port in ports
        for address in topology.hosts[host].address
    )
