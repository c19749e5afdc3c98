"""Carrying a plan out, step by step over one connection; what became of each step is known in the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from provision.core.errors import HactlError, Unreachable
from provision.kafka.admin import AGAIN, ClusterTimeout, ask, connected
from provision.kafka.client_file import Login
from provision.kafka.resources.plan import PlanStep, partitions, remains

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

RETRY_TIMEOUT = 30.0
"""Seconds for which a step is tried again while brokers do not answer: as long as an election takes, and more."""

PROPAGATION_TIMEOUT = 10.0
"""Seconds that are waited for brokers to learn of a topic."""

Became = Literal["done", "failed", "unknown", "not done"]


@dataclass(frozen=True)
class StepOutcome:
    """What became of a step, and why it was not done; `unknown`: it was sent, and nothing came back."""

    step: PlanStep
    became: Became
    why: str = ""


@dataclass(frozen=True)
class Applied:
    """What became of all steps, and whether somebody stopped it."""

    outcomes: tuple[StepOutcome, ...]
    interrupted: bool = False

    @property
    def whole(self) -> bool:
        """Whether every step is done."""
        return all(each.became == "done" for each in self.outcomes)


def carry_out(login: Login, steps: Sequence[PlanStep], passwords: Mapping[str, str]) -> Applied:
    """Do the steps in their order, each tried first as far as Kafka can; the first that cannot be done ends it.

    A connection that breaks is made again, for up to half a minute; then it is looked first whether the step that was
    under way is done. What fails after the first step is in the outcomes and not raised.

    Raises:
        HactlError: the cluster refuses a step, or does not answer, before anything was changed.
    """
    from provision.kafka.resources.requests import validate

    run = _Run(login, passwords, deque(steps))
    ask(login, lambda admin: validate(admin, [step.deed for step in steps]))
    try:
        while run.pending:
            run.go_on()
    except KeyboardInterrupt:
        return _applied(run, "unknown" if run.sent else "not done", "interrupted", interrupted=True)
    except HactlError as error:
        return _applied(run, "unknown" if run.sent else "failed", error.line())
    return Applied(tuple(StepOutcome(step, "done") for step in run.done))


def _applied(run: _Run, became: Became, why: str, *, interrupted: bool = False) -> Applied:
    """The outcomes of a run that did not come to its end."""
    done = [StepOutcome(step, "done") for step in run.done]
    rest = list(run.pending)
    ended = [StepOutcome(rest[0], became, why)] if rest else []
    return Applied(
        (*done, *ended, *(StepOutcome(step, "not done") for step in rest[1:])), interrupted
    )


class _Run:
    """Steps that are done and to be done; `sent` while one is under way, or was when the connection broke."""

    def __init__(self, login: Login, passwords: Mapping[str, str], steps: deque[PlanStep]) -> None:
        self._login, self._passwords = login, passwords
        self.pending, self.done = steps, list[PlanStep]()
        self.sent = False
        self._until: float | None = None

    def go_on(self) -> None:
        """Do as many steps as one connection lasts.

        Raises:
            HactlError: a step failed, or the cluster has not answered for too long.
        """
        try:
            with connected(self._login) as admin:
                if self.sent and not self._remains(admin):
                    self._finish()
                while self.pending:
                    self._do(admin)
                self._settle(admin)
        except (ClusterTimeout, Unreachable):
            self._until = self._until or time.monotonic() + RETRY_TIMEOUT
            if time.monotonic() > self._until:
                raise
            time.sleep(AGAIN)

    def _settle(self, admin: KafkaAdminClient) -> None:
        """Wait until every broker knows of the topics, so that whoever plans next is not told of the time before."""
        from provision.kafka.resources.fetch import known_to_all_brokers

        topics = dict(each for step in self.done for each in partitions(step.deed))
        until = time.monotonic() + PROPAGATION_TIMEOUT
        while topics and not known_to_all_brokers(admin, topics) and time.monotonic() < until:
            time.sleep(AGAIN / 5)

    def _do(self, admin: KafkaAdminClient) -> None:
        from provision.kafka.resources.requests import perform

        self.sent = True
        try:
            perform(admin, self.pending[0].deed, self._passwords)
        except HactlError:
            self.sent = False  # an answer, if not the one that was hoped for
            raise
        self._finish()

    def _finish(self) -> None:
        self.done.append(self.pending.popleft())
        self.sent, self._until = False, None

    def _remains(self, admin: KafkaAdminClient) -> bool:
        from provision.kafka.resources.fetch import look

        return remains(self.pending[0].deed, look(admin, ()))
