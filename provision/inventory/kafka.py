"""The Kafka cluster of an inventory, with every name resolved to hosts and nodes.

Rules: `kafka-differs`, `kafka-id-missing`, `kafka-id-twice`, `kafka-property-unknown`,
`kafka-property-value`, `kafka-property-owned`, `kafka-acl`, `kafka-check`, those of `kafka_topics`
and those of the model.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provision.core.errors import InputError, Problem
from provision.formats.certificates import Authority, state_folder
from provision.formats.parameters import broker as broker_properties
from provision.inventory.frontends import ResolvedFrontend, named_hosts
from provision.inventory.hosts import Inventory
from provision.inventory.kafka_topics import topic_problems
from provision.inventory.model.checks import KafkaCheck
from provision.inventory.model.kafka import GENERATED, Kafka
from provision.inventory.settings import HostSettings, address_problem
from provision.inventory.source import Node
from provision.inventory.validation import validated
from provision.inventory.wording import nearest

Settings = Mapping[str, HostSettings]

OWNED = frozenset(
    (
        "process.roles",
        "node.id",
        "broker.id",
        "broker.id.generation.enable",
        "listeners",
        "advertised.listeners",
        "log.dir",
        "log.dirs",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "controller.listener.names",
        "listener.security.protocol.map",
        "inter.broker.listener.name",
        "security.inter.broker.protocol",
        "sasl.enabled.mechanisms",
        "sasl.mechanism.inter.broker.protocol",
        "sasl.mechanism.controller.protocol",
        "sasl.jaas.config",
        "ssl.keystore.type",
        "ssl.keystore.location",
        "ssl.truststore.type",
        "ssl.truststore.location",
        "ssl.keystore.key",
        "ssl.keystore.certificate.chain",
        "ssl.truststore.certificates",
        "authorizer.class.name",
        "zookeeper.connect",
        "zookeeper.set.acl",
    )
)
"""Properties that hactl derives from other fields of the variable, so nobody may set them."""


@dataclass(frozen=True)
class KafkaNode:
    """A broker, a controller or both; `endpoint` is the name or address that it advertises."""

    host: str
    id: int
    endpoint: str
    broker: bool
    controller: bool


@dataclass(frozen=True)
class Member:
    """A member of the ZooKeeper ensemble; `endpoint` is its address for the other members."""

    host: str
    id: int
    endpoint: str


@dataclass(frozen=True)
class KafkaCluster:
    """A cluster; nodes in inventory order.

    `certificates` is the folder with the certificates or their CA; None without TLS.
    `new_authority` is a CA that the current deploy has made and will store there.
    """

    model: Kafka
    nodes: tuple[KafkaNode, ...]
    members: tuple[Member, ...]
    certificates: Path | None
    node: Node = field(compare=False, repr=False)
    new_authority: Authority | None = None

    @property
    def brokers(self) -> tuple[KafkaNode, ...]:
        """The nodes that store data and serve clients."""
        return tuple(node for node in self.nodes if node.broker)

    @property
    def controllers(self) -> tuple[KafkaNode, ...]:
        """The voters of KRaft's quorum; none in ZooKeeper mode."""
        return tuple(node for node in self.nodes if node.controller)

    @property
    def cluster_id(self) -> str:
        """KRaft's cluster id: the inventory's, else an id derived from the cluster's name.

        The name alone decides the id, so it never changes.
        """
        derived = uuid.uuid5(uuid.NAMESPACE_OID, f"hactl/kafka/{self.model.name}")
        return self.model.cluster_id or base64.urlsafe_b64encode(derived.bytes).decode().rstrip("=")

    @property
    def replication(self) -> int:
        """The default number of a partition's replicas: three, or all brokers if there are
        fewer."""
        return min(3, len(self.brokers))

    def broker(self, host: str) -> KafkaNode | None:
        """The broker on a host."""
        return next((node for node in self.brokers if node.host == host), None)

    def on(self, host: str) -> KafkaNode | None:
        """The node on a host."""
        return next((node for node in self.nodes if node.host == host), None)

    def member(self, host: str) -> Member | None:
        """The member of the ensemble on a host."""
        return next((member for member in self.members if member.host == host), None)

    def bootstraps(self, frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
        """The bootstrap servers: the cluster's name, and the addresses of services with a broker
        behind."""
        hosts = {node.host for node in self.brokers}
        vips = (
            str(address)
            for frontend in frontends
            for service in frontend.services
            if hosts & {server.host for server in service.real_servers}
            for address in service.addresses
        )
        return tuple(
            dict.fromkeys([*([self.model.bootstrap] if self.model.bootstrap else []), *vips])
        )


def resolve_kafka(
    inventory: Inventory, settings: Settings, problems: list[Problem]
) -> KafkaCluster | None:
    """The cluster of the variable `kafka`, None without one; adds every problem to `problems`."""
    node = _kafka_variable(inventory, problems)
    if node is None:
        return None
    try:
        model = validated(Kafka, node)
    except InputError as error:
        problems += error.problems
        return None
    earlier_problems = len(problems)
    problems += _property_problems(model, node)
    problems += _admin_problems(model, node)
    brokers = named_hosts(model.brokers, node.at("brokers"), inventory, problems)
    problems += topic_problems(model, node, len(brokers)) if brokers else ()
    voters = named_hosts(model.controllers, node.at("controllers"), inventory, problems) or brokers
    member_names = model.zookeeper.hosts if model.zookeeper else ()
    members = named_hosts(member_names, node.at("zookeeper", "hosts"), inventory, problems)
    nodes = tuple(dict.fromkeys([*brokers, *(voters if model.kraft else ())]))
    problems += _id_problems(nodes, "kafka_id", inventory, settings)
    problems += _id_problems(members, "zookeeper_id", inventory, settings)
    if len(problems) > earlier_problems:
        return None
    kafka_nodes = tuple(
        KafkaNode(
            host,
            _id(settings[host].kafka_id),
            _endpoint(settings[host]),
            host in brokers,
            model.kraft and host in voters,
        )
        for host in nodes
    )
    ensemble = tuple(
        Member(host, _id(settings[host].zookeeper_id), str(settings[host].address[0]))
        for host in members
    )
    return KafkaCluster(model, kafka_nodes, ensemble, _certificate_folder(model, inventory), node)


def _certificate_folder(model: Kafka, inventory: Inventory) -> Path | None:
    if model.tls is None:
        return None
    beside = inventory.path.absolute().parent
    return (
        state_folder(model.name)
        if model.tls.certificates == GENERATED
        else beside / (model.tls.certificates or "")
    )


def _id(number: int | None) -> int:
    assert number is not None
    return number


def _endpoint(settings: HostSettings) -> str:
    return settings.kafka_host or str(settings.address[0])


def _kafka_variable(inventory: Inventory, problems: list[Problem]) -> Node | None:
    """The variable `kafka`, which must be the same on all hosts that have it."""
    nodes = [host.vars["kafka"] for host in inventory.hosts.values() if "kafka" in host.vars]
    if any(node != nodes[0] for node in nodes):
        different = next(node for node in nodes if node != nodes[0])
        message = "`kafka` is not the same on all hosts"
        why = "brokers, directors and clients must agree on the cluster"
        problems.append(
            Problem(
                different.position, "kafka-differs", message, why, "set it once, in `all: vars:`"
            )
        )
        return None
    return nodes[0] if nodes else None


def _id_problems(
    hosts: Sequence[str], name: str, inventory: Inventory, settings: Settings
) -> Iterator[Problem]:
    """Problems of nodes without a number or address, and of two nodes with the same number."""
    hosts_by_id: dict[int, str] = {}
    for host in hosts:
        number = getattr(settings[host], name)
        place = inventory.hosts[host].node(name).position
        if not settings[host].address:
            yield address_problem(inventory.hosts[host])
        if number is None:
            yield Problem(
                place,
                "kafka-id-missing",
                f"{host} has no `{name}`",
                "a node's data belongs to its number, so the order of the hosts must not decide it",
                f"give it `{name}: NUMBER`",
            )
        elif hosts_by_id.setdefault(number, host) != host:
            yield Problem(
                place,
                "kafka-id-twice",
                f"{hosts_by_id[number]} has `{name}` {number}, too",
                "a number identifies a single node",
                "give one of the two another number",
            )


def _property_problems(model: Kafka, node: Node) -> Iterator[Problem]:
    """Properties that Kafka does not know or would refuse at its start, or that hactl sets."""
    known = broker_properties(model.numbers)
    for name, value in model.properties.items():
        place = node.at("properties").key_position(name)
        if name in OWNED or name.startswith("listener.name."):
            why = "it follows from the other fields of `kafka`"
            yield Problem(
                place, "kafka-property-owned", f"hactl sets `{name}` itself", why, "remove it"
            )
        elif name not in known:
            why = "a broker ignores unknown properties"
            message = f"Kafka {model.version} has no property `{name}`"
            yield Problem(place, "kafka-property-unknown", message, why, nearest(name, known))
        elif complaint := known[name].complaint(value):
            message = f"`{name}` {complaint}"
            yield Problem(
                node.at("properties", name).position,
                "kafka-property-value",
                message,
                "the broker does not start",
                "correct it",
            )


def _admin_problems(model: Kafka, node: Node) -> Iterator[Problem]:
    """Access rules of super users, for whom brokers never check them."""
    for name in model.all_super_users:
        if model.users[name].acls:
            place = node.at("users", name, "acls").position
            yield Problem(
                place,
                "kafka-acl",
                f"`{name}` has `acls`",
                "it is a super user, whom brokers allow everything",
                "remove them, or give them to another user",
            )


def kafka_checks(frontends: Sequence[ResolvedFrontend]) -> dict[str, KafkaCheck]:
    """The checks of brokers on a director with these front ends, by the broker's host."""
    checks_by_host = {}
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                checks = (
                    server.options.check
                    if server.options.check is not None
                    else service.model.check
                )
                for check in checks:
                    if isinstance(check, KafkaCheck):
                        checks_by_host[server.host] = check
    return checks_by_host


def first_users(cluster: KafkaCluster, frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
    """The users that must exist before the first broker starts: the admin and the checks' users."""
    logins = {check.login for check in kafka_checks(frontends).values()}
    return tuple(
        name for name in cluster.model.users if name == cluster.model.admin or name in logins
    )


def check_problems(
    cluster: KafkaCluster | None, frontends: Sequence[ResolvedFrontend]
) -> Iterator[Problem]:
    """Checks of type `kafka` on hosts that are no brokers, or with an unknown login."""
    unknown_logins: set[str] = set()
    for frontend in frontends:
        for host, check in kafka_checks([frontend]).items():
            place = frontend.node.at("services").position
            if cluster is None or cluster.broker(host) is None:
                message = f"{host} has a Kafka check, but it is not a broker"
                why = "the check logs in to a broker on that host"
                fix = "add the host to `kafka: brokers:`"
                yield Problem(place, "kafka-check", message, why, fix)
            elif check.login not in cluster.model.users and check.login not in unknown_logins:
                unknown_logins.add(check.login)
                message = f"`login: {check.login}` is not a user of the cluster"
                why, fix = "the check would always fail", nearest(check.login, cluster.model.users)
                yield Problem(place, "kafka-check", message, why, fix)
