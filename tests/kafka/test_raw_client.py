"""Refusals of a connection to a server that is no broker."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provision.kafka.client_file import Login
from provision.kafka.raw_client import BrokerConnection, Refused, error_name
from tests.kafka.cluster import free_ports


@contextmanager
def server(answer: bytes, *, stays: bool = False) -> Iterator[Login]:
    """Yield a login to a server that sends `answer` to any request, and closes unless `stays`."""
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
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


def refusal(login: Login, timeout: float = 5) -> str:
    """Return the refusal of a request for the versions that a broker supports."""
    from kafka.protocol.metadata import ApiVersionsRequest

    with pytest.raises(Refused) as caught, BrokerConnection(login, timeout) as connection:
        connection.ask(ApiVersionsRequest(version=0))
    return caught.value.word


def test_a_server_that_closes_the_connection() -> None:
    with server(b"") as login:
        assert refusal(login) == "connection closed"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\1x"])
def test_a_server_that_does_not_speak_kafka(answer: bytes) -> None:
    with server(answer, stays=True) as login:
        assert refusal(login, 2) == "not an answer"


def test_a_tls_server_sends_an_alert_to_a_client_without_tls() -> None:
    with server(b"\x15\x03\x03\x00\x02\x02\x0a") as login:
        assert refusal(login) == "TLS alert"


def test_a_silent_server_is_a_timeout() -> None:
    with server(b"", stays=True) as login:
        assert refusal(login, 0.2) == "no answer"


def test_a_port_without_a_server() -> None:
    (port,) = free_ports(1)
    assert refusal(Login((("127.0.0.1", port),))) == "unreachable"


def test_a_server_without_tls() -> None:
    with server(b"\0\0\0\4\0\0\0\1") as login:
        assert refusal(Login(login.bootstrap, "SSL", tls=ssl.create_default_context())) == "no TLS"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, ""),
        (29, "TOPIC_AUTHORIZATION_FAILED"),
        (30, "GROUP_AUTHORIZATION_FAILED"),
        (3, "UNKNOWN_TOPIC_OR_PARTITION"),
        (33, "UNSUPPORTED_SASL_MECHANISM"),
        (58, "SASL_AUTHENTICATION_FAILED"),
        (25, "UNKNOWN_MEMBER_ID"),
        (9999, "error 9999"),
    ],
)
def test_errors_have_kafkas_names(code: int, name: str) -> None:
    assert error_name(code) == name
