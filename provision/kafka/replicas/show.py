"""A cluster's replicas as text and as JSON. Pure.

Lines have at most 80 columns unless the names of topics are longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provision.core.terminal import BOLD, RED, YELLOW, Line
from provision.kafka.replicas.check import Transition
from provision.kafka.replicas.model import Cluster, Partition, Replica, TopicPartition
from provision.kafka.replicas.problems import troubles
from provision.kafka.replicas.state_machine import State

MAX_NAME_WIDTH = 26
MAX_NAMES = 3
"""How many names of a problem are shown."""

States = Mapping[Replica, State]

WORDS = {
    State.NEW: "new",
    State.ONLINE: "online",
    State.OFFLINE: "offline",
    State.DELETION_STARTED: "being deleted",
}


def lines(cluster: Cluster, states: States, news: Iterable[Transition] = ()) -> Iterator[Line]:
    """The screen: a headline, the problems, a line for each partition, the latest changes."""
    yield _headline(cluster, states), BOLD
    for trouble in troubles(cluster):
        yield f"! {_join_names(trouble.names)} {trouble.text}", RED
    by_partition = _by_partition(states)
    width = min(MAX_NAME_WIDTH, max(len("PARTITION"), *(len(str(name)) for name in by_partition)))
    partitions = {partition.name: partition for partition in cluster.partitions}
    yield "", ""
    yield f"{'PARTITION':<{width}}  LEADER  IN SYNC  MIN  REPLICAS", BOLD
    for name, by_broker in by_partition.items():
        yield from _row(cluster, name, partitions.get(name), by_broker, width)
    changed = list(news)
    if changed:
        yield "", ""
        yield "changed:", BOLD
        for transition in changed:
            yield f"  {transition}", YELLOW if transition.legal else RED


def _headline(cluster: Cluster, states: States) -> str:
    counts = Counter(states.values())
    replicas = ", ".join(
        f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state]
    )
    brokers = " ".join(map(str, sorted(cluster.brokers)))
    active = f", controller {cluster.controller}" if cluster.controller >= 0 else ""
    version = ".".join(map(str, cluster.version))
    headline = f"Kafka {version}, brokers {brokers}{active}; {len(states)} replicas"
    return f"{headline}: {replicas or 'none'}"


def _join_names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _by_partition(states: States) -> dict[TopicPartition, dict[int, State]]:
    """The states by partition and broker."""
    by_partition: dict[TopicPartition, dict[int, State]] = {}
    for replica, state in states.items():
        name = TopicPartition(replica.topic, replica.partition)
        by_partition.setdefault(name, {})[replica.broker] = state
    return by_partition


def _row(
    cluster: Cluster,
    name: TopicPartition,
    partition: Partition | None,
    states: Mapping[int, State],
    width: int,
) -> Iterator[Line]:
    text = str(name)
    if len(text) > width:
        yield text, ""
        text = ""
    replicas = "  ".join(
        _replica(cluster, name, partition, broker, state) for broker, state in states.items()
    )
    if partition is None:
        yield f"{text:<{width}}  {'gone':<23}  {replicas}", YELLOW
        return
    leader = str(partition.leader) if partition.leader >= 0 else "none"
    in_sync = f"{len(partition.isr)} of {len(partition.replicas)}"
    whole = set(partition.isr) == set(partition.replicas)
    row = f"{text:<{width}}  {leader:<6}  {in_sync:<7}  {partition.min_isr:<3}  {replicas}"
    yield row, "" if whole else RED if len(partition.isr) < partition.min_isr else YELLOW


def _replica(
    cluster: Cluster, name: TopicPartition, partition: Partition | None, broker: int, state: State
) -> str:
    """A replica as text: `2 online (120 behind)`; the remark is about an unusual condition."""
    remarks = []
    if partition and state in (State.ONLINE, State.NEW):
        if broker not in partition.isr:
            log = cluster.logs.get(broker, {}).get(name)
            remarks.append(f"{log.lag} behind" if log and log.lag > 0 else "not in sync")
        remarks += ["leaving"] if broker in partition.removing else []
    elif state is State.OFFLINE and (partition is None or broker not in partition.replicas):
        remarks.append("to be deleted")
    elif partition and broker in partition.eligible:
        remarks.append("eligible")
    return f"{broker} {WORDS[state]}" + (f" ({', '.join(remarks)})" if remarks else "")


def document(cluster: Cluster, states: States) -> dict[str, Any]:
    """The screen as JSON.

    Sizes are in bytes, lags in records; both are None where a broker's log folders could not be
    read.
    """
    partitions = {partition.name: partition for partition in cluster.partitions}
    return {
        "version": ".".join(map(str, cluster.version)),
        "brokers": sorted(cluster.brokers),
        "controller": cluster.controller if cluster.controller >= 0 else None,
        "troubles": [
            {"kind": trouble.kind, "who": list(trouble.names), "what": trouble.text}
            for trouble in troubles(cluster)
        ],
        "partitions": [
            _partition_json(cluster, name, partitions.get(name), by_broker)
            for name, by_broker in _by_partition(states).items()
        ],
    }


def _partition_json(
    cluster: Cluster, name: TopicPartition, partition: Partition | None, states: Mapping[int, State]
) -> dict[str, Any]:
    isr = partition.isr if partition else ()
    return {
        "topic": name.topic,
        "partition": name.partition,
        "exists": partition is not None,
        "leader": partition.leader if partition and partition.leader >= 0 else None,
        "isr": list(isr),
        "min_isr": partition.min_isr if partition else None,
        "replicas": [
            {
                "broker": broker,
                "state": state.value,
                "in_sync": broker in isr,
                **_log(cluster, name, broker),
            }
            for broker, state in states.items()
        ],
    }


def _log(cluster: Cluster, name: TopicPartition, broker: int) -> dict[str, int | None]:
    log = cluster.logs.get(broker, {}).get(name)
    return {"size": log.size if log else None, "lag": log.lag if log else None}
