"""Waiting for a cluster: what is said, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.core.errors import HostError
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling import poller
from provision.kafka.rolling.poller import Poller
from tests.kafka.rolling.building import NODES, cluster, partition

ONE, TWO, THREE = NODES


class Told:
    """Events, kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def host(self, host: str, text: str) -> None:
        self.lines.append(f"{host}: {text}")

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_INTERVAL", 0.001)


def sight_of(*looks: Cluster | HostError) -> tuple[Poller, Told]:
    """One look after the other; the last stays."""
    told = Told()

    def seen() -> Iterator[Cluster | HostError]:
        yield from looks
        while True:
            yield looks[-1]

    views = seen()

    def look() -> Cluster:
        found = next(views)
        if isinstance(found, HostError):
            raise found
        return found

    return Poller(NODES, look, told), told


def test_a_node_is_back_when_it_serves_and_whole_when_it_has_caught_up() -> None:
    gone, behind, well = cluster(brokers=(1, 3)), cluster(partition(isr=(1, 3))), cluster()
    eyes, told = sight_of(gone, gone, behind, well)
    assert eyes.back(TWO, 5) == ()
    assert told.lines == ["kafka2: waiting: broker 2 is not in the cluster"], "said once"
    eyes, told = sight_of(gone, behind, behind, well)
    assert eyes.whole(TWO, 5) == ()
    assert told.lines[1:] == ["kafka2: waiting: orders-0: broker 2 is not in sync"]


def test_what_is_in_the_way_after_the_limit_is_returned() -> None:
    eyes, _ = sight_of(cluster(brokers=(1, 3)))
    assert eyes.back(TWO, 0.01) == ("broker 2 is not in the cluster",)
    assert eyes.may_go(ONE, 0.01) == ("broker 2 is not in the cluster",)
    assert eyes.may_go(TWO, 0.01) == ()


def test_a_cluster_that_does_not_answer_for_a_moment_is_waited_for() -> None:
    eyes, told = sight_of(HostError("kafka", "the cluster does not answer"), cluster())
    assert eyes.may_go(ONE, 5) == ()
    assert told.lines == ["kafka1: waiting: kafka: the cluster does not answer"]
    eyes, _ = sight_of(HostError("kafka", "the cluster does not answer"))
    assert eyes.may_go(ONE, 0.01) == ("kafka: the cluster does not answer",)


def test_who_is_told_to_stop_waits_no_longer() -> None:
    eyes, _ = sight_of(cluster(brokers=(1, 3)))
    assert Poller(NODES, eyes.look, eyes.events, lambda: True).back(TWO, 60) == (
        "broker 2 is not in the cluster",
    )
