"""An unauthenticated write to ZooKeeper, and what becomes of it: the few messages of its protocol that it takes.

Messages: zookeeper.jute (ConnectRequest, CreateRequest, DeleteRequest), each behind its length; error codes:
org.apache.zookeeper.KeeperException.Code.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct

from provision.kafka.raw_client import CLOSED, FOREIGN, SILENT, Refused

CREATE, DELETE, CLOSE = 1, 2, -11
EPHEMERAL = 1
ALL = 31
"""Every right on a node (ZooDefs.Perms)."""

CREATED = "created"
NEEDS_LOGIN = "SESSIONCLOSEDREQUIRESASLAUTH"
ERRORS = {
    -124: NEEDS_LOGIN,
    -102: "NOAUTH",
    -115: "AUTHFAILED",
    -112: "SESSIONEXPIRED",
    -110: "NODEEXISTS",
}
LARGEST = 1 << 20


def write(connection: socket.socket, patience: float) -> tuple[str, str]:
    """What becomes of a node that somebody without a login makes: CREATED or the error's name, and the node's path.

    A node that was made is taken away again, and would go with the session in any case.

    Raises:
        Refused: CLOSED, SILENT or FOREIGN.
    """
    connection.settimeout(patience)
    path = f"/hactl-verify-{secrets.token_hex(8)}"
    try:
        _send(connection, struct.pack(">iqiq", 0, 0, 10000, 0) + _buffer(b"\0" * 16))
        _receive(connection)
        code = _ask(
            connection,
            1,
            CREATE,
            _buffer(path.encode()) + _buffer(b"") + _anyone() + _int(EPHEMERAL),
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
    """The error code of the answer to a request, 0 for none (ReplyHeader: xid, zxid, err)."""
    _send(connection, struct.pack(">ii", number, kind) + body)
    answer = _receive(connection)
    if len(answer) < 16 or struct.unpack_from(">i", answer)[0] != number:
        raise Refused(FOREIGN, "the answer is not ZooKeeper's")
    code: int = struct.unpack_from(">i", answer, 12)[0]
    return code


def _int(number: int) -> bytes:
    return struct.pack(">i", number)


def _buffer(data: bytes) -> bytes:
    return _int(len(data)) + data


def _anyone() -> bytes:
    """A list of one ACL: all rights for world:anyone."""
    return _int(1) + _int(ALL) + _buffer(b"world") + _buffer(b"anyone")


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(_buffer(message))


def _receive(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    if not 0 <= length <= LARGEST:
        raise Refused(FOREIGN, "the answer is not ZooKeeper's")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise Refused(CLOSED)
        data += part
    return data
