"""An unauthenticated write to ZooKeeper, with the messages of its protocol that this needs.

Messages: zookeeper.jute (ConnectRequest, CreateRequest, DeleteRequest), with their length before
them. Error codes: org.apache.zookeeper.KeeperException.Code.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct

from provision.kafka.raw_client import CLOSED, SILENT, UNEXPECTED_ANSWER, Refused

CREATE, DELETE, CLOSE = 1, 2, -11
EPHEMERAL = 1
ALL_PERMISSIONS = 31
"""All permissions on a node (ZooDefs.Perms)."""

CREATED = "created"
NEEDS_LOGIN = "SESSIONCLOSEDREQUIRESASLAUTH"
ERRORS = {
    -124: NEEDS_LOGIN,
    -102: "NOAUTH",
    -115: "AUTHFAILED",
    -112: "SESSIONEXPIRED",
    -110: "NODEEXISTS",
}
MAX_ANSWER_BYTES = 1 << 20
"""Bytes of an answer."""


def write(connection: socket.socket, timeout: float) -> tuple[str, str]:
    """Create a node without a login; return CREATED or the error's name, and the node's path.

    A created node is deleted again; it is ephemeral, so that it would end with the session.

    Raises:
        Refused: CLOSED, SILENT or UNEXPECTED_ANSWER.
    """
    connection.settimeout(timeout)
    path = f"/hactl-verify-{secrets.token_hex(8)}"
    try:
        _send(connection, struct.pack(">iqiq", 0, 0, 10000, 0) + _buffer(b"\0" * 16))
        _receive(connection)
        code = _ask(
            connection,
            1,
            CREATE,
            _buffer(path.encode()) + _buffer(b"") + _open_acl() + _int(EPHEMERAL),
        )
        if code == 0:
            _ask(connection, 2, DELETE, _buffer(path.encode()) + _int(-1))
        with contextlib.suppress(OSError):
            _send(connection, struct.pack(">ii", 3, CLOSE))
    except TimeoutError:
        raise Refused(SILENT) from None
    except OSError as error:
        raise Refused(CLOSED, error.strerror or "") from None
    return (ERRORS.get(code, f"error {code}") if code else CREATED), path


def _ask(connection: socket.socket, number: int, kind: int, body: bytes) -> int:
    """Send a request; return the answer's error code, 0 for none (ReplyHeader: xid, zxid, err)."""
    _send(connection, struct.pack(">ii", number, kind) + body)
    answer = _receive(connection)
    if len(answer) < 16 or struct.unpack_from(">i", answer)[0] != number:
        raise Refused(UNEXPECTED_ANSWER, "the answer is not ZooKeeper's")
    code: int = struct.unpack_from(">i", answer, 12)[0]
    return code


def _int(number: int) -> bytes:
    return struct.pack(">i", number)


def _buffer(data: bytes) -> bytes:
    return _int(len(data)) + data


def _open_acl() -> bytes:
    """Return a list of one ACL: all permissions for world:anyone."""
    return _int(1) + _int(ALL_PERMISSIONS) + _buffer(b"world") + _buffer(b"anyone")


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(_buffer(message))


def _receive(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _receive_exactly(connection, 4))
    if not 0 <= length <= MAX_ANSWER_BYTES:
        raise Refused(UNEXPECTED_ANSWER, "the answer is not ZooKeeper's")
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise Refused(CLOSED)
        data += part
    return data
