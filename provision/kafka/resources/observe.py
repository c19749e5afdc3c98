"""The observed state of a cluster: its admin API, and a test login of every user."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import compress

from provision.core.errors import Unreachable
from provision.formats import endpoint
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.raw_client import SASL_AUTHENTICATION_FAILED, Refused, logged_in, with_address
from provision.kafka.resources.model import DesiredCluster, ObservedCluster

PARALLEL = 4
"""Test logins at once."""

RETRY_DELAY = 1.0
"""Seconds until a refused login is retried: a broker may not know a new password yet."""


OTHER_ADMIN = """\
brokers log in to each other with this password, so it cannot change while they run: put the old
  password back, and change to a second admin (docs/kafka-resources.md, `super_users`)"""


class NotAdmitted(Unreachable):
    """A broker refuses the administrator's password."""


def observe(login: Login, desired: DesiredCluster, passwords: Mapping[str, str]) -> ObservedCluster:
    """Return the observed state for a plan.

    `login` is the administrator's; `passwords` are the inventory's, by user.

    Raises:
        NotAdmitted: a broker refuses the administrator's password.
        Unreachable: no bootstrap server accepts the connection or the login.
        HostError: the cluster does not answer, or refuses a request.
    """
    from provision.kafka.resources.fetch import look

    if not can_log_in(login):
        message = f"refuses {login.user} with the inventory's password ({login.mechanism})"
        raise NotAdmitted(_name(login), message, OTHER_ADMIN)
    observed = ask(login, lambda admin: look(admin, desired.topics))
    candidates = [
        (user, mechanism)
        for user, iterations in desired.users.items()
        for mechanism in desired.mechanisms
        if observed.users.get(user, {}).get(mechanism) == iterations
        and (user, mechanism) != (login.user, login.mechanism)
    ]

    def is_refused(candidate: tuple[str, str]) -> bool:
        user, mechanism = candidate
        test_login = replace(login, user=user, mechanism=mechanism, password=passwords[user])
        if can_log_in(test_login):
            return False
        time.sleep(RETRY_DELAY)
        return not can_log_in(test_login)

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="logins") as pool:
        refusals = list(pool.map(is_refused, candidates))
    return replace(observed, refused=frozenset(compress(candidates, refusals)))


def can_log_in(login: Login) -> bool:
    """Return whether the first broker that answers accepts this user's password.

    Raises:
        Unreachable: no broker answers, or none supports the login's protocol and mechanism.
    """
    reason = ""
    for address in login.bootstrap:
        try:
            logged_in(with_address(login, address)).close()
            return True
        except Refused as refused:
            if refused.word == SASL_AUTHENTICATION_FAILED:
                return False
            reason = str(refused)
    raise Unreachable(
        _name(login),
        f"cannot log in: {reason}",
        "is a broker running, and is this its client listener?",
    )


def _name(login: Login) -> str:
    return ",".join(endpoint.join(host, port) for host, port in login.bootstrap)
