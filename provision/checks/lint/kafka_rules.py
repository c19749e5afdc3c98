"""Rules about a Kafka cluster behind a VIP: settings that fail only behind a load balancer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from provision.checks.lint.registry import Hit, rule
from provision.checks.lint.services import checks_of, services
from provision.desired import kafka_variables
from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.kafka import KafkaCluster
from provision.inventory.model.checks import KafkaCheck, MiscCheck
from provision.inventory.topology import Topology

BROKER_IDLE_TIMEOUT = 600
"""Seconds after which a broker closes an idle connection; default of `connections.max.idle.ms`."""

IPVS_TCP_TIMEOUT = 900
"""Seconds that IPVS keeps an idle established connection by default (ipvsadm(8) --set)."""


def _broker_services(
    topology: Topology,
) -> Iterator[tuple[KafkaCluster, ResolvedFrontend, ResolvedService]]:
    """Yield the services that have a broker of the cluster as real server."""
    cluster = topology.kafka
    for frontend, service in services(topology):
        if cluster and any(cluster.broker(server.host) for server in service.real_servers):
            yield cluster, frontend, service


@rule(
    "kafka-not-behind-vip",
    "warning",
    "No front end has a broker of the cluster behind it",
    "clients have no bootstrap address that survives the failure of a broker",
    "Kafka, bootstrap.servers",
)
def kafka_not_behind_vip(topology: Topology) -> Iterator[Hit]:
    """Without such a front end, the other rules of this module check nothing."""
    if topology.kafka and not any(_broker_services(topology)):
        message = f"no front end serves the brokers of `{topology.kafka.model.name}`"
        fix = "add a service with the brokers as `real_servers:`"
        yield topology.kafka.node, message, fix


@rule(
    "kafka-vip-advertised",
    "error",
    "A broker advertises a VIP",
    "a client that must reach a certain broker reaches any broker, "
    "and gets NOT_LEADER_OR_FOLLOWER again and again",
    "Kafka, advertised.listeners: the VIP is for bootstrapping only",
)
def kafka_vip_advertised(topology: Topology) -> Iterator[Hit]:
    """Compares addresses and the names that clients bootstrap with."""
    cluster = topology.kafka
    for node in cluster.brokers if cluster else ():
        if cluster and node.endpoint in cluster.bootstraps(topology.frontends):
            yield (
                topology.node(node.host),
                f"{node.host} advertises {node.endpoint}, which all brokers share",
                "set `kafka_host` to a name or address that only this host has",
            )


@rule(
    "kafka-advertised-twice",
    "error",
    "Two brokers advertise the same endpoint",
    "clients reach the same broker under both broker ids",
    "kafka.server.KafkaConfig, advertised.listeners",
)
def kafka_advertised_twice(topology: Topology) -> Iterator[Hit]:
    """All brokers of a cluster have the same port, so only hosts are compared."""
    hosts_by_endpoint: dict[str, str] = {}
    for node in topology.kafka.brokers if topology.kafka else ():
        first = hosts_by_endpoint.setdefault(node.endpoint, node.host)
        if first != node.host:
            yield (
                topology.node(node.host),
                f"{node.host} and {first} both advertise {node.endpoint}",
                "give every host a different `kafka_host` or address",
            )


@rule(
    "kafka-loopback-advertised",
    "error",
    "A broker advertises an address of the loopback interface",
    "every client looks for the broker on its own host",
    "Kafka, advertised.listeners",
)
def kafka_loopback_advertised(topology: Topology) -> Iterator[Hit]:
    """A cluster with a single broker may do so."""
    nodes = topology.kafka.brokers if topology.kafka else ()
    for node in nodes if len(nodes) > 1 else ():
        if node.endpoint == "localhost" or _is_loopback(node.endpoint):
            yield (
                topology.node(node.host),
                f"{node.host} advertises {node.endpoint}",
                "set `kafka_host` to an address that clients can reach",
            )


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


@rule(
    "kafka-port",
    "error",
    "The service's port is not the brokers' listener",
    "nothing listens on the port that connections arrive at",
    "ipvsadm(8): direct routing and tunnels change no port",
)
def kafka_port(topology: Topology) -> Iterator[Hit]:
    """Checks the port on the real server; only NAT can change it from the service's port."""
    for cluster, frontend, service in _broker_services(topology):
        listener = cluster.model.port
        wrong = next(
            (server for server in service.real_servers if service.port(server) != listener), None
        )
        if wrong:
            message = (
                f"`{frontend.name}` sends connections to port {service.port(wrong)} of {wrong.host}"
            )
            fix = f"the brokers listen on {listener}: use the same port for both"
            yield service.node.at("port"), message, fix


@rule(
    "kafka-shallow-check",
    "warning",
    "A check of brokers that passes on an open port",
    "a broker listens before it has its metadata, while it is fenced and while it shuts down",
    "kafka.server.BrokerServer: the acceptors start before the broker is unfenced",
)
def kafka_shallow_check(topology: Topology) -> Iterator[Hit]:
    """The operator's own check program may be as good as hactl's."""
    for _, frontend, service in _broker_services(topology):
        for server in service.real_servers:
            checks = checks_of(service, server)
            if not any(isinstance(check, KafkaCheck | MiscCheck) for check in checks):
                yield (
                    service.node.at("check"),
                    f"no check of `{frontend.name}` tests whether a broker is ready",
                    "use `check: {type: kafka, login: USER}`",
                )
                break


@rule(
    "kafka-idle-timeout",
    "error",
    "IPVS drops idle connections earlier than Kafka does",
    "the next request on an idle connection is reset, minutes after it was opened",
    "Kafka, connections.max.idle.ms (broker 600 s, client 540 s); ipvsadm(8) --set",
)
def kafka_idle_timeout(topology: Topology) -> Iterator[Hit]:
    """Compares the brokers' idle time-out with that of each director."""
    for cluster, frontend, _ in _broker_services(topology):
        idle_ms = cluster.model.properties.get(
            "connections.max.idle.ms", BROKER_IDLE_TIMEOUT * 1000
        )
        broker = int(idle_ms) / 1000
        for director in frontend.directors:
            timeouts = topology.hosts[director.host].keepalived.lvs_timeouts
            ipvs = (timeouts.tcp if timeouts else None) or IPVS_TCP_TIMEOUT
            if ipvs <= broker:
                message = (
                    f"{director.host} drops idle connections after {ipvs} s, "
                    f"the brokers after {broker:g} s"
                )
                fix = (
                    f"set `lvs_timeouts: {{tcp: {int(broker) + 300}}}` under `keepalived:`, "
                    "or lower the brokers' time-out"
                )
                yield topology.node(director.host), message, fix
                break


@rule(
    "kafka-replication",
    "error",
    "More replicas than brokers",
    "topics cannot be created, and consumer groups find no coordinator (COORDINATOR_NOT_AVAILABLE)",
    "org.apache.kafka.common.errors.InvalidReplicationFactorException",
)
def kafka_replication(topology: Topology) -> Iterator[Hit]:
    """Checks Kafka's internal topics, and the default for topics that set no factor."""
    cluster = topology.kafka
    if cluster is None:
        return
    brokers = len(cluster.brokers)
    for topic in (
        "default",
        "offsets.topic",
        "transaction.state.log",
        "share.coordinator.state.topic",
    ):
        name = f"{topic}.replication.factor"
        factor = _number(cluster, name)
        if factor > brokers:
            yield (
                cluster.node.at("properties", name),
                f"`{name}` is {factor}, but there are {brokers} brokers",
                f"set it to {cluster.replication}, or remove it",
            )


@rule(
    "kafka-min-isr",
    "error",
    "All replicas must be in sync",
    "while one broker is down, a restart included, no client can produce with acks=all",
    "Kafka, min.insync.replicas; NotEnoughReplicasException",
)
def kafka_min_isr(topology: Topology) -> Iterator[Hit]:
    """A single broker has no alternative."""
    cluster = topology.kafka
    pairs = (
        ("min.insync.replicas", "default.replication.factor"),
        ("transaction.state.log.min.isr", "transaction.state.log.replication.factor"),
    )
    for name, factor_name in pairs if cluster and len(cluster.brokers) > 1 else ():
        min_isr = _number(cluster, name) if cluster else 0
        replicas = _number(cluster, factor_name) if cluster else 0
        if cluster and min_isr >= replicas:
            yield (
                cluster.node.at("properties", name),
                f"`{name}` is {min_isr} of {replicas} replicas",
                "set it to one less than the replicas",
            )


def _number(cluster: KafkaCluster, name: str) -> int:
    """Return a number of server.properties; 0 if it is absent."""
    value = kafka_variables.broker_settings(cluster, cluster.brokers[0]).get(name, 0)
    return int(str(value))


@rule(
    "kafka-even-quorum",
    "warning",
    "A quorum with an even number of members",
    "the additional member can fail, too, but the quorum survives no additional failure",
    "Kafka, KRaft: deploying considerations; ZooKeeper administrator's guide, clustered setup",
)
def kafka_even_quorum(topology: Topology) -> Iterator[Hit]:
    """Counts the controllers (KRaft) or the members of the ensemble (ZooKeeper)."""
    cluster = topology.kafka
    if cluster is None:
        return
    members = "controllers" if cluster.model.kraft else "members"
    count = len(cluster.controllers if cluster.model.kraft else cluster.members)
    if count % 2 == 0:
        yield (
            cluster.node,
            f"there are {count} {members}, of which {count // 2 + 1} must be up",
            "use an odd number",
        )


@rule(
    "kafka-plain-in-clear",
    "warning",
    "Passwords cross the network in the clear",
    "PLAIN sends the password itself, without TLS around it; KRaft's controllers use PLAIN, too",
    "RFC 4616 §4",
)
def kafka_plain_in_clear(topology: Topology) -> Iterator[Hit]:
    """SCRAM between clients and brokers does not protect the controllers."""
    cluster = topology.kafka
    if (
        cluster
        and cluster.certificates is None
        and (cluster.model.kraft or "PLAIN" in cluster.model.mechanisms)
    ):
        users = "controllers log in to each other" if cluster.model.kraft else "clients may log in"
        yield (
            cluster.node,
            f"{users} with PLAIN and without TLS",
            "set `tls: generated`, or name a folder",
        )
