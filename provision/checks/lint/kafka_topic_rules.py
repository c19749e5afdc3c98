"""Rules about a Kafka cluster's topics: parameters that are right one by one and wrong together, or on this cluster."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.registry import Hit, rule
from provision.core.errors import HactlError
from provision.desired import kafka_variables
from provision.inventory.kafka import KafkaCluster
from provision.inventory.kafka_topics import inherited, written
from provision.inventory.model.kafka_topic import KafkaTopic
from provision.inventory.source import Node
from provision.inventory.topology import Topology
from provision.kafka.retention.model import Use, cleaner, topic
from provision.kafka.retention.rules import Contradiction, Severity, contradictions

MIN_ISR = "min.insync.replicas"


@rule(
    "kafka-topic-min-isr",
    "error",
    "As many copies of a topic must be in sync as it has, or more",
    "with one broker down, for a restart as well, nobody can produce into it with acks=all",
    "Kafka, min.insync.replicas; NotEnoughReplicasException",
)
def kafka_topic_min_isr(topology: Topology) -> Iterator[Hit]:
    """What a topic does not name it has of the brokers. A single copy that must be in sync is what was asked for."""
    for cluster, name, asked in _topics(topology):
        broker = kafka_variables.broker_settings(cluster, cluster.brokers[0])
        copies = asked.replicas or int(str(broker["default.replication.factor"]))
        least = int(str(asked.config.get(MIN_ISR, broker[MIN_ISR])))
        if least > copies or least == copies > 1:
            what = f"`{MIN_ISR}` of {name} is {least} of {copies} copies"
            more = "" if copies > 1 else ", or give it more `replicas`"
            yield (
                _place(cluster, name),
                what,
                f"set it to {max(1, copies - 1)} in its `config`{more}",
            )


@rule(
    "kafka-topic-refused",
    "error",
    "Parameters of a topic that Kafka refuses together",
    "the topic cannot be made",
    "org.apache.kafka.storage.internals.log.LogConfig.validate",
)
def kafka_topic_refused(topology: Topology) -> Iterator[Hit]:
    """Kafka validates what the topic names together with what it has of the brokers."""
    for cluster, name, asked in _topics(topology):
        for found in _contradictions(cluster, name, asked):
            if found.severity is Severity.REFUSED:
                yield _place(cluster, name), f"{name}: {found.problem}", found.fix


@rule(
    "kafka-topic-parameters",
    "warning",
    "Parameters of a topic that do other than they say, or nothing",
    "Kafka takes them and does something else than was meant",
    "Kafka 3.9.1, the classes that `hactl kafka retention plan` names",
)
def kafka_topic_parameters(topology: Topology) -> Iterator[Hit]:
    """What comes of the topic's own parameters; what Kafka's defaults make of each topic is not the inventory's."""
    for cluster, name, asked in _topics(topology):
        common = {
            each.rule
            for each in _contradictions(cluster, name, KafkaTopic(partitions=asked.partitions))
        }
        for found in _contradictions(cluster, name, asked):
            if found.severity is not Severity.REFUSED and found.rule not in common:
                yield _place(cluster, name), f"{name}: {found.problem}", found.fix


def _topics(topology: Topology) -> Iterator[tuple[KafkaCluster, str, KafkaTopic]]:
    if topology.kafka:
        for name, asked in topology.kafka.model.topics.items():
            yield topology.kafka, name, asked


def _place(cluster: KafkaCluster, name: str) -> Node:
    return Node(None, cluster.node.at("topics").key_position(name))


def _contradictions(
    cluster: KafkaCluster, name: str, asked: KafkaTopic
) -> tuple[Contradiction, ...]:
    """Everything that contradicts, of a topic as its brokers would have it; none where a value is no number."""
    model = cluster.model
    brokers = {key: written(value) for key, value in model.properties.items()}
    parameters = {
        **inherited(model.properties),
        **{key: written(value) for key, value in asked.config.items()},
    }
    try:
        side = cleaner(brokers, model.numbers)
        return contradictions(topic(name, parameters), side, Use(asked.partitions))
    except HactlError:
        return ()
