"""The payload of a transaction: an archive of its operations and their files. Pure."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from provision.hosts.protocol import encode_line, sysctl_path

MINIMUM_ARGS = {
    "package": 1,
    "stage": 5,
    "file": 3,
    "remove": 2,
    "sysctl": 2,
    "address": 3,
    "stray": 2,
    "module": 1,
    "unit": 2,
    "await": 0,
    "table": 4,
    "checker": 1,
    "ledger": 1,
    "generation": 2,
}
"""The verbs of the apply agent, with the minimum number of fields of each verb."""


@dataclass(frozen=True)
class Op:
    """One line for the apply agent: a verb and its fields, as docs/agent-protocol.md lists them."""

    verb: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Payload:
    """The payload of a transaction: its ops, and the tar archive with these ops and their files."""

    ops: tuple[Op, ...]
    archive: bytes


def build_payload(ops: Sequence[Op], files: Sequence[bytes] = ()) -> Payload:
    """Return the payload. Its archive holds `ops`, `files/1`, `files/2`, …

    The same input gives the same bytes.

    Raises:
        ProtocolError: a field cannot be sent.
        ValueError: the agent does not know an op.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "ops", b"".join(_encode_op(op) for op in ops))
        for number, content in enumerate(files, start=1):
            _add(archive, f"files/{number}", content)
    return Payload(tuple(ops), buffer.getvalue())


def _encode_op(op: Op) -> bytes:
    if len(op.args) < MINIMUM_ARGS.get(op.verb, 99):
        raise ValueError(f"not an operation of the apply agent: {op}")
    if op.verb == "sysctl":
        return encode_line(op.verb, *op.args[:2], sysctl_path(op.args[0]))
    return encode_line(op.verb, *op.args)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    archive.addfile(entry, io.BytesIO(content))
