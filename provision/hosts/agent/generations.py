"""Generations: every confirmed change of a host, kept on that host.

`/var/lib/hactl/generations/N` (root's alone) holds two gzipped JSON documents: `about.gz`, who confirmed what, when and
from which inventory; `desired.gz`, all that the host should look like from then on, file contents and secrets included.
The numbers are given per run: hosts that a run left unchanged do not have its number, so a host's state at N is its
newest generation up to N.
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
"""How many lines of one file's diff are kept."""
SIGNS = {"create": "+", "update": "~", "remove": "-"}


@dataclass(frozen=True)
class RecordedChange:
    """One change that a generation made: as the plan showed it, secrets masked."""

    kind: str
    name: str
    action: str
    detail: str = ""
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """One confirmed run on one host. `when` is the controller's time, UTC, ISO 8601; `note` says what else there is."""

    number: int
    who: str
    when: str
    digest: str
    changes: tuple[RecordedChange, ...] = ()
    note: str = ""

    @property
    def counts(self) -> str:
        """How many things were created, updated, removed: `+3 ~2 -1`, without what there was none of."""
        actions = [change.action for change in self.changes]
        return " ".join(
            f"{sign}{actions.count(action)}" for action, sign in SIGNS.items() if action in actions
        )


@dataclass(frozen=True)
class Stored:
    """A desired state read back, and the secrets in it, to be masked wherever it is shown."""

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
    """`about.gz`: the same bytes for the same generation."""
    return _zipped(dataclasses.asdict(generation))


def read_about(data: bytes) -> Generation:
    """The generation that `about.gz` tells of. Raises Unreadable."""
    document = _unzipped(data)
    try:
        made = tuple(
            RecordedChange(**{**change, "diff": tuple(change["diff"])})
            for change in document.pop("changes")
        )
        return Generation(**document, changes=made)
    except (TypeError, KeyError) as error:
        raise Unreadable("another version of hactl wrote it") from error


def write_desired(desired: DesiredHost, secrets: Iterable[str]) -> bytes:
    """`desired.gz`: the host's items, and those of the secrets that occur in its files."""
    contents = [item.content for item in desired.items if isinstance(item, File)]
    held = sorted(
        secret for secret in secrets if any(secret.encode() in content for content in contents)
    )
    return _zipped(
        {"host": desired.host, "secrets": held, "items": [_row(item) for item in desired.items]}
    )


def _row(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": item.kind, **dataclasses.asdict(item)}
    if isinstance(item, File):
        row["content"] = base64.b64encode(item.content).decode()
    return row


def read_desired(data: bytes) -> Stored:
    """The desired state in `desired.gz`. Raises Unreadable."""
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
    """What one host has kept, read over a channel that stays open for more; a context manager.

    `generations` are in ascending order; `attempt` is the number of the last run there, whatever became of it, 0 where
    that is not known any more.
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
        """The host's state at `number`: its newest generation up to there."""
        return next((found for found in reversed(self.generations) if found.number <= number), None)

    def desired(self, number: int) -> Stored:
        """The desired state of a generation that it has. Raises HostError where it cannot be read."""
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
    """Read what a host has kept; one exec. Raises HostError with the host untouched."""
    channel = session.run_agent(program("generations"))
    try:
        return GenerationLog(session.host, channel)
    except BaseException:
        channel.close()
        raise
