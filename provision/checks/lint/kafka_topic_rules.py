"""Rules about a Kafka cluster's topics: parameters that contradict each other or the cluster."""

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
    "All replicas of a topic must be in sync",
    "while one broker is down, a restart included, no client can produce into it with acks=all",
    "Kafka, min.insync.replicas; NotEnoughReplicasException",
)
def kafka_topic_min_isr(topology: Topology) -> Iterator[Hit]:
    """A topic inherits unset parameters from the brokers. A single replica of one is allowed."""
    for cluster, name, kafka_topic in _topics(topology):
        broker = kafka_variables.broker_settings(cluster, cluster.brokers[0])
        replicas = kafka_topic.replicas or int(str(broker["default.replication.factor"]))
        min_isr = int(str(kafka_topic.config.get(MIN_ISR, broker[MIN_ISR])))
        if min_isr > replicas or min_isr == replicas > 1:
            fix = f"set it to {max(1, replicas - 1)} in its `config`"
            fix += "" if replicas > 1 else ", or give it more `replicas`"
            yield (
                _place(cluster, name),
                f"`{MIN_ISR}` of {name} is {min_isr} of {replicas} replicas",
                fix,
            )


@rule(
    "kafka-topic-refused",
    "error",
    "Parameters of a topic that Kafka refuses together",
    "the topic cannot be created",
    "org.apache.kafka.storage.internals.log.LogConfig.validate",
)
def kafka_topic_refused(topology: Topology) -> Iterator[Hit]:
    """Kafka validates a topic's parameters together with those it inherits from the brokers."""
    for cluster, name, kafka_topic in _topics(topology):
        for contradiction in _contradictions(cluster, name, kafka_topic):
            if contradiction.severity is Severity.REFUSED:
                message = f"{name}: {contradiction.problem}"
                yield _place(cluster, name), message, contradiction.fix


@rule(
    "kafka-topic-parameters",
    "warning",
    "Parameters of a topic that do something else than they say, or nothing",
    "Kafka accepts them, but their effect is not the intended one",
    "Kafka 3.9.1, the classes that `hactl kafka retention plan` names",
)
def kafka_topic_parameters(topology: Topology) -> Iterator[Hit]:
    """Reports only contradictions that the topic's own parameters cause, not Kafka's defaults."""
    for cluster, name, kafka_topic in _topics(topology):
        default_topic = KafkaTopic(partitions=kafka_topic.partitions)
        default_rules = {
            contradiction.rule for contradiction in _contradictions(cluster, name, default_topic)
        }
        for contradiction in _contradictions(cluster, name, kafka_topic):
            if (
                contradiction.severity is not Severity.REFUSED
                and contradiction.rule not in default_rules
            ):
                message = f"{name}: {contradiction.problem}"
                yield _place(cluster, name), message, contradiction.fix


def _topics(topology: Topology) -> Iterator[tuple[KafkaCluster, str, KafkaTopic]]:
    if topology.kafka:
        for name, kafka_topic in topology.kafka.model.topics.items():
            yield topology.kafka, name, kafka_topic


def _place(cluster: KafkaCluster, name: str) -> Node:
    return Node(None, cluster.node.at("topics").key_position(name))


def _contradictions(
    cluster: KafkaCluster, name: str, kafka_topic: KafkaTopic
) -> tuple[Contradiction, ...]:
    """Return the contradictions of a topic with the parameters that it inherits.

    Empty if a value is not a number.
    """
    model = cluster.model
    broker_parameters = {key: written(value) for key, value in model.properties.items()}
    parameters = {
        **inherited(model.properties),
        **{key: written(value) for key, value in kafka_topic.config.items()},
    }
    try:
        log_cleaner = cleaner(broker_parameters, model.numbers)
        return contradictions(topic(name, parameters), log_cleaner, Use(kafka_topic.partitions))
    except HactlError:
        return ()
