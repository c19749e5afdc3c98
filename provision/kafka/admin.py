"""A connection to a cluster for the administrator's questions, and their failures in the operator's words."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from provision.core.errors import HostError, Unreachable
from provision.formats import endpoint
from provision.hosts.tunnel import connect_through
from provision.kafka.client_file import Login

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

ADMIN_TIMEOUT = 10.0
"""Seconds for the bootstrap and for each answer; also for which a question is asked again."""

AGAIN = 0.5
"""Seconds until a question is asked again."""

NO_CONTROLLER = "Failed to find active controller"
"""How the client's complaint begins that no broker is the controller (KafkaAdminClient of kafka-python 3.0)."""

T = TypeVar("T")


class ClusterTimeout(HostError):
    """The cluster did not answer this time; asked again it may."""


@contextmanager
def connected(login: Login) -> Iterator[KafkaAdminClient]:
    """An admin client that is logged in; whatever it fails with while in use becomes an error of the cluster.

    Raises:
        Unreachable: none of the bootstrap servers can be connected or logged in to.
        Unanswered: a broker has gone, or is not ready.
        HostError: the cluster refuses a question.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError, RetriableError, UnknownBrokerIdError

    name = ",".join(endpoint.join(*address) for address in login.bootstrap)
    heard = _LogCapture()
    logger = logging.getLogger("kafka")
    logger.addHandler(heard)
    logger.propagate = False
    try:
        _dial(login, name)
        try:
            client = KafkaAdminClient(**settings(login))
        except KafkaError as error:
            raise Unreachable(
                name, f"cannot log in: {heard.cause or error}", _hint(login)
            ) from None
        with closing(client):
            yield client
    except (RetriableError, UnknownBrokerIdError) as error:
        raise ClusterTimeout(name, f"the cluster does not answer: {error}", heard.cause) from None
    except KafkaError as error:
        raise HostError(name, f"the cluster refuses: {error}", heard.cause) from None
    except (
        RuntimeError
    ) as error:  # a bare one, where the controller moved twice while it was looked for
        if NO_CONTROLLER not in str(error):
            raise
        raise ClusterTimeout(name, f"the cluster does not answer: {error}", heard.cause) from None
    finally:
        logger.removeHandler(heard)


def ask(login: Login, question: Callable[[KafkaAdminClient], T]) -> T:
    """The answer to a question, which is asked again where a broker that was to answer has just gone.

    Each time over a new connection: the client keeps the controller that it once learnt of.

    Raises:
        Unreachable: none of the bootstrap servers can be connected or logged in to.
        HostError: the cluster refuses the question, or has not answered it after some seconds.
    """
    until = time.monotonic() + ADMIN_TIMEOUT
    while True:
        try:
            with connected(login) as admin:
                return question(admin)
        except ClusterTimeout:
            if time.monotonic() > until:
                raise
        time.sleep(AGAIN)


def described(admin: KafkaAdminClient) -> Mapping[str, Any]:
    """What `describe_cluster` answers, some broker that is not fenced included.

    Raises:
        KafkaError: nobody answers; or a broker does that has only just started and has not heard of any yet, itself
            neither, until ZooKeeper's controller tells it (UpdateMetadata). Asked again it will have.
    """
    from kafka.errors import MetadataEmptyBrokerList

    found: Mapping[str, Any] = admin.describe_cluster()
    if all(each.get("is_fenced") for each in found["brokers"]):
        raise MetadataEmptyBrokerList(
            "the broker that was asked has only just started, and knows of none yet"
        )
    return found


def _dial(login: Login, name: str) -> None:
    """Open and close one connection: the client itself would not tell a refused one from a silent broker."""
    for host, port in login.bootstrap:
        try:
            if login.proxy:
                connect_through(login.proxy, host, port).close()
            else:
                socket.create_connection((host, port), ADMIN_TIMEOUT).close()
            return
        except OSError as error:
            said = error.strerror or str(error)
    raise Unreachable(
        name, f"cannot connect: {said}", "is a broker running, and is this its client listener?"
    )


def settings(login: Login) -> dict[str, object]:
    """What any client of the library, a producer or a consumer as well, takes to log in."""
    found: dict[str, object] = {
        "bootstrap_servers": [endpoint.join(*address) for address in login.bootstrap],
        "client_id": "hactl",
        "security_protocol": login.protocol,
        "bootstrap_timeout_ms": int(ADMIN_TIMEOUT * 1000),
        "request_timeout_ms": int(ADMIN_TIMEOUT * 1000),
    }
    if login.proxy:
        found["proxy_url"] = login.proxy
    if login.tls:
        found["ssl_context"] = login.tls
    if login.mechanism:
        found |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.user,
            "sasl_plain_password": login.password,
        }
    return found


def _hint(login: Login) -> str:
    """A broker that refuses a login closes the connection, which the client may notice before it reads the reason."""
    if login.mechanism:
        return f"is the password that of {login.user}, and does the listener speak {login.protocol} {login.mechanism}?"
    return f"does the listener speak {login.protocol}?"


class _LogCapture(logging.Handler):
    """Keeps the client's complaints: it tells causes in its log alone."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, on one line."""
        self._said.append(" ".join(record.getMessage().split()))

    @property
    def cause(self) -> str:
        """The first complaint that tells more than that a connection or the whole bootstrap failed, else the first."""
        telling = [
            each
            for each in self._said
            if "KafkaConnectionError" not in each and "KafkaTimeoutError" not in each
        ]
        return next(iter(telling or self._said), "")
