"""Rolls of a simulated cluster: the checks before each step, and the result of every node."""

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
from provision.kafka.rolling.poller import ClusterPoller
from provision.kafka.rolling.roller import NodeResult, Roller
from tests.hosts.told import Told
from tests.kafka.rolling.building import NODES, cluster, partition

KILLED = object()


@dataclass
class Simulation:
    """Three nodes. A restarted node is away for some steps, then behind for some more steps.

    `failure` is raised at a step. `violations` are restarts that a roll must not make.
    """

    away: int = 3
    behind: int = 3
    active: int = 1
    steps: int = 0
    failure: tuple[int, BaseException] | None = None
    gone: dict[int, int] = field(default_factory=dict)
    restarts: list[int] = field(default_factory=list)
    drained: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Count an action of the roller; time passes."""
        self.steps += 1
        self.gone = {id_: steps - 1 for id_, steps in self.gone.items() if steps > 1}
        if self.failure and self.failure[0] == self.steps:
            raise self.failure[1]

    def look(self) -> Cluster:
        self.step()
        missing = {id_ for id_, steps in self.gone.items() if steps > self.behind}
        isr = tuple(id_ for id_ in (1, 2, 3) if id_ not in self.gone)
        brokers = tuple(id_ for id_ in (1, 2, 3) if id_ not in missing)
        return cluster(partition(isr=isr), brokers=brokers, active=self.active)

    def restart(self, id_: int) -> None:
        if self.gone.keys() - {id_}:
            self.violations.append(f"{id_} restarted while {sorted(self.gone)} were not in sync")
        if f"kafka{id_}" not in self.drained:
            self.violations.append(f"{id_} restarted without a drain")
        self.restarts.append(id_)
        self.gone[id_] = self.away + self.behind


@dataclass
class Host:
    """A node's host; the simulation's `restarts` stand for its roll marker."""

    simulation: Simulation
    id: int

    def look(self) -> UnitState:
        self.simulation.step()
        return UnitState("now", True, RollMarker("then", "ops@desk", "today"))

    def restart(self) -> None:
        self.simulation.restart(self.id)
        self.simulation.step()


@dataclass
class Directors:
    """The directors."""

    simulation: Simulation
    drained_by_roll: frozenset[str] = frozenset()

    def refusal(self, _: str) -> str:
        self.simulation.step()
        return ""

    def drain(self, host: str) -> None:
        self.simulation.step()
        self.simulation.drained.add(host)
        self.drained_by_roll |= {host}

    def undrain(self, host: str) -> None:
        self.simulation.drained.discard(host)
        self.drained_by_roll -= {host}
        self.simulation.step()


@pytest.fixture(autouse=True, scope="module")
def quick() -> Any:
    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(poller, "POLL_INTERVAL", 0.0)
        monkey.setattr(module, "FIRST_NODE_TIMEOUT", 0.02)
        monkey.setattr(module, "READY_TIMEOUT", 0.05)
        monkey.setattr(module, "SYNC_TIMEOUT", 0.05)
        yield


def roll(simulation: Simulation, events: Told | None = None) -> tuple[Roller, bool]:
    """Run a roll as the command does.

    Nodes that were restarted are not restarted again; nodes that are still drained are undrained.
    """
    events = events or Told()
    pool = Directors(simulation, frozenset(simulation.drained))
    done = [node.host for node in NODES if node.id in simulation.restarts]
    todo = [node for node in NODES if node.host not in done]
    drained = [node for node in NODES if node.host in simulation.drained and node not in todo]
    hosts = cast(Mapping[str, Any], {node.host: Host(simulation, node.id) for node in NODES})
    roller = Roller(ClusterPoller(NODES, simulation.look, events), hosts, pool, events, done)
    return roller, roller.run(todo, drained)


def outcomes(roller: Roller) -> dict[str, str]:
    return {host: result.outcome for host, result in roller.results.items()}


def test_each_node_goes_down_once_when_all_others_are_in_sync_and_the_active_controller_last() -> (
    None
):
    simulation, events = Simulation(), Told()
    roller, well = roll(simulation, events)
    assert (well, simulation.restarts, simulation.violations, simulation.drained) == (
        True,
        [2, 3, 1],
        [],
        set(),
    )
    assert outcomes(roller) == {"kafka1": "rolled", "kafka2": "rolled", "kafka3": "rolled"}
    assert [line for line in events.lines if line.startswith("kafka2")] == [
        "kafka2: restarting",
        "kafka2: waiting: broker 2 is not in the cluster",
        "kafka2: waiting: orders-0: broker 2 is not in sync",
        "kafka2: rolled",
    ]


def test_a_node_that_is_down_is_rolled_first_and_if_it_stays_down_no_other_node_is_rolled() -> None:
    simulation = Simulation(gone={3: 10**7}, active=3, away=10**7)
    roller, well = roll(simulation)
    assert (well, simulation.restarts) == (False, [3]), "the node that is down is the first"
    assert roller.results["kafka3"].message == (
        "it does not serve again: broker 3 is not in the cluster\n"
        "see `journalctl -u kafka.service` on kafka3; "
        "it stays drained: `hactl kafka roll` resumes it"
    )
    assert (roller.results["kafka1"].outcome, simulation.drained) == ("untouched", {"kafka3"})


def test_a_refusal_says_why_and_nothing_is_drained() -> None:
    simulation = Simulation(gone={1: 10**6, 2: 10**6})
    roller, well = roll(simulation)
    refused = [result for result in roller.results.values() if result.message]
    assert (well, simulation.restarts, simulation.drained, len(refused)) == (False, [], set(), 1)
    assert refused[0].message.startswith(
        "broker 1 is not in the cluster\norders-0: replicas not in sync, on broker 1"
    )


def test_a_node_that_never_catches_up_stays_drained_and_ends_the_roll() -> None:
    simulation = Simulation(behind=10**6, away=0)
    roller, well = roll(simulation)
    assert (well, simulation.restarts, simulation.drained) == (False, [2], {"kafka2"})
    assert roller.results["kafka2"].message.startswith(
        "it serves, but is not in sync: orders-0: broker 2 is not in sync"
    )


def test_a_node_that_was_drained_but_not_restarted_is_undrained() -> None:
    class InterruptedDirectors(Directors):
        def drain(self, host: str) -> None:
            super().drain(host)
            raise KeyboardInterrupt

    simulation, events = Simulation(), Told()
    hosts = cast(Mapping[str, Any], {node.host: Host(simulation, node.id) for node in NODES})
    roller = Roller(
        ClusterPoller(NODES, simulation.look, events),
        hosts,
        InterruptedDirectors(simulation),
        events,
    )
    assert not roller.run(NODES)
    result = roller.results["kafka2"]
    assert (result.outcome, result.message) == ("untouched", "not restarted: interrupted")
    assert (simulation.restarts, simulation.drained, roller.interrupted) == ([], set(), True)


def test_a_roll_does_not_wait_for_a_drained_node_that_does_not_run() -> None:
    class StoppedHost(Host):
        def look(self) -> UnitState:
            return UnitState("now", False)

    simulation, events = Simulation(gone={2: 10**6}, drained={"kafka2"}), Told()
    hosts = cast(Mapping[str, Any], {node.host: StoppedHost(simulation, node.id) for node in NODES})
    roller = Roller(
        ClusterPoller(NODES, simulation.look, events),
        hosts,
        Directors(simulation, frozenset({"kafka2"})),
        events,
    )
    assert not roller.run([NODES[0]], [NODES[1]])
    assert roller.results["kafka2"].message.startswith(
        "it does not serve again: kafka.service does not run on kafka2;"
    )
    assert (simulation.steps, simulation.restarts, simulation.drained) == (0, [], {"kafka2"})


def test_a_drain_that_is_refused_keeps_the_node_up() -> None:
    class RefusingDirectors(Directors):
        def refusal(self, host: str) -> str:
            return f"{host} is the last real server"

    simulation, events = Simulation(), Told()
    hosts = cast(Mapping[str, Any], {node.host: Host(simulation, node.id) for node in NODES})
    roller = Roller(
        ClusterPoller(NODES, simulation.look, events), hosts, RefusingDirectors(simulation), events
    )
    assert not roller.run(NODES)
    assert (simulation.restarts, roller.results["kafka2"].message) == (
        [],
        "kafka2 is the last real server",
    )


@given(st.integers(1, 60), st.booleans(), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
@settings(deadline=None)
def test_a_roll_that_is_interrupted_at_any_step_is_completed_by_the_next_one(
    at: int, interrupted: bool, away: int, behind: int, active: int
) -> None:
    """No node is restarted twice, no two nodes at once, and no node stays drained."""
    failure: BaseException = (
        KeyboardInterrupt() if interrupted else HostError("kafka9", "the connection was lost")
    )
    simulation = Simulation(away, behind, active, failure=(at, failure))
    roller, well = roll(simulation)
    assert not well or (sorted(simulation.restarts) == [1, 2, 3] and not simulation.drained)
    _assert_results_match(roller, simulation.restarts, simulation.drained)
    again, well = roll(simulation)
    if not well and not roller.interrupted:  # the failure came in the second run
        again, well = roll(simulation)
    assert (well, sorted(simulation.restarts), simulation.violations, simulation.drained) == (
        True,
        [1, 2, 3],
        [],
        set(),
    )
    assert set(outcomes(again).values()) == {"rolled"}


def _assert_results_match(
    roller: Roller, restarts: Collection[int], drained: Collection[str]
) -> None:
    """Rolled and stopped nodes were restarted, untouched ones not; messages name drained nodes."""
    for host, result in roller.results.items():
        assert (result.outcome != "untouched") == (result.id in restarts), result
        assert (host not in drained) or "it stays drained" in result.message, result


def test_a_result_as_json_has_a_message_only_if_there_is_one() -> None:
    assert NodeResult("kafka1", 1, "rolled", 12.34).json() == {
        "host": "kafka1",
        "id": 1,
        "outcome": "rolled",
        "seconds": 12.3,
    }
    assert NodeResult("kafka1", 1, "stopped", 0.0, "why").json()["message"] == "why"
