"""What becomes of a connection to what is no broker, word by word. With real brokers: test_broker.py."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provision.kafka.client_file import Login
from provision.kafka.raw_client import BrokerConnection, Refused, name_of
from tests.kafka.cluster import free_ports


@contextmanager
def server(says: bytes, *, stays: bool = False) -> Iterator[Login]:
    """A login to a server that answers whatever it is sent with this, and closes unless it `stays`."""
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(says)
            if stays:
                stop.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Login((listener.getsockname()[:2],))
        finally:
            stop.set()
            thread.join()


def word(login: Login, patience: float = 5) -> str:
    """The refusal of a request for the versions that a broker speaks."""
    from kafka.protocol.metadata import ApiVersionsRequest

    with pytest.raises(Refused) as caught, BrokerConnection(login, patience) as connection:
        connection.ask(ApiVersionsRequest(version=0))
    return caught.value.word


def test_who_closes_has_refused() -> None:
    with server(b"") as login:
        assert word(login) == "connection closed"


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\1x"])
def test_who_speaks_something_else_has_not_answered(says: bytes) -> None:
    with server(says, stays=True) as login:
        assert word(login, 2) == "not an answer"


def test_a_tls_server_that_is_spoken_to_in_the_clear_says_so() -> None:
    with server(b"\x15\x03\x03\x00\x02\x02\x0a") as login:
        assert word(login) == "TLS alert"


def test_who_says_nothing_is_waited_for_no_longer_than_told() -> None:
    with server(b"", stays=True) as login:
        assert word(login, 0.2) == "no answer"


def test_nobody_there() -> None:
    (port,) = free_ports(1)
    assert word(Login((("127.0.0.1", port),))) == "unreachable"


def test_a_server_without_tls() -> None:
    with server(b"\0\0\0\4\0\0\0\1") as login:
        assert word(Login(login.bootstrap, "SSL", tls=ssl.create_default_context())) == "no TLS"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, ""), (29, "TOPIC_AUTHORIZATION_FAILED"), (30, "GROUP_AUTHORIZATION_FAILED"),
        (3, "UNKNOWN_TOPIC_OR_PARTITION"), (33, "UNSUPPORTED_SASL_MECHANISM"),
        (58, "SASL_AUTHENTICATION_FAILED"), (25, "UNKNOWN_MEMBER_ID"),
        (9999, "error 9999"),
    ],
)  # fmt: skip
def test_errors_have_kafkas_names(code: int, name: str) -> None:
    assert name_of(code) == name
