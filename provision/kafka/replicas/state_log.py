"""A ZooKeeper controller's `state-change.log`: every step that its machine made or refused. Pure.

The lines come from `ReplicaStateMachine.logSuccessfulTransition` and `logFailedStateChange` by `StateChangeLogger`.
They are written at TRACE only: `log4j.logger.state.change.logger=TRACE` (what Kafka ships says INFO).
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
    """One step: which controller of which epoch took, or (`failed`) refused to take, a replica to another state."""

    controller: int
    epoch: int
    replica: Replica
    before: State
    after: State
    failed: bool

    def legal(self, of: ReplicaStateMachine) -> bool:
        """Whether the machine has this step."""
        return legal(self.before, self.after, of)


def steps(lines: Iterable[str]) -> Iterator[LoggedTransition]:
    """The steps of replicas among the log's lines; whatever else stands there is passed over."""
    for line in lines:
        if found := _LINE.search(line):
            yield LoggedTransition(
                controller=int(found["controller"]),
                epoch=int(found["epoch"]),
                replica=Replica(found["topic"], int(found["partition"]), int(found["broker"])),
                before=State(found["before"]),
                after=State(found["after"]),
                failed=bool(found["failed"]),
            )


def replayed(taken: Iterable[LoggedTransition]) -> dict[Replica, State]:
    """The states that the last controller left its replicas in; each new controller (epoch) begins from nothing.

    The logs of several brokers can be given one after the other: of a lower epoch than seen already nothing counts.
    """
    epoch, now = -1, dict[Replica, State]()
    for step in taken:
        if step.failed or step.epoch < epoch:
            continue
        if step.epoch > epoch:
            epoch, now = step.epoch, {}
        now[step.replica] = step.after
        if step.after is State.NON_EXISTENT:
            del now[step.replica]
    return now
