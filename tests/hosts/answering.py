"""A host without a connection: the answers of its read-only agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provision.core.errors import Unreachable
from provision.desired.items import Address, DesiredHost, File, Item, Sysctl, Unit
from provision.hosts.agent import program
from tests.memory import MemoryChannel


class Host:
    """A host in the desired state, or a fresh host.

    `address` is on eth0, with its prefix; a `|` separates several. A file that differs from the
    desired one is answered with its content.
    """

    execs = 0

    def __init__(
        self,
        desired: DesiredHost,
        address: str,
        table: Sequence[str] = (),
        log: Sequence[str] = (),
        fresh: bool = False,
    ) -> None:
        self.host = desired.host
        self.agents: list[str] = []
        self._items, self._address, self._fresh = desired.items, address, fresh
        self._table, self._log = table, log

    def run_agent(self, text: str) -> MemoryChannel:
        """Return the answer of the agent."""
        self.agents.append(
            next(name for name in ("observe", "look", "status", "doctor") if text == program(name))
        )
        if text == program("observe"):
            answer = (line.replace(b"|", b"\x1f") + content for line, content in self._observed())
            return MemoryChannel(b"".join(answer))
        sections: Mapping[str, Sequence[str]] = {
            "clock": ["1.5"],
            "ipvs_saved": self._table,
            "end": [],
        }
        if text in (program("status"), program("doctor")):
            sections = {"checks": self._log, **sections}
        text = "".join(
            f"\x1f{name}\n" + "".join(f"{line}\n" for line in lines)
            for name, lines in sections.items()
        )
        return MemoryChannel(text.encode())

    def _observed(self) -> list[tuple[bytes, bytes]]:
        facts = [
            "fact|os_family|debian",
            "fact|firewall|none",
            f"fact|interface|eth0|{self._address}",
            "facts-end",
        ]
        items = [self._answer(item) for item in self._items if item.kind not in ("vip", "virtual")]
        table = [f"table|{line}" for line in self._table]
        return [*_lines(facts), *items, *_lines([*table, "end"])]

    def _answer(self, item: Item) -> tuple[bytes, bytes]:
        if isinstance(item, File) and not self._fresh:
            fields = ("file", item.name, "file", item.sha256, item.mode, item.owner, item.group)
            return "|".join((*fields, f"{len(item.content)}\n")).encode(), item.content
        return f"{_state(item, self._fresh)}\n".encode(), b""

    def forward(self, address: str, port: int) -> None:
        """Nobody listens beyond it."""
        raise Unreachable(self.host, f"{address} port {port} refuses connections")

    def close(self) -> None:
        """Nothing is open."""

    def is_dead(self) -> bool:
        """Never."""
        return False


def _lines(texts: Sequence[str]) -> list[tuple[bytes, bytes]]:
    return [(f"{text}\n".encode(), b"") for text in texts]


def _state(item: Item, fresh: bool) -> str:
    match item:
        case File():
            return f"file|{item.name}|absent"
        case Sysctl():
            return f"sysctl|{item.name}|yes|{item.value}"
        case Address():
            return f"address|{item.name}|{'' if fresh else item.device}"
        case Unit():
            return f"unit|{item.name}|no|no|no" if fresh else f"unit|{item.name}|yes|yes|yes"
    return f"{item.kind}|{item.name}|{'no' if fresh else 'yes'}"
