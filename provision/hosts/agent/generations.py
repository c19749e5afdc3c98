"""Generations: the confirmed changes of a host, kept on that host.

The folder `/var/lib/hactl/generations/N` is readable by root alone. It holds two gzipped JSON
documents. `about.gz` records the operator, the time, the inventory and the changes. `desired.gz`
is the desired state of the host from then on, with file contents and secrets.
A run has one number for all its hosts. A host that the run left unchanged does not have that
number. The state of a host at N is therefore its newest generation up to N.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from provision.core.errors import HostError
from provision.desired.items import (
    Address,
    DesiredHost,
    File,
    Item,
    Module,
    Package,
    Sysctl,
    Unit,
    VipItem,
    VirtualService,
)
from provision.formats import bounded_json
from provision.hosts.agent import program
from provision.hosts.channel import Channel, Session
from provision.hosts.protocol import decode_line

FORMAT = 1
_ALL = (Package, Module, Sysctl, File, Address, Unit, VipItem, VirtualService)
KINDS: Mapping[str, type[Item]] = {kind.kind: kind for kind in _ALL}
DIFF_LINES = 1000
"""Maximum number of lines that are kept of one file's diff."""
SIGNS = {"create": "+", "update": "~", "remove": "-"}


@dataclass(frozen=True)
class RecordedChange:
    """One change of a generation, as the plan showed it, with secrets masked."""

    kind: str
    name: str
    action: str
    detail: str = ""
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """One confirmed run on one host.

    `when` is the controller's time (UTC, ISO 8601). `note` is a remark for the operator.
    """

    number: int
    who: str
    when: str
    digest: str
    changes: tuple[RecordedChange, ...] = ()
    note: str = ""

    @property
    def counts(self) -> str:
        """The numbers of created, updated and removed items: `+3 ~2 -1`. Zeros are left out."""
        actions = [change.action for change in self.changes]
        return " ".join(
            f"{sign}{actions.count(action)}" for action, sign in SIGNS.items() if action in actions
        )


@dataclass(frozen=True)
class Stored:
    """A desired state that was read back. `secrets` must be masked wherever it is shown."""

    desired: DesiredHost
    secrets: frozenset[str]


class Unreadable(ValueError):
    """A generation that this version of hactl cannot read."""


def _zipped(document: Mapping[str, Any]) -> bytes:
    return gzip.compress(
        json.dumps({"format": FORMAT, **document}, ensure_ascii=True).encode(), mtime=0
    )


def _unzipped(data: bytes) -> dict[str, Any]:
    try:
        document = bounded_json.loads(gzip.decompress(data))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Unreadable("it is damaged") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise Unreadable("another version of hactl wrote it")
    return document


def write_about(generation: Generation) -> bytes:
    """Return `about.gz`: the same bytes for the same generation."""
    return _zipped(dataclasses.asdict(generation))


def read_about(data: bytes) -> Generation:
    """Return the generation that `about.gz` describes. Raises Unreadable."""
    document = _unzipped(data)
    try:
        changes = tuple(
            RecordedChange(**{**change, "diff": tuple(change["diff"])})
            for change in document.pop("changes")
        )
        return Generation(**document, changes=changes)
    except (TypeError, KeyError) as error:
        raise Unreadable("another version of hactl wrote it") from error


def write_desired(desired: DesiredHost, secrets: Iterable[str]) -> bytes:
    """Return `desired.gz`: the items of the host and the secrets that occur in its files."""
    contents = [item.content for item in desired.items if isinstance(item, File)]
    used = sorted(
        secret for secret in secrets if any(secret.encode() in content for content in contents)
    )
    return _zipped(
        {
            "host": desired.host,
            "secrets": used,
            "items": [_row(item) for item in desired.items],
        }
    )


def _row(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": item.kind, **dataclasses.asdict(item)}
    if isinstance(item, File):
        row["content"] = base64.b64encode(item.content).decode()
    return row


def read_desired(data: bytes) -> Stored:
    """Return the desired state in `desired.gz`. Raises Unreadable."""
    document = _unzipped(data)
    try:
        items = tuple(_item(row) for row in document["items"])
        return Stored(DesiredHost(document["host"], items), frozenset(document["secrets"]))
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable("another version of hactl wrote it") from error


def _item(row: dict[str, Any]) -> Item:
    kind = KINDS[row.pop("kind")]
    if kind is File:
        row["content"] = base64.b64decode(row["content"], validate=True)
    if kind is VirtualService:
        row["servers"] = tuple(row["servers"])
    return kind(**row)


class GenerationLog:
    """The generations of one host, read over a channel that stays open. A context manager.

    `generations` are in ascending order. `attempt` is the number of the last run on the host,
    confirmed or not; 0 if the number is unknown.
    """

    def __init__(self, host: str, channel: Channel) -> None:
        self._host = host
        self._channel = channel
        self.attempt = 0
        self.generations = tuple(sorted(self._read(), key=lambda generation: generation.number))

    def __enter__(self) -> GenerationLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def up_to(self, number: int) -> Generation | None:
        """Return the state of the host at `number`: its newest generation up to that number."""
        return next(
            (
                generation
                for generation in reversed(self.generations)
                if generation.number <= number
            ),
            None,
        )

    def desired(self, number: int) -> Stored:
        """Return the desired state of a generation. Raises HostError if it cannot be read."""
        self._channel.send(f"{number}\n".encode())
        _, length = self._line()
        try:
            return read_desired(self._channel.read_exact(int(length)))
        except Unreadable as error:
            raise HostError(
                self._host, f"generation {number} cannot be used: {error}", "choose another one"
            ) from error

    def _read(self) -> Iterable[Generation]:
        while (fields := self._line())[0] == "generation":
            data = self._channel.read_exact(int(fields[2]))
            try:
                yield read_about(data)
            except Unreadable:
                continue
        self.attempt = int(fields[1])

    def _line(self) -> Sequence[str]:
        line = self._channel.read_line()
        if line is None or not line.endswith(b"\n"):
            raise HostError(
                self._host,
                "the connection was lost while its generations were read; nothing was changed",
            )
        return decode_line(line)


def open_generation_log(session: Session) -> GenerationLog:
    """Read the generations of a host in one exec.

    Raises:
        HostError: they cannot be read; the host is unchanged.
    """
    channel = session.run_agent(program("generations"))
    try:
        return GenerationLog(session.host, channel)
    except BaseException:
        channel.close()
        raise
