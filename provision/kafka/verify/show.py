"""A run of checks as text of at most 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from provision.core.terminal import BOLD, DIM, GREEN, RED, Line, wrapped
from provision.kafka.verify.model import KafkaVerification, Result

CLUSTER = "brokers"


def lines(run: KafkaVerification) -> Iterator[Line]:
    """Yield a line with counts for the brokers and each user, the failures, remarks and totals.

    If nothing of the cluster was reached, there is only a sentence that says so.
    """
    if not run.reached:
        yield from _unreached(run)
        return
    results_by_part: dict[str, list[Result]] = {}
    for result in run.results:
        results_by_part.setdefault(result.check.user or CLUSTER, []).append(result)
    width = max(map(len, results_by_part), default=0)
    for name, results in results_by_part.items():
        failed, skipped = _counts(results)
        counts = [f"{len(results) - failed - skipped:3} ok"]
        counts += [f"{skipped} skipped"] if skipped else []
        counts += [f"{failed} failed"] if failed else []
        yield f"{name:<{width}}  {', '.join(counts)}", RED if failed else GREEN
    for group in _failures(run.results):
        yield from _failure(group)
    yield from _remarks(run.results)
    failed, skipped = _counts(run.results)
    yield from (("", ""),) if failed else ()
    passed = len(run.results) - failed - skipped
    nothing = "" if passed or failed else " Nothing was proved."
    counts_text = f"{passed} checks passed, {failed} failed, {skipped} skipped"
    yield f"Kafka verify: {counts_text} in {run.seconds:.1f} s.{nothing}", BOLD


def _unreached(run: KafkaVerification) -> Iterator[Line]:
    answers = dict.fromkeys(result.answer_text for result in run.completed)
    first, *others = answers
    more = f" and {len(others)} more" if others else ""
    text = (
        f"Kafka verify: nothing of the cluster was reached, so {len(run.completed)} checks are "
        f"unknown ({first}{more})."
    )
    yield from wrapped(text, RED, rest="  ")


def _counts(results: Sequence[Result]) -> tuple[int, int]:
    """Return the numbers of failed and of skipped checks."""
    return (
        sum(not result.ok for result in results),
        sum(bool(result.check.skipped) for result in results),
    )


def _failures(results: Sequence[Result]) -> Iterable[list[Result]]:
    """Return the failures; a user's failures with the same answer are a group: one cause."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if not result.ok:
            key = (result.check.user, result.answer, result.text)
            groups.setdefault(key, []).append(result)
    return groups.values()


def _failure(group: Sequence[Result]) -> Iterator[Line]:
    """Yield the first failure of a group: expected answer, answer and hint."""
    check = group[0].check
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    yield "", ""
    yield from wrapped(f"{check.user or CLUSTER}: {check.id} {check.about}{more}", RED, rest="  ")
    yield f"  expected  {check.accepts[0]}", ""
    yield from wrapped(group[0].answer_text, first="  seen      ", rest=" " * 12)
    yield from wrapped(check.hint, first="  look at   ", rest=" " * 12)


def _remarks(results: Sequence[Result]) -> Iterator[Line]:
    """Yield why checks were skipped and groups were not joined; a reason comes once."""
    checks_by_reason: dict[str, list[str]] = {}
    for result in results:
        check = result.check
        reason = check.skipped or (result.text if check.id == "consume" and result.ok else "")
        if reason:
            checks_by_reason.setdefault(reason, []).append(f"{check.user or CLUSTER} {check.id}")
    yield from (("", ""),) if checks_by_reason else ()
    for reason, names in checks_by_reason.items():
        yield from wrapped(f"{', '.join(dict.fromkeys(names))}: {reason}", DIM, rest="  ")
