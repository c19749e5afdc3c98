"""A ZooKeeper controller's `state-change.log`: the transitions of its state machine. Pure.

`ReplicaStateMachine.logSuccessfulTransition` and `logFailedStateChange` write the lines through
`StateChangeLogger`. They need the level TRACE (`log4j.logger.state.change.logger=TRACE`); Kafka's
own configuration has INFO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State, legal

_STATES = "|".join(State)
_LINE = re.compile(
    r"\[Controller id=(?P<controller>\d+) epoch=(?P<epoch>\d+)\] "
    r"(?P<verb>Changed state|.*[Ii]nitiated state change) of replica (?P<broker>\d+) "
    r"for partition (?P<topic>\S+)-(?P<partition>\d+) "
    rf"from (?P<before>{_STATES}) to (?P<after>{_STATES})(?P<failed> failed)?"
)


@dataclass(frozen=True)
class LoggedTransition:
    """A transition of a replica in the log of the controller with this id and epoch.

    With `failed` the controller refused the transition.
    """

    controller: int
    epoch: int
    replica: Replica
    before: State
    after: State
    failed: bool

    def legal(self, machine: ReplicaStateMachine) -> bool:
        """Whether the machine has this transition."""
        return legal(self.before, self.after, machine)


def steps(lines: Iterable[str]) -> Iterator[LoggedTransition]:
    """The transitions of replicas in the log's lines; other lines are ignored."""
    for line in lines:
        if match := _LINE.search(line):
            yield LoggedTransition(
                controller=int(match["controller"]),
                epoch=int(match["epoch"]),
                replica=Replica(match["topic"], int(match["partition"]), int(match["broker"])),
                before=State(match["before"]),
                after=State(match["after"]),
                failed=bool(match["failed"]),
            )


def replayed(transitions: Iterable[LoggedTransition]) -> dict[Replica, State]:
    """The last states that the last controller logged; each controller (epoch) starts anew.

    The logs of several brokers may follow each other in any order: transitions of an epoch lower
    than the highest so far are ignored.
    """
    epoch, states = -1, dict[Replica, State]()
    for step in transitions:
        if step.failed or step.epoch < epoch:
            continue
        if step.epoch > epoch:
            epoch, states = step.epoch, {}
        states[step.replica] = step.after
        if step.after is State.NON_EXISTENT:
            del states[step.replica]
    return states
