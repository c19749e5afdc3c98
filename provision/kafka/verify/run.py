"""Asks everything, in parallel where one thing does not follow from another."""

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
from provision.kafka.verify.refusals import PROBES, Seen, VerifyEnvironment

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

PARALLEL = 12
"""How many questions are open at once."""

DESERTED = ("Empty", "Dead")
"""States of a group without members (GroupState)."""


def run(site: VerifyEnvironment, note: Callable[[str], None]) -> KafkaVerification:
    """All checks that follow from the inventory, asked of the cluster; `note` is told how many there are."""
    began = time.monotonic()
    with _hushed():
        facts = _facts(site.admin)
        planned = checks(site.cluster, site.admin.bootstrap, facts)
        note(f"{len(planned)} checks, as {', '.join(site.cluster.model.users)}")
        results = _asked(planned, Records(site, facts.busy), site)
    return KafkaVerification(results, time.monotonic() - began)


def _facts(admin: Login) -> VerifyFacts:
    """What there is in the cluster; nothing is known where the admin cannot ask, and the checks will say why."""
    try:
        with connected(admin) as client:
            return look(client)
    except HactlError:
        return VerifyFacts()


def look(client: KafkaAdminClient) -> VerifyFacts:
    """The cluster's topics, and the groups that have members, of either protocol (KIP-848)."""
    groups = client.list_groups()
    busy = frozenset(each["group_id"] for each in groups if each["group_state"] not in DESERTED)
    return VerifyFacts(frozenset(client.list_topics()), busy)


def _asked(
    planned: Sequence[KafkaCheckResult], records: Records, site: VerifyEnvironment
) -> tuple[Result, ...]:
    """What became of each check, in their order: records are read when all are written, the rest goes on meanwhile."""
    probes: dict[str, Callable[[KafkaCheckResult], Seen]] = {
        name: partial(probe, site) for name, probe in PROBES.items()
    }
    probes["produce"] = records.produce
    first = sorted(
        (each for each in planned if each.id != "consume"), key=lambda each: each.id != "produce"
    )
    last = [each for each in planned if each.id == "consume"]
    with _pool() as pool, _pool() as readers:
        asked = {check: pool.submit(_answer, probes[check.id], check) for check in first}
        wait([future for check, future in asked.items() if check.id == "produce"])
        asked |= {check: readers.submit(_answer, records.consume, check) for check in last}
        return tuple(asked[check].result() for check in planned)


def _answer(probe: Callable[[KafkaCheckResult], Seen], check: KafkaCheckResult) -> Result:
    if check.skipped:
        return Result(check)
    began = time.monotonic()
    try:
        seen, text = probe(check)
    except Refused as refused:
        seen, text = refused.word, refused.text
    except HactlError as error:
        seen, text = UNREACHABLE, error.line()
    return Result(check, seen, text, time.monotonic() - began)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for questions; where the block fails or is interrupted, those that wait are dropped."""
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="verify")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _hushed() -> Iterator[None]:
    """The library keeps its complaints to itself: refusals are what is asked for here."""
    logger, handler = logging.getLogger("kafka"), logging.NullHandler()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
