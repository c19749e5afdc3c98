"""Many hosts at once, in threads that nobody has to wait for: a Ctrl-C does not wait for one that says nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

PARALLEL = 32
"""How many hosts are talked to at once: each costs the controller 3 ms of CPU, and sshd's MaxStartups is per host."""

AWAKE = 0.2
"""Seconds after which a wait looks whether a signal came: CPython does not wake it for one that came as it began."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_parallel(job: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of `job` for all items, in their order, PARALLEL at a time. Raises what the first that fails raises.

    Whatever ends the wait, a KeyboardInterrupt above all, ends it at once: jobs that have begun go on by themselves,
    for as long as the process lives, and no other begins.
    """
    todo: SimpleQueue[tuple[int, Item]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Callable[[], Result]]] = SimpleQueue()
    for one in enumerate(items):
        todo.put(one)
    count, left = todo.qsize(), threading.Event()

    def work() -> None:
        while not left.is_set():
            try:
                index, item = todo.get_nowait()
            except Empty:
                return
            done.put((index, _outcome(job, item)))

    for _ in range(min(count, PARALLEL)):
        threading.Thread(target=work, daemon=True, name="hosts").start()
    results: dict[int, Result] = {}
    try:
        while len(results) < count:
            try:
                index, outcome = done.get(timeout=AWAKE)
            except Empty:
                continue
            results[index] = outcome()
    finally:
        left.set()
    return [results[index] for index in range(count)]


def _outcome(job: Callable[[Item], Result], item: Item) -> Callable[[], Result]:
    """What the job returns or raises, for whoever asks."""
    try:
        result = job(item)
    except BaseException as error:
        raised = error

        def fail() -> Result:
            raise raised

        return fail
    return lambda: result
