"""Runs the checks, in parallel where they do not depend on each other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from provision.core.errors import HactlError
from provision.kafka.admin import connected
from provision.kafka.client_file import Login
from provision.kafka.raw_client import UNREACHABLE, Refused
from provision.kafka.verify.checks import VerifyFacts, checks
from provision.kafka.verify.model import KafkaCheckResult, KafkaVerification, Result
from provision.kafka.verify.records import Records
from provision.kafka.verify.refusals import PROBES, Answer, VerifyEnvironment

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

PARALLEL = 12
"""Checks that run at once."""

EMPTY_STATES = ("Empty", "Dead")
"""States of a group without members (GroupState)."""


def run(environment: VerifyEnvironment, note: Callable[[str], None]) -> KafkaVerification:
    """Run all checks of the inventory; `note` gets their number."""
    began = time.monotonic()
    with _client_log_silenced():
        facts = _facts(environment.admin)
        planned = checks(environment.cluster, environment.admin.bootstrap, facts)
        note(f"{len(planned)} checks, as {', '.join(environment.cluster.model.users)}")
        results = _run_checks(planned, Records(environment, facts.busy), environment)
    return KafkaVerification(results, time.monotonic() - began)


def _facts(admin: Login) -> VerifyFacts:
    """Return the cluster's topics and groups; unknown if the admin cannot log in."""
    try:
        with connected(admin) as client:
            return look(client)
    except HactlError:
        return VerifyFacts()


def look(client: KafkaAdminClient) -> VerifyFacts:
    """Return the topics, and the groups that have members, of either protocol (KIP-848)."""
    groups = client.list_groups()
    busy = frozenset(
        group["group_id"] for group in groups if group["group_state"] not in EMPTY_STATES
    )
    return VerifyFacts(frozenset(client.list_topics()), busy)


def _run_checks(
    planned: Sequence[KafkaCheckResult], records: Records, environment: VerifyEnvironment
) -> tuple[Result, ...]:
    """Return the results in the order of the checks.

    Reads start after all writes; all other checks run at the same time.
    """
    probes: dict[str, Callable[[KafkaCheckResult], Answer]] = {
        name: partial(probe, environment) for name, probe in PROBES.items()
    }
    probes["produce"] = records.produce
    first = sorted(
        (check for check in planned if check.id != "consume"),
        key=lambda check: check.id != "produce",
    )
    last = [check for check in planned if check.id == "consume"]
    with _pool() as pool, _pool() as readers:
        futures = {check: pool.submit(_run_check, probes[check.id], check) for check in first}
        wait([future for check, future in futures.items() if check.id == "produce"])
        futures |= {check: readers.submit(_run_check, records.consume, check) for check in last}
        return tuple(futures[check].result() for check in planned)


def _run_check(probe: Callable[[KafkaCheckResult], Answer], check: KafkaCheckResult) -> Result:
    if check.skipped:
        return Result(check)
    began = time.monotonic()
    try:
        answer, text = probe(check)
    except Refused as refused:
        answer, text = refused.word, refused.text
    except HactlError as error:
        answer, text = UNREACHABLE, error.line()
    return Result(check, answer, text, time.monotonic() - began)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Yield threads for checks; a failure or interruption of the block drops waiting checks."""
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="verify")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _client_log_silenced() -> Iterator[None]:
    """Keep the client library's log off the terminal: the checks provoke refusals."""
    logger, handler = logging.getLogger("kafka"), logging.NullHandler()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
