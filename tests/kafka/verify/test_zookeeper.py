"""The messages of ZooKeeper's protocol, against a peer with prepared answers.

test_zookeeper_ensemble.py has a real ZooKeeper.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from provision.kafka.raw_client import Refused
from provision.kafka.verify.zookeeper import write

CONNECTED = struct.pack(">iiq", 0, 10000, 7) + struct.pack(">i", 16) + bytes(16)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def framed(data: bytes) -> bytes:
    """Return a message with its length before it."""
    return struct.pack(">i", len(data)) + data


def reply(number: int, code: int) -> bytes:
    """Return the header of an answer (ReplyHeader)."""
    return struct.pack(">iqi", number, 0, code)


def result_of_write(pair: tuple[socket.socket, socket.socket], *answers: bytes) -> tuple[str, str]:
    """Write to a peer that answers every request with the next answer, and then closes."""
    near, far = pair

    def serve() -> None:
        for answer in answers:
            (length,) = struct.unpack(">i", far.recv(4))
            far.recv(length)
            far.sendall(framed(answer))
        far.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        return write(near, 5)
    finally:
        thread.join()


def test_a_write_that_needs_a_login_is_refused_with_the_errors_name(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    assert result_of_write(pair, CONNECTED, reply(1, -124))[0] == "SESSIONCLOSEDREQUIRESASLAUTH"


def test_a_write_that_an_acl_refuses_is_another_refusal(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    assert result_of_write(pair, CONNECTED, reply(1, -102))[0] == "NOAUTH"


def test_a_node_that_was_made_is_deleted(pair: tuple[socket.socket, socket.socket]) -> None:
    result, path = result_of_write(pair, CONNECTED, reply(1, 0), reply(2, 0))
    assert result == "created" and path.startswith("/hactl-verify-")


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ((), "connection closed"),
        ((CONNECTED,), "connection closed"),
        ((CONNECTED, reply(9, 0)), "not an answer"),
        ((CONNECTED, b"short"), "not an answer"),
    ],
)
def test_a_wrong_or_missing_answer_is_a_refusal(
    answers: tuple[bytes, ...], word: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    with pytest.raises(Refused) as caught:
        result_of_write(pair, *answers)
    assert caught.value.word == word


def test_a_silent_peer_is_a_timeout(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(Refused, match="no answer"):
        write(pair[0], 0.1)
