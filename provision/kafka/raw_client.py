"""One connection to one broker, without retries.

A client library hides which broker answered, and turns refusals into retries. This client reports
every answer. Its messages are kafka-python's (kafka.apache.org/protocol), in versions that brokers
from 3.9 to 4.x accept.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from dataclasses import replace
from types import TracebackType
from typing import Any

from provision.hosts.tunnel import connect_through
from provision.kafka.client_file import Login

CONNECTION_TIMEOUT = 10.0
"""Seconds for all requests of one connection."""

MAX_ANSWER_BYTES = 1 << 24
"""Bytes of an answer; a peer that announces more does not speak Kafka."""

UNREACHABLE = "unreachable"
CERTIFICATE = "certificate refused"
TLS = "no TLS"
CLOSED = "connection closed"
SILENT = "no answer"
UNEXPECTED_ANSWER = "not an answer"
ALERT = "TLS alert"
ALERT_RECORD = b"\x15\x03"
"""The first bytes of a TLS alert record (RFC 8446 §5.1); as Kafka's length, above the maximum."""

SASL_AUTHENTICATION_FAILED = "SASL_AUTHENTICATION_FAILED"
UNSUPPORTED_SASL_MECHANISM = "UNSUPPORTED_SASL_MECHANISM"

Address = tuple[str, int]


class Refused(Exception):
    """The peer refused a request: `word` is the error's name in Kafka, `text` its message."""

    def __init__(self, word: str, text: str = "") -> None:
        super().__init__(f"{word}: {text}" if text else word)
        self.word = word
        self.text = text


def with_address(login: Login, address: Address) -> Login:
    """Return the same login for another address."""
    return replace(login, bootstrap=(address,))


def error_name(code: int) -> str:
    """Return the name of an error code (org.apache.kafka.common.protocol.Errors), "" for 0."""
    from kafka.errors import kafka_errors

    return (
        str(kafka_errors[code].message if code in kafka_errors else f"error {code}") if code else ""
    )


def connect(login: Login, timeout: float = CONNECTION_TIMEOUT) -> socket.socket:
    """Return a connection to the login's first address.

    Raises:
        Refused: UNREACHABLE.
    """
    host, port = login.bootstrap[0]
    try:
        if login.proxy:
            return connect_through(login.proxy, host, port)
        return socket.create_connection((host, port), timeout)
    except OSError as error:
        raise Refused(UNREACHABLE, error.strerror or str(error)) from None


class BrokerConnection:
    """A connection to the login's first address, before the login. A context manager.

    Raises:
        Refused: UNREACHABLE, CERTIFICATE or TLS.
    """

    def __init__(self, login: Login, timeout: float = CONNECTION_TIMEOUT) -> None:
        from kafka.protocol.parser import KafkaProtocol

        self._login = login
        self._deadline = time.monotonic() + timeout
        self._protocol = KafkaProtocol(
            client_id="hactl", receive_message_max_bytes=MAX_ANSWER_BYTES
        )
        self._socket = connect(login, timeout)
        try:
            self._secure(login.tls)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> BrokerConnection:
        return self

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _secure(self, tls: ssl.SSLContext | None) -> None:
        if tls is None:
            return
        try:
            self._set_socket_timeout()
            self._socket = tls.wrap_socket(
                self._socket, server_hostname=self._login.bootstrap[0][0]
            )
        except ssl.SSLCertVerificationError as error:
            raise Refused(CERTIFICATE, error.verify_message) from None
        except ssl.SSLError as error:
            raise Refused(TLS, error.reason or str(error)) from None
        except TimeoutError:
            raise Refused(SILENT, "during TLS") from None
        except OSError as error:
            raise Refused(CLOSED, error.strerror or "during TLS") from None

    def _set_socket_timeout(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise Refused(SILENT)
        self._socket.settimeout(remaining)

    def ask(self, request: Any) -> Any:
        """Send a request of kafka.protocol and return the answer.

        Raises:
            Refused: CLOSED, SILENT, ALERT, or UNEXPECTED_ANSWER if the peer does not speak Kafka.
        """
        from kafka.errors import KafkaError

        self._protocol.send_request(request)
        try:
            self._set_socket_timeout()
            self._socket.sendall(self._protocol.send_bytes())
            data = self._receive()
            if data.startswith(ALERT_RECORD):
                raise Refused(ALERT)
            while not (answers := self._protocol.receive_bytes(data)):
                data = self._receive()
            return answers[0][1]
        except TimeoutError:
            raise Refused(SILENT) from None
        except OSError as error:
            raise Refused(CLOSED, error.strerror or "") from None
        except (KafkaError, ValueError, IndexError, struct.error) as error:
            raise Refused(UNEXPECTED_ANSWER, str(error)) from None

    def _receive(self) -> bytes:
        self._set_socket_timeout()
        data = self._socket.recv(65536)
        if not data:
            raise Refused(CLOSED)
        return data

    def handshake(self, mechanism: str) -> tuple[str, tuple[str, ...]]:
        """Ask for a SASL mechanism; return the error's name, or "", and the enabled mechanisms."""
        from kafka.protocol.sasl import SaslHandshakeRequest

        answer = self.ask(SaslHandshakeRequest(version=1, mechanism=mechanism))
        return error_name(answer.error_code), tuple(sorted(answer.mechanisms))

    def log_in(self) -> None:
        """Log in with the login's user, password and mechanism.

        Raises:
            Refused: with Kafka's name of the error; and those of `ask`.
        """
        from kafka.net.sasl import get_sasl_mechanism
        from kafka.protocol.sasl import SaslAuthenticateRequest

        login = self._login
        error, enabled = self.handshake(login.mechanism)
        if error:
            raise Refused(error, f"the broker has {', '.join(enabled)}")
        mechanism = get_sasl_mechanism(login.mechanism)(
            sasl_mechanism=login.mechanism,
            sasl_plain_username=login.user,
            sasl_plain_password=login.password,
        )
        while not mechanism.is_done():
            answer = self.ask(SaslAuthenticateRequest(version=1, auth_bytes=mechanism.auth_bytes()))
            if answer.error_code:
                raise Refused(error_name(answer.error_code), answer.error_message or "")
            try:
                mechanism.receive(answer.auth_bytes)
            except ValueError as failure:  # the broker does not know the password either
                raise Refused(UNEXPECTED_ANSWER, str(failure)) from None
        if not mechanism.is_authenticated():
            raise Refused(SASL_AUTHENTICATION_FAILED)


def logged_in(login: Login) -> BrokerConnection:
    """Return a connection that is logged in; the caller closes it. Raises Refused."""
    connection = BrokerConnection(login)
    try:
        connection.log_in()
    except BaseException:
        connection.close()
        raise
    return connection
