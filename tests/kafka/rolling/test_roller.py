"""The course of a roll through a played cluster: what it asks before each step, and where it leaves each node."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.core.errors import HostError
from provision.hosts.agent.locked_host import RollMarker, UnitState
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling import poller
from provision.kafka.rolling import roller as module
from provision.kafka.rolling.poller import Poller
from provision.kafka.rolling.roller import NodeResult, Roller
from tests.kafka.rolling.building import NODES, cluster, partition
from tests.kafka.rolling.test_poller import Told

KILLED = object()


@dataclass
class World:
    """Three nodes; a restarted one is away for some looks, and then behind for some. `strike` happens at a step."""

    away: int = 3
    behind: int = 3
    active: int = 1
    steps: int = 0
    strike: tuple[int, BaseException] | None = None
    gone: dict[int, int] = field(default_factory=dict)
    restarts: list[int] = field(default_factory=list)
    drained: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def step(self) -> None:
        """One thing that the controller does; some time passes."""
        self.steps += 1
        self.gone = {id_: left - 1 for id_, left in self.gone.items() if left > 1}
        if self.strike and self.strike[0] == self.steps:
            raise self.strike[1]

    def look(self) -> Cluster:
        self.step()
        missing = {id_ for id_, left in self.gone.items() if left > self.behind}
        isr = tuple(id_ for id_ in (1, 2, 3) if id_ not in self.gone)
        brokers = tuple(id_ for id_ in (1, 2, 3) if id_ not in missing)
        return cluster(partition(isr=isr), brokers=brokers, active=self.active)

    def restart(self, id_: int) -> None:
        if self.gone.keys() - {id_}:
            self.wrong.append(f"{id_} restarted while {sorted(self.gone)} were not in sync")
        if f"kafka{id_}" not in self.drained:
            self.wrong.append(f"{id_} restarted without a drain")
        self.restarts.append(id_)
        self.gone[id_] = self.away + self.behind


@dataclass
class Host:
    """A node's host, whose mark is kept by the world's `restarts`."""

    world: World
    id: int

    def look(self) -> UnitState:
        self.world.step()
        return UnitState("now", True, RollMarker("then", "ops@desk", "today"))

    def restart(self) -> None:
        self.world.restart(self.id)
        self.world.step()


@dataclass
class Pool:
    """The directors."""

    world: World
    ours: frozenset[str] = frozenset()

    def refusal(self, _: str) -> str:
        self.world.step()
        return ""

    def drain(self, host: str) -> None:
        self.world.step()
        self.world.drained.add(host)
        self.ours |= {host}

    def give_back(self, host: str) -> None:
        self.world.drained.discard(host)
        self.ours -= {host}
        self.world.step()


@pytest.fixture(autouse=True, scope="module")
def quick() -> Any:
    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(poller, "POLL_INTERVAL", 0.0)
        monkey.setattr(module, "AT_FIRST", 0.02)
        monkey.setattr(module, "BACK", 0.05)
        monkey.setattr(module, "WHOLE", 0.05)
        yield


def go(world: World, told: Told | None = None) -> tuple[Roller, bool]:
    """A run, as the command makes one: what was restarted is not restarted again, what was left drained is returned."""
    told = told or Told()
    pool = Pool(world, frozenset(world.drained))
    done = [node.host for node in NODES if node.id in world.restarts]
    todo = [node for node in NODES if node.host not in done]
    left = [node for node in NODES if node.host in world.drained and node not in todo]
    hosts = cast(Mapping[str, Any], {node.host: Host(world, node.id) for node in NODES})
    course = Roller(Poller(NODES, world.look, told), hosts, pool, told, done)
    return course, course.run(todo, left)


def outcomes(course: Roller) -> dict[str, str]:
    return {host: fate.outcome for host, fate in course.fates.items()}


def test_each_node_goes_down_once_when_all_others_are_in_sync_and_the_active_controller_last() -> (
    None
):
    world, told = World(), Told()
    course, well = go(world, told)
    assert (well, world.restarts, world.wrong, world.drained) == (True, [2, 3, 1], [], set())
    assert outcomes(course) == {"kafka1": "rolled", "kafka2": "rolled", "kafka3": "rolled"}
    assert [line for line in told.lines if line.startswith("kafka2")] == [
        "kafka2: restarting", "kafka2: waiting: broker 2 is not in the cluster",
        "kafka2: waiting: orders-0: broker 2 is not in sync", "kafka2: rolled",
    ]  # fmt: skip


def test_a_node_that_is_down_is_the_first_and_where_it_stays_down_no_other_follows() -> None:
    world = World(gone={3: 10**7}, active=3, away=10**7)
    course, well = go(world)
    assert (well, world.restarts) == (False, [3]), "the one that is missing is the first"
    assert course.fates["kafka3"].message == (
        "it does not serve again: broker 3 is not in the cluster\n`journalctl -u kafka.service` on kafka3 tells more; "
        "it stays drained: `hactl kafka roll` goes on with it"
    )
    assert (course.fates["kafka1"].outcome, world.drained) == ("untouched", {"kafka3"})


def test_a_refusal_says_why_and_nothing_is_drained() -> None:
    world = World(gone={1: 10**6, 2: 10**6})
    course, well = go(world)
    refused = [fate for fate in course.fates.values() if fate.message]
    assert (well, world.restarts, world.drained, len(refused)) == (False, [], set(), 1)
    assert refused[0].message.startswith(
        "broker 1 is not in the cluster\norders-0: replicas not in sync, on broker 1"
    )


def test_a_node_that_never_catches_up_stays_drained_and_ends_the_roll() -> None:
    world = World(behind=10**6, away=0)
    course, well = go(world)
    assert (well, world.restarts, world.drained) == (False, [2], {"kafka2"})
    assert course.fates["kafka2"].message.startswith(
        "it serves, and is not in sync: orders-0: broker 2 is not in sync"
    )


def test_one_that_was_drained_and_not_restarted_gets_its_connections_back() -> None:
    class Deaf(Pool):
        def drain(self, host: str) -> None:
            super().drain(host)
            raise KeyboardInterrupt

    world, told = World(), Told()
    hosts = cast(Mapping[str, Any], {node.host: Host(world, node.id) for node in NODES})
    course = Roller(Poller(NODES, world.look, told), hosts, Deaf(world), told)
    assert not course.run(NODES)
    fate = course.fates["kafka2"]
    assert (fate.outcome, fate.message) == ("untouched", "not restarted: interrupted")
    assert (world.restarts, world.drained, course.interrupted) == ([], set(), True)


def test_what_a_roll_left_drained_and_does_not_run_is_not_waited_for() -> None:
    class Dead(Host):
        def look(self) -> UnitState:
            return UnitState("now", False)

    world, told = World(gone={2: 10**6}, drained={"kafka2"}), Told()
    hosts = cast(Mapping[str, Any], {node.host: Dead(world, node.id) for node in NODES})
    course = Roller(
        Poller(NODES, world.look, told), hosts, Pool(world, frozenset({"kafka2"})), told
    )
    assert not course.run([NODES[0]], [NODES[1]])
    assert course.fates["kafka2"].message.startswith(
        "it does not serve again: kafka.service does not run on kafka2;"
    )
    assert (world.steps, world.restarts, world.drained) == (0, [], {"kafka2"})


def test_a_drain_that_is_refused_keeps_the_node_up() -> None:
    class Last(Pool):
        def refusal(self, host: str) -> str:
            return f"{host} is the last real server"

    world, told = World(), Told()
    hosts = cast(Mapping[str, Any], {node.host: Host(world, node.id) for node in NODES})
    course = Roller(Poller(NODES, world.look, told), hosts, Last(world), told)
    assert not course.run(NODES)
    assert (world.restarts, course.fates["kafka2"].message) == (
        [],
        "kafka2 is the last real server",
    )


@given(st.integers(1, 60), st.booleans(), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
@settings(deadline=None)
def test_whatever_cuts_a_roll_off_the_next_one_ends_it(
    at: int, by_hand: bool, away: int, behind: int, active: int
) -> None:
    """An interruption or a lost host at any step: nobody is taken twice, never two at once, and none stays drained."""
    blow: BaseException = (
        KeyboardInterrupt() if by_hand else HostError("kafka9", "the connection was lost")
    )
    world = World(away, behind, active, strike=(at, blow))
    course, well = go(world)
    assert not well or (sorted(world.restarts) == [1, 2, 3] and not world.drained)
    _told_truly(course, world.restarts, world.drained)
    again, well = go(world)
    if not well and not course.interrupted:  # the blow fell into the second run
        again, well = go(world)
    assert (well, sorted(world.restarts), world.wrong, world.drained) == (
        True,
        [1, 2, 3],
        [],
        set(),
    )
    assert set(outcomes(again).values()) == {"rolled"}


def _told_truly(course: Roller, restarts: Collection[int], drained: Collection[str]) -> None:
    """Rolled and stopped ones were restarted, untouched ones were not; what is drained is said."""
    for host, fate in course.fates.items():
        assert (fate.outcome != "untouched") == (fate.id in restarts), fate
        assert (host not in drained) or "it stays drained" in fate.message, fate


def test_a_fate_as_json_has_a_message_only_where_there_is_one() -> None:
    assert NodeResult("kafka1", 1, "rolled", 12.34).json() == {
        "host": "kafka1",
        "id": 1,
        "outcome": "rolled",
        "seconds": 12.3,
    }
    assert NodeResult("kafka1", 1, "stopped", 0.0, "why").json()["message"] == "why"
