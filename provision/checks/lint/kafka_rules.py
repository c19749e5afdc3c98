"""Rules about a Kafka cluster behind a VIP: what works with one broker on a desk and fails behind a load balancer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from provision.checks.lint.registry import Hit, rule
from provision.core.errors import InputError
from provision.desired import kafka_variables
from provision.desired.kafka_tls import authority
from provision.formats import certificates
from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.kafka import KafkaCluster
from provision.inventory.model.checks import KafkaCheck, MiscCheck
from provision.inventory.topology import Topology

IDLE = 600
"""Seconds after which a broker closes an idle connection unless `connections.max.idle.ms` says otherwise."""

WARN = timedelta(days=30)


def _bootstraps(
    topology: Topology,
) -> Iterator[tuple[KafkaCluster, ResolvedFrontend, ResolvedService]]:
    """The services with a broker of the cluster behind them."""
    cluster = topology.kafka
    for frontend in topology.frontends if cluster else ():
        for service in frontend.services:
            if cluster and any(cluster.broker(server.host) for server in service.real_servers):
                yield cluster, frontend, service


@rule(
    "kafka-not-behind-vip",
    "warning",
    "No front end has a broker of the cluster behind it",
    "clients have no address to bootstrap with that outlives a broker",
    "Kafka, bootstrap.servers",
)
def kafka_not_behind_vip(topology: Topology) -> Iterator[Hit]:
    """The rest of these rules would have nothing to look at."""
    if topology.kafka and not any(_bootstraps(topology)):
        what = f"no front end serves the brokers of `{topology.kafka.model.name}`"
        yield topology.kafka.node, what, "add a service with `real_servers:` that names them"


@rule(
    "kafka-vip-advertised",
    "error",
    "A broker advertises a VIP",
    "a client that is sent to one broker reaches any of them, and is told NOT_LEADER_OR_FOLLOWER again and again",
    "Kafka, advertised.listeners: the VIP is for bootstrapping only",
)
def kafka_vip_advertised(topology: Topology) -> Iterator[Hit]:
    """By address, or by the name that clients bootstrap with."""
    cluster = topology.kafka
    for node in cluster.brokers if cluster else ():
        if cluster and node.endpoint in cluster.bootstraps(topology.frontends):
            what = f"{node.host} advertises {node.endpoint}, which all brokers share"
            yield (
                topology.node(node.host),
                what,
                "set `kafka_host` to a name or address of that host alone",
            )


@rule(
    "kafka-advertised-twice",
    "error",
    "Two brokers advertise the same endpoint",
    "clients reach one of them under both numbers",
    "kafka.server.KafkaConfig, advertised.listeners",
)
def kafka_advertised_twice(topology: Topology) -> Iterator[Hit]:
    """All brokers of a cluster have one port."""
    seen: dict[str, str] = {}
    for node in topology.kafka.brokers if topology.kafka else ():
        if seen.setdefault(node.endpoint, node.host) != node.host:
            what = f"{node.host} advertises {node.endpoint}, as {seen[node.endpoint]} does"
            yield (
                topology.node(node.host),
                what,
                "give each host a `kafka_host` or an address of its own",
            )


@rule(
    "kafka-loopback-advertised",
    "error",
    "A broker advertises an address of the loopback interface",
    "every client looks for the broker on itself",
    "Kafka, advertised.listeners",
)
def kafka_loopback_advertised(topology: Topology) -> Iterator[Hit]:
    """Harmless while there is nothing but that one host."""
    nodes = topology.kafka.brokers if topology.kafka else ()
    for node in nodes if len(nodes) > 1 else ():
        if node.endpoint == "localhost" or _loopback(node.endpoint):
            what = f"{node.host} advertises {node.endpoint}"
            yield topology.node(node.host), what, "set `kafka_host` to what clients can reach"


def _loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


@rule(
    "kafka-port",
    "error",
    "The service's port is not the brokers' listener",
    "nobody listens on the port that connections arrive at",
    "ipvsadm(8): direct routing and tunnels change no port",
)
def kafka_port(topology: Topology) -> Iterator[Hit]:
    """The port on the real server, which only NAT can make another one than the service's."""
    for cluster, frontend, service in _bootstraps(topology):
        wrong = next(
            (each for each in service.real_servers if service.port(each) != cluster.model.port),
            None,
        )
        if wrong:
            what = (
                f"`{frontend.name}` sends connections to port {service.port(wrong)} of {wrong.host}"
            )
            yield (
                service.node.at("port"),
                what,
                f"the brokers listen on {cluster.model.port}: make them the same",
            )


@rule(
    "kafka-shallow-check",
    "warning",
    "A check of brokers that an open port satisfies",
    "a broker listens before it has its metadata, while it is fenced and while it shuts down",
    "kafka.server.BrokerServer: the acceptors start before the broker is unfenced",
)
def kafka_shallow_check(topology: Topology) -> Iterator[Hit]:
    """A program of the operator's own may be as good as hactl's."""
    for _, frontend, service in _bootstraps(topology):
        for server in service.real_servers:
            checks = (
                server.options.check if server.options.check is not None else service.model.check
            )
            if not any(isinstance(check, KafkaCheck | MiscCheck) for check in checks):
                what = f"no check of `{frontend.name}` tells a broker that is ready from one that is not"
                yield service.node.at("check"), what, "use `check: {type: kafka, login: USER}`"
                break


@rule(
    "kafka-idle-timeout",
    "error",
    "IPVS forgets connections that Kafka still keeps",
    "the next request on an idle connection is reset, minutes after it was opened",
    "Kafka, connections.max.idle.ms (broker 600 s, client 540 s); ipvsadm(8) --set",
)
def kafka_idle_timeout(topology: Topology) -> Iterator[Hit]:
    """IPVS keeps established connections for 900 s unless it is told otherwise."""
    for cluster, frontend, _ in _bootstraps(topology):
        broker = int(cluster.model.properties.get("connections.max.idle.ms", IDLE * 1000)) / 1000
        for director in frontend.directors:
            timeouts = topology.hosts[director.host].keepalived.lvs_timeouts
            kept = (timeouts.tcp if timeouts else None) or 900
            if kept <= broker:
                what = f"{director.host} forgets idle connections after {kept} s, the brokers keep them {broker:g} s"
                fix = f"set `lvs_timeouts: {{tcp: {int(broker) + 300}}}` under `keepalived:`, or lower the brokers'"
                yield topology.node(director.host), what, fix
                break


@rule(
    "kafka-replication",
    "error",
    "More copies than brokers",
    "topics cannot be made, consumer groups find no coordinator (COORDINATOR_NOT_AVAILABLE)",
    "org.apache.kafka.common.errors.InvalidReplicationFactorException",
)
def kafka_replication(topology: Topology) -> Iterator[Hit]:
    """Of the topics that brokers make by themselves, and of those whose maker names no number."""
    cluster = topology.kafka
    names = ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    for name in (f"{each}.replication.factor" for each in names) if cluster else ():
        wanted = _number(cluster, name) if cluster else 0
        if cluster and wanted > len(cluster.brokers):
            what = f"`{name}` is {wanted}, and there are {len(cluster.brokers)} brokers"
            yield (
                cluster.node.at("properties", name),
                what,
                f"set it to {cluster.replication}, or take it out",
            )


@rule(
    "kafka-min-isr",
    "error",
    "As many copies must be in sync as there are",
    "one broker down, for a restart as well, and nobody can produce with acks=all",
    "Kafka, min.insync.replicas; NotEnoughReplicasException",
)
def kafka_min_isr(topology: Topology) -> Iterator[Hit]:
    """With a single broker there is no other way."""
    cluster = topology.kafka
    pairs = (
        ("min.insync.replicas", "default.replication.factor"),
        ("transaction.state.log.min.isr", "transaction.state.log.replication.factor"),
    )
    for least, copies in pairs if cluster and len(cluster.brokers) > 1 else ():
        if cluster and _number(cluster, least) >= _number(cluster, copies):
            what = f"`{least}` is {_number(cluster, least)} of {_number(cluster, copies)} copies"
            yield cluster.node.at("properties", least), what, "make it one less than the copies"


def _number(cluster: KafkaCluster, name: str) -> int:
    """A number of server.properties; 0 where it is not there."""
    value = kafka_variables.broker_settings(cluster, cluster.brokers[0]).get(name, 0)
    return int(str(value))


@rule(
    "kafka-even-quorum",
    "warning",
    "A quorum with an even number of members",
    "one member more that can fail, and no failure more that it outlives",
    "Kafka, KRaft: deploying considerations; ZooKeeper administrator's guide, clustered setup",
)
def kafka_even_quorum(topology: Topology) -> Iterator[Hit]:
    """Of controllers or of the ensemble."""
    cluster = topology.kafka
    if cluster is None:
        return
    what = "controllers" if cluster.model.kraft else "members"
    count = len(cluster.controllers if cluster.model.kraft else cluster.members)
    if count % 2 == 0:
        yield (
            cluster.node,
            f"there are {count} {what}, of which {count // 2 + 1} must be there",
            "use an odd number",
        )


@rule(
    "kafka-plain-in-clear",
    "warning",
    "Passwords cross the network in the clear",
    "PLAIN sends the password itself, and there is no TLS around it; KRaft's controllers use it, too",
    "RFC 4616 §4",
)
def kafka_plain_in_clear(topology: Topology) -> Iterator[Hit]:
    """SCRAM between clients and brokers is no help to the controllers."""
    cluster = topology.kafka
    if (
        cluster
        and cluster.certificates is None
        and (cluster.model.kraft or "PLAIN" in cluster.model.mechanisms)
    ):
        who = "controllers log in to each other" if cluster.model.kraft else "clients may log in"
        yield (
            cluster.node,
            f"{who} with PLAIN and without TLS",
            "set `tls: generated`, or name a folder",
        )


@rule(
    "kafka-certificate-names",
    "error",
    "A certificate does not name what clients call the broker",
    "clients verify the name they dialled: the VIP when they bootstrap, then each advertised endpoint",
    "Kafka, ssl.endpoint.identification.algorithm=https; RFC 6125",
)
def kafka_certificate_names(topology: Topology) -> Iterator[Hit]:
    """Of certificates that somebody else made; hactl's own always fit."""
    for cluster, host, found in _given(topology):
        node = cluster.on(host)
        missing = sorted(
            name for name in _dialled(topology, cluster, host) if not _covers(found.names, name)
        )
        if node and missing:
            what = f"the certificate of {host} does not name {', '.join(missing)}"
            yield (
                cluster.node.at("tls"),
                what,
                "have it made anew with these subject alternative names",
            )


@rule(
    "kafka-certificate-ends",
    "error",
    "A certificate has expired, or soon will",
    "no client and no other broker connects any more",
    "RFC 5280 §4.1.2.5",
)
def kafka_certificate_ends(topology: Topology) -> Iterator[Hit]:
    """A month ahead, as it takes a roll of all brokers."""
    now = datetime.now(UTC)
    for cluster, host, found in _given(topology):
        if found.not_after < now + WARN:
            verb = "ended" if found.not_after < now else "ends"
            what = f"the certificate of {host} {verb} on {found.not_after:%Y-%m-%d}"
            yield cluster.node.at("tls"), what, "have it made anew"
    end = _end_of_authority(topology)
    if topology.kafka and end and end < now + WARN:
        what = f"the CA {'ended' if end < now else 'ends'} on {end:%Y-%m-%d}, and the nodes' certificates with it"
        yield topology.kafka.node.at("tls"), what, "change it in two deploys, as docs/kafka.md says"


def _end_of_authority(topology: Topology) -> datetime | None:
    """When the CA ends that hactl signs with; None where there is none, or it cannot be read: a deploy complains."""
    try:
        signing = authority(topology.kafka) if topology.kafka else None
        return certificates.facts(signing.trusted).not_after if signing else None
    except (InputError, ValueError):
        return None


def _given(topology: Topology) -> Iterator[tuple[KafkaCluster, str, certificates.CertificateFacts]]:
    """The certificates that somebody else made, as far as they can be read; a deploy complains of the others."""
    cluster = topology.kafka
    if (
        cluster is None
        or cluster.certificates is None
        or cluster.model.tls is None
        or cluster.model.tls.signs
    ):
        return
    for node in cluster.nodes:
        path = cluster.certificates / f"{node.host}.pem"
        try:
            yield cluster, node.host, certificates.facts(path.read_text())
        except (OSError, ValueError):
            continue


def _dialled(topology: Topology, cluster: KafkaCluster, host: str) -> tuple[str, ...]:
    """What is dialled: the advertised endpoint; on a broker, what clients bootstrap with."""
    node = cluster.on(host)
    assert node is not None
    return (node.endpoint, *(cluster.bootstraps(topology.frontends) if node.broker else ()))


def _covers(names: frozenset[str], name: str) -> bool:
    """Whether a certificate's names include one, a wildcard for the leftmost label counted (RFC 6125 §6.4.3)."""
    return name in names or (
        "." in name and not _address(name) and f"*.{name.partition('.')[2]}" in names
    )


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
