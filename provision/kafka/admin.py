"""The administrator's connection to a cluster; its failures become errors for the operator."""

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
"""Seconds for the bootstrap, for each answer, and for all retries of a request."""

RETRY_DELAY = 0.5
"""Seconds between two attempts of a request."""

NO_CONTROLLER = "Failed to find active controller"
"""The start of the client's error when no broker is the controller (kafka-python 3.0)."""

T = TypeVar("T")


class ClusterTimeout(HostError):
    """The cluster did not answer; a retry may succeed."""


@contextmanager
def connected(login: Login) -> Iterator[KafkaAdminClient]:
    """Yield an admin client that is logged in; a KafkaError in the block becomes a HactlError.

    Raises:
        Unreachable: no bootstrap server accepts the connection or the login.
        ClusterTimeout: a broker has gone, or is not ready.
        HostError: the cluster refuses a request.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError, RetriableError, UnknownBrokerIdError

    name = ",".join(endpoint.join(*address) for address in login.bootstrap)
    log_capture = _LogCapture()
    logger = logging.getLogger("kafka")
    logger.addHandler(log_capture)
    logger.propagate = False
    try:
        _test_connection(login, name)
        try:
            client = KafkaAdminClient(**settings(login))
        except KafkaError as error:
            raise Unreachable(
                name, f"cannot log in: {log_capture.cause or error}", _hint(login)
            ) from None
        with closing(client):
            yield client
    except (RetriableError, UnknownBrokerIdError) as error:
        raise ClusterTimeout(
            name, f"the cluster does not answer: {error}", log_capture.cause
        ) from None
    except KafkaError as error:
        raise HostError(name, f"the cluster refuses: {error}", log_capture.cause) from None
    except RuntimeError as error:  # raised when the controller moves twice during the search for it
        if NO_CONTROLLER not in str(error):
            raise
        raise ClusterTimeout(
            name, f"the cluster does not answer: {error}", log_capture.cause
        ) from None
    finally:
        logger.removeHandler(log_capture)


def ask(login: Login, request: Callable[[KafkaAdminClient], T]) -> T:
    """Return the result of a request; retry it when the broker that was to answer has just gone.

    Each attempt opens a new connection, because the client never looks for a new controller.

    Raises:
        Unreachable: no bootstrap server accepts the connection or the login.
        HostError: the cluster refuses the request, or does not answer within ADMIN_TIMEOUT.
    """
    deadline = time.monotonic() + ADMIN_TIMEOUT
    while True:
        try:
            with connected(login) as admin:
                return request(admin)
        except ClusterTimeout:
            if time.monotonic() > deadline:
                raise
        time.sleep(RETRY_DELAY)


def describe_cluster(admin: KafkaAdminClient) -> Mapping[str, Any]:
    """Return the client's `describe_cluster`, which lists at least one broker that is not fenced.

    Raises:
        KafkaError: no broker answers. Or the broker that answers has just started and lists no
            broker, until ZooKeeper's controller sends it the list (UpdateMetadata); a retry helps.
    """
    from kafka.errors import MetadataEmptyBrokerList

    description: Mapping[str, Any] = admin.describe_cluster()
    if all(broker.get("is_fenced") for broker in description["brokers"]):
        raise MetadataEmptyBrokerList(
            "the broker that answered has just started and does not know the other brokers yet"
        )
    return description


def _test_connection(login: Login, name: str) -> None:
    """Open and close one connection: the client reports a refusal and a silent broker alike."""
    for host, port in login.bootstrap:
        try:
            if login.proxy:
                connect_through(login.proxy, host, port).close()
            else:
                socket.create_connection((host, port), ADMIN_TIMEOUT).close()
            return
        except OSError as error:
            reason = error.strerror or str(error)
    raise Unreachable(
        name, f"cannot connect: {reason}", "is a broker running, and is this its client listener?"
    )


def settings(login: Login) -> dict[str, object]:
    """Return the arguments with which the library's admin client, producer and consumer log in."""
    arguments: dict[str, object] = {
        "bootstrap_servers": [endpoint.join(*address) for address in login.bootstrap],
        "client_id": "hactl",
        "security_protocol": login.protocol,
        "bootstrap_timeout_ms": int(ADMIN_TIMEOUT * 1000),
        "request_timeout_ms": int(ADMIN_TIMEOUT * 1000),
    }
    if login.proxy:
        arguments["proxy_url"] = login.proxy
    if login.tls:
        arguments["ssl_context"] = login.tls
    if login.mechanism:
        arguments |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.user,
            "sasl_plain_password": login.password,
        }
    return arguments


def _hint(login: Login) -> str:
    """Return what to check when a login fails.

    A broker that refuses a login closes the connection; the client may not read the reason.
    """
    listener = f"does the listener speak {login.protocol}"
    if login.mechanism:
        return f"is the password correct for {login.user}, and {listener} {login.mechanism}?"
    return f"{listener}?"


class _LogCapture(logging.Handler):
    """Keeps the errors that the client logs: its exceptions do not contain the cause."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, on one line."""
        self._messages.append(" ".join(record.getMessage().split()))

    @property
    def cause(self) -> str:
        """The first message that is more than a failed connection or bootstrap, else the first."""
        causes = [
            message
            for message in self._messages
            if "KafkaConnectionError" not in message and "KafkaTimeoutError" not in message
        ]
        return next(iter(causes or self._messages), "")
