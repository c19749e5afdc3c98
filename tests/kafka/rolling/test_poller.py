"""Waiting for a cluster: the events during a wait, and its end."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from provision.core.errors import HostError
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling import poller as poller_module
from provision.kafka.rolling.poller import ClusterPoller
from tests.hosts.told import Told
from tests.kafka.rolling.building import NODES, cluster, partition

ONE, TWO, THREE = NODES


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller_module, "POLL_INTERVAL", 0.001)


def poller_of(*looks: Cluster | HostError) -> tuple[ClusterPoller, Told]:
    """Return a poller that sees one state after the other; the last one stays."""
    events = Told()
    states = chain(looks, repeat(looks[-1]))

    def look() -> Cluster:
        state = next(states)
        if isinstance(state, HostError):
            raise state
        return state

    return ClusterPoller(NODES, look, events), events


def test_a_node_is_ready_when_it_serves_and_in_sync_when_it_has_caught_up() -> None:
    gone, behind, well = cluster(brokers=(1, 3)), cluster(partition(isr=(1, 3))), cluster()
    poller, events = poller_of(gone, gone, behind, well)
    assert poller.wait_until_ready(TWO, 5) == ()
    assert events.lines == ["kafka2: waiting: broker 2 is not in the cluster"], "reported once"
    poller, events = poller_of(gone, behind, behind, well)
    assert poller.wait_until_in_sync(TWO, 5) == ()
    assert events.lines[1:] == ["kafka2: waiting: orders-0: broker 2 is not in sync"]


def test_problems_that_remain_after_the_timeout_are_returned() -> None:
    poller, _ = poller_of(cluster(brokers=(1, 3)))
    assert poller.wait_until_ready(TWO, 0.01) == ("broker 2 is not in the cluster",)
    assert poller.wait_until_safe(ONE, 0.01) == ("broker 2 is not in the cluster",)
    assert poller.wait_until_safe(TWO, 0.01) == ()


def test_a_poller_waits_for_a_cluster_that_does_not_answer_for_a_moment() -> None:
    poller, events = poller_of(HostError("kafka", "the cluster does not answer"), cluster())
    assert poller.wait_until_safe(ONE, 5) == ()
    assert events.lines == ["kafka1: waiting: kafka: the cluster does not answer"]
    poller, _ = poller_of(HostError("kafka", "the cluster does not answer"))
    assert poller.wait_until_safe(ONE, 0.01) == ("kafka: the cluster does not answer",)


def test_a_wait_ends_when_the_rollout_is_interrupted() -> None:
    poller, _ = poller_of(cluster(brokers=(1, 3)))
    assert ClusterPoller(NODES, poller.look, poller.events, lambda: True).wait_until_ready(
        TWO, 60
    ) == ("broker 2 is not in the cluster",)
