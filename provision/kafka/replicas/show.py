"""A cluster's replicas, as lines of at most 80 columns where topic names allow it, and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provision.core.terminal import BOLD, RED, YELLOW, Line
from provision.kafka.replicas.check import Transition
from provision.kafka.replicas.model import Cluster, Partition, Replica, TopicPartition
from provision.kafka.replicas.problems import troubles
from provision.kafka.replicas.state_machine import State

NAME_WIDTH = 26
MAX_NAMED = 3
"""With how many partitions a trouble is shown."""

States = Mapping[Replica, State]

WORDS = {
    State.NEW: "new",
    State.ONLINE: "online",
    State.OFFLINE: "offline",
    State.DELETION_STARTED: "being deleted",
}


def lines(cluster: Cluster, states: States, news: Iterable[Transition] = ()) -> Iterator[Line]:
    """The screen: what there is, what is wrong, a line a partition, what changed lately."""
    yield _headline(cluster, states), BOLD
    for trouble in troubles(cluster):
        yield f"! {_named(trouble.who)} {trouble.what}", RED
    by_name = _by_name(states)
    width = min(NAME_WIDTH, max(len("PARTITION"), *(len(str(name)) for name in by_name)))
    partitions = {each.name: each for each in cluster.partitions}
    yield "", ""
    yield f"{'PARTITION':<{width}}  LEADER  IN SYNC  MIN  REPLICAS", BOLD
    for name, found in by_name.items():
        yield from _row(cluster, name, partitions.get(name), found, width)
    changed = list(news)
    if changed:
        yield "", ""
        yield "changed:", BOLD
        for transition in changed:
            yield f"  {transition}", YELLOW if transition.legal else RED


def _headline(cluster: Cluster, states: States) -> str:
    counts = Counter(states.values())
    told = ", ".join(f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state])
    brokers = " ".join(map(str, sorted(cluster.brokers)))
    active = f", controller {cluster.controller}" if cluster.controller >= 0 else ""
    version = ".".join(map(str, cluster.version))
    return f"Kafka {version}, brokers {brokers}{active}; {len(states)} replicas: {told or 'none'}"


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _by_name(states: States) -> dict[TopicPartition, dict[int, State]]:
    found: dict[TopicPartition, dict[int, State]] = {}
    for replica, state in states.items():
        found.setdefault(TopicPartition(replica.topic, replica.partition), {})[replica.broker] = (
            state
        )
    return found


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
    """Such as `2 online`, with what is not as usual about one that is alive."""
    about = []
    if partition and state in (State.ONLINE, State.NEW):
        if broker not in partition.isr:
            log = cluster.logs.get(broker, {}).get(name)
            about.append(f"{log.lag} behind" if log and log.lag > 0 else "not in sync")
        about += ["leaving"] if broker in partition.removing else []
    elif state is State.OFFLINE and (partition is None or broker not in partition.replicas):
        about.append("to be deleted")
    elif partition and broker in partition.eligible:
        about.append("eligible")
    return f"{broker} {WORDS[state]}" + (f" ({', '.join(about)})" if about else "")


def document(cluster: Cluster, states: States) -> dict[str, Any]:
    """The same as JSON; sizes in bytes, lags in records, None where a broker's log folders could not be read."""
    by_name = _by_name(states)
    partitions = {each.name: each for each in cluster.partitions}
    return {
        "version": ".".join(map(str, cluster.version)),
        "brokers": sorted(cluster.brokers),
        "controller": cluster.controller if cluster.controller >= 0 else None,
        "troubles": [
            {"kind": each.kind, "who": list(each.who), "what": each.what}
            for each in troubles(cluster)
        ],
        "partitions": [
            _partition_json(cluster, name, partitions.get(name), found)
            for name, found in by_name.items()
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
