"""Applies a plan step by step over one connection, and records the result of every step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from provision.core.errors import HactlError, Unreachable
from provision.kafka.admin import RETRY_DELAY, ClusterTimeout, ask, connected
from provision.kafka.client_file import Login
from provision.kafka.resources.plan import PlanStep, partitions, remains

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

RETRY_TIMEOUT = 30.0
"""Seconds for retries of a step while brokers do not answer: more than an election takes."""

PROPAGATION_TIMEOUT = 10.0
"""Seconds to wait until all brokers know of a topic."""

StepResult = Literal["done", "failed", "unknown", "not done"]


@dataclass(frozen=True)
class StepOutcome:
    """The result of a step, and the reason if it is not done; `unknown`: sent without an answer."""

    step: PlanStep
    result: StepResult
    reason: str = ""


@dataclass(frozen=True)
class Applied:
    """The outcomes of all steps, and whether the operator interrupted the run."""

    outcomes: tuple[StepOutcome, ...]
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every step is done."""
        return all(outcome.result == "done" for outcome in self.outcomes)


def carry_out(login: Login, steps: Sequence[PlanStep], passwords: Mapping[str, str]) -> Applied:
    """Perform the steps in their order, up to the first failure.

    Kafka validates all steps first, as far as it can. After a lost connection the run reconnects
    for up to RETRY_TIMEOUT, and checks first whether the step in flight is done. A failure after
    the validation is in the outcomes, and not raised.

    Raises:
        HactlError: the cluster refuses a step, or does not answer; nothing was changed.
    """
    from provision.kafka.resources.requests import validate

    run = _StepRun(login, passwords, deque(steps))
    ask(login, lambda admin: validate(admin, [step.operation for step in steps]))
    try:
        while run.pending:
            run.run_steps()
    except KeyboardInterrupt:
        return _applied(
            run, "unknown" if run.in_flight else "not done", "interrupted", interrupted=True
        )
    except HactlError as error:
        return _applied(run, "unknown" if run.in_flight else "failed", error.line())
    return Applied(tuple(StepOutcome(step, "done") for step in run.done))


def _applied(
    run: _StepRun, result: StepResult, reason: str, *, interrupted: bool = False
) -> Applied:
    """Return the outcomes of a run that ended early."""
    done = [StepOutcome(step, "done") for step in run.done]
    remaining = list(run.pending)
    ended = [StepOutcome(remaining[0], result, reason)] if remaining else []
    return Applied(
        (*done, *ended, *(StepOutcome(step, "not done") for step in remaining[1:])), interrupted
    )


class _StepRun:
    """The steps done and pending; `in_flight` while a step is sent and its answer is missing."""

    def __init__(self, login: Login, passwords: Mapping[str, str], steps: deque[PlanStep]) -> None:
        self._login, self._passwords = login, passwords
        self.pending, self.done = steps, list[PlanStep]()
        self.in_flight = False
        self._deadline: float | None = None

    def run_steps(self) -> None:
        """Perform steps over one connection, until all are done or the connection breaks.

        Raises:
            HactlError: a step failed, or the cluster has not answered for RETRY_TIMEOUT.
        """
        try:
            with connected(self._login) as admin:
                if self.in_flight and not self._must_repeat(admin):
                    self._finish()
                while self.pending:
                    self._perform_next(admin)
                self._wait_for_propagation(admin)
        except (ClusterTimeout, Unreachable):
            self._deadline = self._deadline or time.monotonic() + RETRY_TIMEOUT
            if time.monotonic() > self._deadline:
                raise
            time.sleep(RETRY_DELAY)

    def _wait_for_propagation(self, admin: KafkaAdminClient) -> None:
        """Wait until every broker knows of the new topics, so that the next plan sees them."""
        from provision.kafka.resources.fetch import known_to_all_brokers

        topics = dict(topic for step in self.done for topic in partitions(step.operation))
        deadline = time.monotonic() + PROPAGATION_TIMEOUT
        while topics and not known_to_all_brokers(admin, topics) and time.monotonic() < deadline:
            time.sleep(RETRY_DELAY / 5)

    def _perform_next(self, admin: KafkaAdminClient) -> None:
        from provision.kafka.resources.requests import perform

        self.in_flight = True
        try:
            perform(admin, self.pending[0].operation, self._passwords)
        except HactlError:
            self.in_flight = False  # a refusal is an answer
            raise
        self._finish()

    def _finish(self) -> None:
        self.done.append(self.pending.popleft())
        self.in_flight, self._deadline = False, None

    def _must_repeat(self, admin: KafkaAdminClient) -> bool:
        from provision.kafka.resources.fetch import look

        return remains(self.pending[0].operation, look(admin, ()))
