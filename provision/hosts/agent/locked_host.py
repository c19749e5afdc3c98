"""A node's host during a roll: locked, and restarted when told. The other end is provision/hosts/agent/roll.sh."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from provision.core.errors import HostError, Locked
from provision.hosts.agent import program
from provision.hosts.agent.transaction import locked_error
from provision.hosts.channel import Session
from provision.hosts.protocol import decode_line, decode_lock, encode_line

UNIT = "kafka.service"

ENDING = 5.0
"""Seconds for the agent to let go of the host."""


@dataclass(frozen=True)
class RollMarker:
    """What a roll left on a host: which process it is to replace (systemd's invocation id), who began it and when."""

    invocation: str
    who: str
    when: str


@dataclass(frozen=True)
class UnitState:
    """The node's unit as it is: its invocation id, new with each start, and the mark of a roll that has not ended."""

    invocation: str
    active: bool
    mark: RollMarker | None = None

    @property
    def rolled(self) -> bool:
        """Whether the process that ran when the roll began has been replaced. False without a roll."""
        return self.mark is not None and self.active and self.invocation != self.mark.invocation


class LockedHost:
    """A host that is locked until the block ends: no deploy and no second roll changes it. A context manager.

    Takes one exec. Each method raises HostError where the connection is lost.
    """

    def __init__(self, session: Session, who: str) -> None:
        """Lock it. Raises Locked where somebody else has, HostError where the agent cannot be run."""
        self.host = session.host
        self._channel = session.run_agent(program("roll"))
        try:
            self._channel.send(encode_line(UNIT, who))
            self.unit = self._hear_unit()
        except BaseException:
            self._channel.close()
            raise

    def __enter__(self) -> LockedHost:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go. Where all is well its end is awaited, so that who comes next finds no lock."""
        if kind is None:
            self._channel.end_input()
            self._channel.exit_status(ENDING)
        self._channel.close()

    def look(self) -> UnitState:
        """Look again."""
        return self._ask("look")

    def mark(self) -> UnitState:
        """Remember, on the host's disk, which process a roll is to replace. Raises HostError where it cannot."""
        return self._ask("mark")

    def unmark(self) -> None:
        """The roll is over."""
        self._channel.send(encode_line("unmark"))
        self._hear("unmarked")

    def restart(self) -> None:
        """Stop and start the unit, and wait until its process runs. Raises HostError with the unit's last words.

        It is one job of systemd's: it comes to its end even if the controller does not see it.
        """
        self._channel.send(encode_line("restart"))
        self._hear("restarted")

    def _ask(self, word: str) -> UnitState:
        self._channel.send(encode_line(word))
        self.unit = self._hear_unit()
        return self.unit

    def _hear_unit(self) -> UnitState:
        invocation, active, marked, who, when = self._hear("node")
        return UnitState(
            invocation, active == "yes", RollMarker(marked, who, when) if marked else None
        )

    def _hear(self, wanted: str) -> list[str]:
        while True:
            line = self._channel.read_line()
            word, *fields = decode_line(line) if line else ("",)
            if word == wanted:
                return fields
            if word != "alive":
                raise self._complaint(word, fields)

    def _complaint(self, word: str, fields: list[str]) -> HostError:
        if word == "locked":
            return locked_error(self.host, decode_lock(fields))
        if word == "unfinished":
            what = f"a deploy of {fields[0]} since {fields[1] or 'unknown'} was cut off there"
            return Locked(self.host, what, "run deploy again: it undoes that run first")
        return HostError(self.host, " ".join(fields) or "the connection was lost")
