"""The log of a ZooKeeper controller.

A controller of 3.9.1 wrote `state-change.log` about one partition. Its topic was created, a broker
was killed and came back, a replica was moved away and back, and the topic was deleted while a
broker was down.
"""

from __future__ import annotations

from pathlib import Path

from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_log import LoggedTransition, replayed, steps
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State

LINES = (Path(__file__).parent / "state-change.log").read_text().splitlines()
REFUSED = (
    "[2026-11-22 08:49:24,000] ERROR [Controller id=1 epoch=1] "
    "Controller 1 epoch 1 initiated state change of replica 3 for partition a-b.c_1-12 "
    "from OnlineReplica to NewReplica failed (state.change.logger)"
)
"""A line in the format of StateChangeLogger and logFailedStateChange; no controller wrote it."""


def states_of(broker: int, lines: list[str]) -> list[str]:
    """The states of the broker's replica in their order."""
    return [step.after.value for step in steps(lines) if step.replica.broker == broker]


def test_a_line_is_read_completely() -> None:
    assert next(steps(LINES)) == LoggedTransition(
        1, 1, Replica("orders", 0, 1), State.NON_EXISTENT, State.NEW, failed=False
    )


def test_the_states_of_a_replica_are_read_in_their_order() -> None:
    assert states_of(3, LINES)[:8] == [
        "NewReplica",
        "OnlineReplica",
        "OfflineReplica",
        "OnlineReplica",
        "OfflineReplica",
        "ReplicaDeletionStarted",
        "ReplicaDeletionSuccessful",
        "NonExistentReplica",
    ]


def test_lines_about_partitions_and_other_lines_are_ignored() -> None:
    assert any("Changed partition" in line for line in LINES)
    others = [line for line in LINES if "of replica" not in line]
    assert list(steps([*others, "", "java.lang.IllegalStateException: …"])) == []


def test_every_transition_of_a_real_controller_is_legal() -> None:
    assert all(step.legal(ReplicaStateMachine.V2_4) and not step.failed for step in steps(LINES))


def test_postponing_a_deletion_while_a_broker_is_down_is_illegal_before_2_3() -> None:
    old = [step for step in steps(LINES) if not step.legal(ReplicaStateMachine.V1_0)]
    assert {(step.before, step.after) for step in old} == {
        (State.OFFLINE, State.DELETION_INELIGIBLE)
    }


def test_a_refused_transition_is_read_and_changes_no_state() -> None:
    (step,) = steps([REFUSED])
    assert (step.replica, step.failed, step.legal(ReplicaStateMachine.V2_4)) == (
        Replica("a-b.c_1", 12, 3),
        True,
        False,
    )
    assert replayed([step]) == {}


def test_replaying_a_log_gives_the_last_states() -> None:
    created = LINES[: next(n for n, line in enumerate(LINES) if "OfflineReplica" in line)]
    assert replayed(steps(created)) == {
        Replica("orders", 0, broker): State.ONLINE for broker in (1, 2, 3)
    }
    assert replayed(steps(LINES)) == {}, "the topic is gone"


def test_a_new_controller_starts_anew_whatever_the_order_of_the_logs() -> None:
    first = (
        "[…] TRACE [Controller id=1 epoch=4] Changed state of replica 1 for partition t-0 "
        "from NewReplica to OnlineReplica"
    )
    second = (
        "[…] TRACE [Controller id=2 epoch=5] Changed state of replica 2 for partition t-0 "
        "from ReplicaDeletionIneligible to OfflineReplica"
    )
    for lines in ([first, second], [second, first]):
        assert replayed(steps(lines)) == {Replica("t", 0, 2): State.OFFLINE}
