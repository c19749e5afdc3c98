"""A node's host during a roll: it is locked, and its unit is restarted. The agent is roll.sh."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from provision.core.errors import HostError
from provision.hosts.agent import program
from provision.hosts.agent.transaction import refusal
from provision.hosts.channel import Session
from provision.hosts.protocol import decode_line, encode_line

UNIT = "kafka.service"

UNLOCK_TIMEOUT = 5.0
"""Maximum seconds to wait for the agent to unlock the host."""


@dataclass(frozen=True)
class RollMarker:
    """The mark of a roll on a host: the process to replace, the operator and the time.

    `invocation` is systemd's invocation id of that process.
    """

    invocation: str
    who: str
    when: str


@dataclass(frozen=True)
class UnitState:
    """The node's unit: `invocation` is new with each start, `mark` is of an unfinished roll."""

    invocation: str
    active: bool
    mark: RollMarker | None = None

    @property
    def rolled(self) -> bool:
        """Whether the roll has replaced the process that ran at its start. False without a roll."""
        return self.mark is not None and self.active and self.invocation != self.mark.invocation


class LockedHost:
    """A host that no deploy and no other roll may change until the block ends. A context manager.

    Takes one exec. Each method raises HostError if the connection is lost.
    """

    def __init__(self, session: Session, who: str) -> None:
        """Lock the host.

        Raises:
            Locked: somebody else has locked it.
            HostError: the agent cannot be run.
        """
        self.host = session.host
        self._channel = session.run_agent(program("roll"))
        try:
            self._channel.send(encode_line(UNIT, who))
            self.unit = self._read_unit()
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
        """Unlock the host. Without an error, wait until it is unlocked for the next run."""
        if kind is None:
            self._channel.end_input()
            self._channel.exit_status(UNLOCK_TIMEOUT)
        self._channel.close()

    def look(self) -> UnitState:
        """Read the state of the unit again."""
        return self._ask("look")

    def mark(self) -> UnitState:
        """Record on the host's disk the process that the roll must replace.

        Raises:
            HostError: the host cannot write it.
        """
        return self._ask("mark")

    def unmark(self) -> None:
        """Remove the mark: the roll is over."""
        self._channel.send(encode_line("unmark"))
        self._read_answer("unmarked")

    def restart(self) -> None:
        """Restart the unit, and wait until its process runs.

        It is one systemd job, which also finishes without the controller.

        Raises:
            HostError: the restart failed; the message has the unit's last log lines.
        """
        self._channel.send(encode_line("restart"))
        self._read_answer("restarted")

    def _ask(self, word: str) -> UnitState:
        self._channel.send(encode_line(word))
        self.unit = self._read_unit()
        return self.unit

    def _read_unit(self) -> UnitState:
        invocation, active, marked, who, when = self._read_answer("node")
        return UnitState(
            invocation, active == "yes", RollMarker(marked, who, when) if marked else None
        )

    def _read_answer(self, expected: str) -> list[str]:
        while True:
            line = self._channel.read_line()
            word, *fields = decode_line(line) if line else ("",)
            if word == expected:
                return fields
            if word != "alive":
                raise refusal(self.host, word, fields) or HostError(
                    self.host, " ".join(fields) or "the connection was lost"
                )
