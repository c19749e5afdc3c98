"""With ZooKeeper a real controller drives real replicas: its log and the states told from outside agree throughout."""

from __future__ import annotations

import time
from collections.abc import Iterator

import kafka
import pytest

from provision.core.errors import HostError
from provision.kafka.admin import ask
from provision.kafka.client_file import login
from provision.kafka.replicas.derive import remembered, states
from provision.kafka.replicas.fetch import look
from provision.kafka.replicas.model import Cluster, Replica
from provision.kafka.replicas.state_log import LoggedTransition, replayed, steps
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State
from tests.kafka.site import IDS, Site, zookeeper

pytestmark = pytest.mark.kafka

ALL = {1: State.ONLINE, 2: State.ONLINE, 3: State.ONLINE}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A ZooKeeper and three brokers."""
    with zookeeper(tmp_path_factory.mktemp("zookeeper")) as made:
        yield made


def logged(site: Site) -> list[LoggedTransition]:
    """What the controllers wrote so far."""
    return [step for broker in IDS for step in steps(site.log(str(broker)).splitlines())]


def told(site: Site, topic: str) -> dict[int, State]:
    """A topic's states by the controller's log; of a replica whose deletion succeeded there is nothing to see."""
    found = replayed(logged(site)).items()
    return {
        replica.broker: state
        for replica, state in found
        if replica.topic == topic and state is not State.DELETION_SUCCESSFUL
    }


class Observer:
    """Looks again and again, and remembers as a watch does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.last: Cluster | None = None

    def derived(self, topic: str) -> dict[int, State]:
        """A topic's states by what the cluster answers now."""
        now = ask(login(self.site.bootstrap, None), look)
        self.last = remembered(self.last, now) if self.last else now
        return {
            replica.broker: state
            for replica, state in states(self.last).items()
            if replica.topic == topic
        }

    def agree(self, topic: str, expected: dict[int, State], seconds: float = 40) -> None:
        """Both come to say the same, and it is this."""
        until, derived, by_log = time.monotonic() + seconds, None, None
        while time.monotonic() < until:
            try:
                derived, by_log = self.derived(topic), told(self.site, topic)
            except HostError:
                continue
            if derived == by_log == expected:
                return
            time.sleep(0.5)
        raise AssertionError(f"looked at: {derived}; by the log: {by_log}; it should be {expected}")


def test_the_states_told_from_outside_are_those_of_the_controller(site: Site) -> None:
    observer = Observer(site)
    site.create("orders", [(1, 2, 3)], min_insync_replicas="2")
    observer.agree("orders", ALL)

    site.end(3)
    observer.agree("orders", {**ALL, 3: State.OFFLINE})

    site.start(3)
    observer.agree("orders", ALL)

    site.ask(
        lambda admin: admin.alter_partition_reassignments(
            {kafka.TopicPartition("orders", 0): [1, 2]}
        )
    )
    observer.agree("orders", {1: State.ONLINE, 2: State.ONLINE})

    site.ask(
        lambda admin: admin.alter_partition_reassignments(
            {kafka.TopicPartition("orders", 0): [1, 2, 3]}
        )
    )
    observer.agree("orders", ALL)

    site.end(3)
    observer.agree("orders", {**ALL, 3: State.OFFLINE})
    site.ask(lambda admin: admin.delete_topics(["orders"]))
    observer.agree("orders", {3: State.OFFLINE})

    site.start(3)
    observer.agree("orders", {})

    taken = logged(site)
    assert {step.after for step in taken} == set(State), "all seven states have been passed through"
    assert [step for step in taken if step.failed or not step.legal(ReplicaStateMachine.V2_4)] == []
    assert Replica("orders", 0, 3) in {
        step.replica for step in taken if step.after is State.DELETION_SUCCESSFUL
    }
