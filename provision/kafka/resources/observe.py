"""A cluster observed: what its admin API tells, and which users the inventory's passwords do not let in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from provision.kafka.admin import admits, ask
from provision.kafka.client_file import Login
from provision.kafka.resources.model import Desired, Observed

PARALLEL = 4
"""How many users log in at once."""

LAG = 1.0
"""Seconds after which a refused login is tried again: another broker may not have heard of a new password yet."""


def observe(login: Login, desired: Desired, passwords: Mapping[str, str]) -> Observed:
    """All that a plan needs to know; `login` is the administrator's, `passwords` are the inventory's by user.

    Raises:
        Unreachable: none of the bootstrap servers can be connected or logged in to.
        HostError: the cluster does not answer, or refuses a question.
    """
    from provision.kafka.resources.look import look

    seen = ask(login, lambda admin: look(admin, desired.topics))
    known = [
        (user, mechanism)
        for user, iterations in desired.users.items()
        for mechanism in desired.mechanisms
        if seen.users.get(user, {}).get(mechanism) == iterations and (user, mechanism) != (login.user, login.mechanism)
    ]

    def refused(asked: tuple[str, str]) -> bool:
        own = replace(login, user=asked[0], mechanism=asked[1], password=passwords[asked[0]])
        if admits(own):
            return False
        time.sleep(LAG)
        return not admits(own)

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="logins") as pool:
        answers = list(pool.map(refused, known))
    return replace(seen, refused=frozenset(each for each, no in zip(known, answers, strict=True) if no))
