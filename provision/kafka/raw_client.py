"""One connection to one broker, and exactly what the broker makes of it.

A client library hides which broker answered and turns refusals into retries; here each is seen as it comes. Messages
are kafka-python's (kafka.apache.org/protocol), of versions that brokers from 3.9 to 4.x take.
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
"""Seconds for all that is asked over one connection."""

LARGEST = 1 << 24
"""Bytes of an answer; who announces more does not speak Kafka."""

UNREACHABLE, CERTIFICATE, TLS, CLOSED, SILENT, FOREIGN = (
    "unreachable",
    "certificate refused",
    "no TLS",
    "connection closed",
    "no answer",
    "not an answer",
)

ALERT = "TLS alert"
ALERTED = b"\x15\x03"
"""How a TLS record begins that says why TLS ends (RFC 8446 §5.1): read as a length of Kafka's, above LARGEST."""

SASL_AUTHENTICATION_FAILED, UNSUPPORTED_SASL_MECHANISM = (
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
)

Address = tuple[str, int]


class Refused(Exception):
    """The other side did not do what it was asked: `word` to compare with (Kafka's name of an error), and its text."""

    def __init__(self, word: str, text: str = "") -> None:
        super().__init__(f"{word}: {text}" if text else word)
        self.word = word
        self.text = text


def at(login: Login, address: Address) -> Login:
    """The same login to another address."""
    return replace(login, bootstrap=(address,))


def name_of(code: int) -> str:
    """Kafka's name of an error code (org.apache.kafka.common.protocol.Errors); empty for none."""
    from kafka.errors import kafka_errors

    return (
        str(kafka_errors[code].message if code in kafka_errors else f"error {code}") if code else ""
    )


def dial(login: Login, patience: float = CONNECTION_TIMEOUT) -> socket.socket:
    """A connection to the login's first address.

    Raises:
        Refused: UNREACHABLE.
    """
    host, port = login.bootstrap[0]
    try:
        if login.proxy:
            return connect_through(login.proxy, host, port)
        return socket.create_connection((host, port), patience)
    except OSError as error:
        raise Refused(UNREACHABLE, error.strerror or str(error)) from None


class BrokerConnection:
    """A connection to the login's first address, not logged in yet. A context manager.

    Raises:
        Refused: UNREACHABLE, CERTIFICATE or TLS.
    """

    def __init__(self, login: Login, patience: float = CONNECTION_TIMEOUT) -> None:
        from kafka.protocol.parser import KafkaProtocol

        self._login = login
        self._until = time.monotonic() + patience
        self._protocol = KafkaProtocol(client_id="hactl", receive_message_max_bytes=LARGEST)
        self._socket = dial(login, patience)
        try:
            self._secure(login.tls)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> BrokerConnection:
        return self

    def close(self) -> None:
        """End it."""
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
            self._hurry()
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

    def _hurry(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Refused(SILENT)
        self._socket.settimeout(left)

    def ask(self, request: Any) -> Any:
        """The answer to a request of kafka.protocol.

        Raises:
            Refused: CLOSED, SILENT, ALERT, or FOREIGN where the answer is no answer of Kafka's.
        """
        from kafka.errors import KafkaError

        self._protocol.send_request(request)
        try:
            self._hurry()
            self._socket.sendall(self._protocol.send_bytes())
            data = self._received()
            if data.startswith(ALERTED):
                raise Refused(ALERT)
            while not (answers := self._protocol.receive_bytes(data)):
                data = self._received()
            return answers[0][1]
        except TimeoutError:
            raise Refused(SILENT) from None
        except OSError as error:
            raise Refused(CLOSED, error.strerror or "") from None
        except (KafkaError, ValueError, IndexError, struct.error) as error:
            raise Refused(FOREIGN, str(error)) from None

    def _received(self) -> bytes:
        self._hurry()
        data = self._socket.recv(65536)
        if not data:
            raise Refused(CLOSED)
        return data

    def handshake(self, mechanism: str) -> tuple[str, tuple[str, ...]]:
        """What the broker says to a mechanism: an error's name, empty where it takes it, and those that it has."""
        from kafka.protocol.sasl import SaslHandshakeRequest

        answer = self.ask(SaslHandshakeRequest(version=1, mechanism=mechanism))
        return name_of(answer.error_code), tuple(sorted(answer.mechanisms))

    def log_in(self) -> None:
        """Log in as the login says.

        Raises:
            Refused: by Kafka's name of the error; what `ask` raises.
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
                raise Refused(name_of(answer.error_code), answer.error_message or "")
            try:
                mechanism.receive(answer.auth_bytes)
            except ValueError as wrong:  # the broker does not know the password either
                raise Refused(FOREIGN, str(wrong)) from None
        if not mechanism.is_authenticated():
            raise Refused(SASL_AUTHENTICATION_FAILED)


def logged_in(login: Login) -> BrokerConnection:
    """A connection on which the login has been taken; the caller closes it. Raises Refused."""
    connection = BrokerConnection(login)
    try:
        connection.log_in()
    except BaseException:
        connection.close()
        raise
    return connection
