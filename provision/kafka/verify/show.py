"""A run as text of at most 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from provision.core.terminal import BOLD, DIM, GREEN, RED, Line, wrapped
from provision.kafka.verify.model import KafkaVerification, Result

CLUSTER = "brokers"


def lines(found: KafkaVerification) -> Iterator[Line]:
    """A line for the brokers and each user with its counts, then what failed, what passed with a remark, the totals."""
    parts: dict[str, list[Result]] = {}
    for each in found.results:
        parts.setdefault(each.check.user or CLUSTER, []).append(each)
    width = max(map(len, parts), default=0)
    for name, results in parts.items():
        failed, skipped = _counts(results)
        counts = [f"{len(results) - failed - skipped:3} ok"]
        counts += [f"{skipped} skipped"] if skipped else []
        counts += [f"{failed} failed"] if failed else []
        yield f"{name:<{width}}  {', '.join(counts)}", RED if failed else GREEN
    for same in _failures(found.results):
        yield from _failure(same)
    yield from _remarks(found.results)
    failed, skipped = _counts(found.results)
    yield from (("", ""),) if failed else ()
    passed = len(found.results) - failed - skipped
    nothing = "" if passed or failed else " Nothing was proved."
    counts_text = f"{passed} checks passed, {failed} failed, {skipped} skipped"
    yield f"Kafka verify: {counts_text} in {found.seconds:.1f} s.{nothing}", BOLD


def _counts(results: Sequence[Result]) -> tuple[int, int]:
    """How many failed, how many were skipped."""
    return sum(not each.ok for each in results), sum(bool(each.check.skipped) for each in results)


def _failures(results: Sequence[Result]) -> Iterable[list[Result]]:
    """What failed; checks of a user that all saw the same together, since they have one cause."""
    found: dict[tuple[str, str, str], list[Result]] = {}
    for each in results:
        if not each.ok:
            found.setdefault((each.check.user, each.seen, each.text), []).append(each)
    return found.values()


def _failure(same: Sequence[Result]) -> Iterator[Line]:
    """What is wrong: what was expected, what was seen, what to do, as the first of them has it."""
    check = same[0].check
    more = f" and {len(same) - 1} more" if len(same) > 1 else ""
    yield "", ""
    yield from wrapped(f"{check.user or CLUSTER}: {check.id} {check.about}{more}", RED, rest="  ")
    yield f"  expected  {check.accepts[0]}", ""
    yield from wrapped(_seen(same[0]), first="  seen      ", rest=" " * 12)
    yield from wrapped(check.hint, first="  look at   ", rest=" " * 12)


def _seen(result: Result) -> str:
    return f"{result.seen}: {result.text}" if result.text else result.seen


def _remarks(results: Sequence[Result]) -> Iterator[Line]:
    """Why checks were skipped, and which groups were not joined; each reason once."""
    said: dict[str, list[str]] = {}
    for each in results:
        text = each.check.skipped or (each.text if each.check.id == "consume" and each.ok else "")
        if text:
            said.setdefault(text, []).append(f"{each.check.user or CLUSTER} {each.check.id}")
    yield from (("", ""),) if said else ()
    for text, names in said.items():
        yield from wrapped(f"{', '.join(dict.fromkeys(names))}: {text}", DIM, rest="  ")
