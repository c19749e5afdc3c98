"""A cluster observed: what its admin API tells, and which users the inventory's passwords do not let in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from provision.core.errors import Unreachable
from provision.formats import endpoint
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.raw_client import SASL_AUTHENTICATION_FAILED, Refused, at, logged_in
from provision.kafka.resources.model import DesiredCluster, ObservedCluster

PARALLEL = 4
"""How many users log in at once."""

RETRY_DELAY = 1.0
"""Seconds after which a refused login is tried again: another broker may not have heard of a new password yet."""


OTHER_ADMIN = """\
brokers log in to each other with it, so it cannot become another one under them: put the old one back, and
  go over to a second admin (docs/kafka-resources.md, `super_users`)"""


class NotAdmitted(Unreachable):
    """A broker answered, and does not let the administrator in."""


def observe(login: Login, desired: DesiredCluster, passwords: Mapping[str, str]) -> ObservedCluster:
    """All that a plan needs to know; `login` is the administrator's, `passwords` are the inventory's by user.

    Raises:
        NotAdmitted: the administrator's password is another one.
        Unreachable: none of the bootstrap servers can be connected or logged in to.
        HostError: the cluster does not answer, or refuses a question.
    """
    from provision.kafka.resources.fetch import look

    if not can_log_in(login):
        what = f"does not let {login.user} in with the inventory's password ({login.mechanism})"
        raise NotAdmitted(_name(login), what, OTHER_ADMIN)
    seen = ask(login, lambda admin: look(admin, desired.topics))
    known = [
        (user, mechanism)
        for user, iterations in desired.users.items()
        for mechanism in desired.mechanisms
        if seen.users.get(user, {}).get(mechanism) == iterations
        and (user, mechanism) != (login.user, login.mechanism)
    ]

    def refused(asked: tuple[str, str]) -> bool:
        own = replace(login, user=asked[0], mechanism=asked[1], password=passwords[asked[0]])
        if can_log_in(own):
            return False
        time.sleep(RETRY_DELAY)
        return not can_log_in(own)

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="logins") as pool:
        answers = list(pool.map(refused, known))
    return replace(
        seen, refused=frozenset(each for each, no in zip(known, answers, strict=True) if no)
    )


def can_log_in(login: Login) -> bool:
    """Whether the first broker that answers lets this user in with this password.

    Raises:
        Unreachable: no broker answers, or none speaks what the login does.
    """
    said = ""
    for address in login.bootstrap:
        try:
            logged_in(at(login, address)).close()
            return True
        except Refused as refused:
            if refused.word == SASL_AUTHENTICATION_FAILED:
                return False
            said = str(refused)
    raise Unreachable(
        _name(login),
        f"cannot log in: {said}",
        "is a broker running, and is this its client listener?",
    )


def _name(login: Login) -> str:
    return ",".join(endpoint.join(host, port) for host, port in login.bootstrap)
