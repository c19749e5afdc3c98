"""With ZooKeeper the derived states of replicas agree with the log of a real controller."""

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
    with zookeeper(tmp_path_factory.mktemp("zookeeper")) as running:
        yield running


def logged(site: Site) -> list[LoggedTransition]:
    """The transitions that the controllers have logged so far."""
    return [step for broker in IDS for step in steps(site.log(str(broker)).splitlines())]


def logged_states(site: Site, topic: str) -> dict[int, State]:
    """A topic's states by the controller's log, without replicas whose deletion succeeded.

    A cluster does not show such a replica.
    """
    return {
        replica.broker: state
        for replica, state in replayed(logged(site)).items()
        if replica.topic == topic and state is not State.DELETION_SUCCESSFUL
    }


class Observer:
    """Polls the cluster and remembers logs, as `--watch` does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.last: Cluster | None = None

    def derived(self, topic: str) -> dict[int, State]:
        """A topic's states by the current answers of the cluster."""
        now = ask(login(self.site.bootstrap, None), look)
        self.last = remembered(self.last, now) if self.last else now
        return {
            replica.broker: state
            for replica, state in states(self.last).items()
            if replica.topic == topic
        }

    def agree(self, topic: str, expected: dict[int, State], seconds: float = 40) -> None:
        """Wait until both the derived and the logged states are the expected states."""
        deadline, derived, by_log = time.monotonic() + seconds, None, None
        while time.monotonic() < deadline:
            try:
                derived, by_log = self.derived(topic), logged_states(self.site, topic)
            except HostError:
                continue
            if derived == by_log == expected:
                return
            time.sleep(0.5)
        raise AssertionError(f"derived: {derived}; by the log: {by_log}; expected: {expected}")


def test_the_derived_states_are_those_of_the_controller(site: Site) -> None:
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

    steps_taken = logged(site)
    assert {step.after for step in steps_taken} == set(State), "the log has all seven states"
    illegal = [
        step for step in steps_taken if step.failed or not step.legal(ReplicaStateMachine.V2_4)
    ]
    assert illegal == []
    assert Replica("orders", 0, 3) in {
        step.replica for step in steps_taken if step.after is State.DELETION_SUCCESSFUL
    }
