"""The transaction of one host: its changes are sent as one payload, applied, and confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from provision.core.errors import HostError, Locked
from provision.hosts.agent import program
from provision.hosts.agent.payload import Op, Payload
from provision.hosts.channel import Channel, Session
from provision.hosts.protocol import LockHolder, decode_line, decode_lock, encode_line

HEARTBEAT_INTERVAL = 10.0
"""Seconds between two words to a waiting host. It gives up after 60 s without one (guard.sh)."""

REFUSED = "was refused by its parser"
"""The agent's words for a staged file that its `validate` command does not accept (files.sh)."""


@dataclass(frozen=True)
class TransactionStep:
    """The result of one op.

    `index` counts the ops from 1. `message` is the reason of a failure. `at` is the moment of the
    answer, by `time.monotonic()`.
    """

    index: int
    ok: bool
    message: str = ""
    at: float = field(default_factory=time.monotonic, compare=False)


class ApplyFailed(HostError):
    """A transaction that was not confirmed.

    `outcome` is `rolled_back` (the host is as it was), `rollback_failed` (it is not) or `unknown`
    (the connection was lost before the host answered).
    """

    def __init__(
        self, host: str, outcome: str, message: str, hint: str, steps: tuple[TransactionStep, ...]
    ) -> None:
        super().__init__(host, message, hint)
        self.outcome = outcome
        self.steps = steps


@dataclass(frozen=True)
class HostState:
    """The addresses and the IPVS table of a host.

    They are the lines of `ip -o addr show` and of `ipvsadm --save --numeric`.
    """

    addresses: tuple[str, ...] = ()
    ipvs: tuple[str, ...] = ()


class Transaction:
    """The changes of one host: prepared, then applied, then confirmed. Else they are rolled back.

    Before `apply` the host has changed nothing but installed missing packages. `ops` were sent to
    the host.
    """

    def __init__(
        self, host: str, channel: Channel, steps: list[TransactionStep], ops: tuple[Op, ...]
    ) -> None:
        self.ops = ops
        self._host = host
        self._channel = channel
        self._open = True
        self._waiting = True
        self._steps = steps

    @property
    def steps(self) -> tuple[TransactionStep, ...]:
        """The results of the ops so far."""
        return tuple(self._steps)

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = self._waiting = False
        self._channel.close()

    def apply(self) -> None:
        """Make the changes, or the remaining ones after `reach`.

        Raises:
            ApplyFailed: a change failed; `outcome` says in which state the host is.
        """
        self._waiting = False
        self._exchange("go", "applied")

    def reach(self) -> None:
        """Make the changes up to the op `await`. `apply` makes the others. Raises as `apply`."""
        self._exchange("go", "reached")

    def look(self) -> HostState:
        """Return the host's present addresses and table, before `apply` or after it.

        Raises:
            ApplyFailed: the transaction has ended.
        """
        lines: dict[str, list[str]] = {"address": [], "ipvs": []}
        self._exchange("look", "told", lines)
        return HostState(tuple(lines["address"]), tuple(lines["ipvs"]))

    def hand_over(self) -> int:
        """Lower the director's priority, so that another director takes its addresses.

        The end of the transaction or `take_back` restores the priority. Return the number of
        hand-over files that were changed: 0 if hactl manages no Keepalived on the host.

        Raises:
            ApplyFailed: the transaction has ended.
        """
        return int(self._exchange("hand-over", "handed-over")[0])

    def take_back(self) -> None:
        """Restore the host's priority. Raises ApplyFailed if the transaction has ended."""
        self._exchange("take-back", "taken-back")

    def _exchange(
        self, word: str, expected: str, lines: dict[str, list[str]] | None = None
    ) -> list[str]:
        """Send a word, read up to the answer `expected`, and return the fields of that answer."""
        try:
            _send(self._channel, f"{word}\n".encode())
            return _read_answers(self._host, self._channel, expected, self._steps, lines=lines)
        except BaseException:
            self._open = self._waiting = False
            self._channel.close()
            raise

    def keep_waiting(self) -> None:
        """Tell a waiting host that the controller is still there.

        The host gives up after 60 s without a word. After `apply` this has no effect: then only the
        deadline counts.
        """
        if self._waiting:
            _send(self._channel, b"wait\n")

    def confirm(self) -> None:
        """Keep the changes and write the ledger. Raises ApplyFailed if they were rolled back."""
        self._finish(b"confirm\n", "confirmed")

    def roll_back(self) -> None:
        """Roll the changes back, and wait for it. Raises ApplyFailed if the rollback failed."""
        self._finish(b"undo\n", "rolled_back")

    def _finish(self, word: bytes, expected: str) -> None:
        if not self._open:
            raise ValueError("the transaction has ended already")
        self._open = self._waiting = False
        try:
            _send(self._channel, word)
            _read_answers(
                self._host, self._channel, expected, self._steps, confirming=word == b"confirm\n"
            )
        finally:
            self._channel.close()


def prepare(
    session: Session,
    payload: Payload,
    owner: str,
    digest: str,
    deadline: int,
    number: int = 0,
    counts: str = "",
) -> Transaction:
    """Begin the transaction of a payload in one exec.

    The host is locked, missing packages are installed, and files are staged and validated. Other
    runs that find the host locked see `owner`. The host's log gets `owner`, the inventory's
    `digest`, the `number` of the new generation and the `counts` of its changes. After `apply` the
    host waits `deadline` seconds for the confirmation, and then rolls back.

    Raises:
        Locked: the host is locked; nothing was changed.
        ApplyFailed: `outcome` says in which state the host is.
        HostError: the agent could not be started; nothing was changed.
        Unreachable: as HostError.
    """
    channel = session.run_agent(program("apply"))
    steps: list[TransactionStep] = []
    try:
        header = encode_line(owner, digest, str(deadline), str(number or ""), counts)
        _send(channel, header + f"{len(payload.archive)}\n".encode() + payload.archive)
        _read_answers(session.host, channel, "ready", steps)
    except BaseException:
        channel.close()
        raise
    return Transaction(session.host, channel, steps, payload.ops)


class Keepalive:
    """Keeps transactions alive that wait until the other hosts are ready. A context manager."""

    def __init__(self) -> None:
        self._transactions: list[Transaction] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send_words, daemon=True)

    def __enter__(self) -> Keepalive:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()

    def add(self, transaction: Transaction) -> None:
        """Keep this transaction alive until it is applied or ended."""
        self._transactions.append(transaction)

    def _send_words(self) -> None:
        while not self._done.wait(HEARTBEAT_INTERVAL):
            for transaction in tuple(self._transactions):
                transaction.keep_waiting()


def _send(channel: Channel, data: bytes) -> None:
    """Send data. A broken pipe is no error: an agent that refuses ends before it has read all."""
    try:
        channel.send(data)
    except HostError:
        return


def _read_answers(
    host: str,
    channel: Channel,
    expected: str,
    steps: list[TransactionStep],
    *,
    confirming: bool = False,
    lines: dict[str, list[str]] | None = None,
) -> list[str]:
    """Read answers up to `expected`, and return its fields. Raise the error of any other ending.

    Fields of lines that begin with a key of `lines` are added there.
    """
    failure = ""
    while True:
        try:
            line = channel.read_line()
        except HostError as error:
            raise _lost(host, steps, confirming, error.message) from error
        if line is None or not line.endswith(b"\n"):
            raise _lost(host, steps, confirming)
        word, *fields = decode_line(line)
        if word == "step":
            steps.append(TransactionStep(int(fields[0]), True))
        elif word == "failed":
            failure = fields[1].strip()
            steps.append(TransactionStep(int(fields[0]), False, failure))
        elif word == expected:
            return fields
        elif lines is not None and word in lines:
            lines[word].append(fields[0])
        elif word != "alive":
            raise _ending(host, word, fields, failure, steps)


def _ending(
    host: str, word: str, fields: list[str], failure: str, steps: list[TransactionStep]
) -> HostError:
    if locked := refusal(host, word, fields):
        return locked
    if word == "rolled_back":
        packages = f"; installed packages stay: {fields[0]}" if fields and fields[0] else ""
        return ApplyFailed(
            host,
            "rolled_back",
            failure or "undone",
            f"rolled back: the host is as it was{packages}",
            tuple(steps),
        )
    if word == "rollback_failed":
        return ApplyFailed(
            host,
            "rollback_failed",
            failure,
            f"rollback failed, look at the host: {' '.join(fields)}\n"
            "the next deploy or a reboot tries again",
            tuple(steps),
        )
    return ApplyFailed(
        host,
        "unknown",
        f"the agent answered {word!r}",
        "run plan to see the state of the host",
        tuple(steps),
    )


def _unfinished(host: str, holder: LockHolder) -> Locked:
    return Locked(
        host,
        f"a run of {holder.who} since {holder.since or 'unknown'} was interrupted in mid-apply",
        "nothing else was changed; run deploy again: it rolls that run back first",
    )


@dataclass(frozen=True)
class Recovered:
    """An interrupted run that was ended: `outcome` is `undone`, or `kept` if it was confirmed."""

    outcome: str
    who: str
    since: str


def recover(session: Session) -> Recovered | None:
    """End an interrupted run on the host. Return None if there is no interrupted run. One exec.

    Raises:
        Locked: another run is at work on the host.
        ApplyFailed: the rollback is not complete.
    """
    channel = session.run_agent(program("recover"))
    try:
        line = channel.read_line()
        if line is None or not line.endswith(b"\n"):
            raise _lost(session.host, [], False)
        word, *fields = decode_line(line)
        if word == "nothing":
            return None
        if word in ("undone", "kept"):
            return Recovered(word, fields[0], fields[1])
        raise _ending(session.host, word, fields, "an interrupted run could not be rolled back", [])
    finally:
        channel.close()


def refusal(host: str, word: str, fields: Sequence[str]) -> Locked | None:
    """Return the error for an agent that could not lock the host; None for any other word."""
    if word == "locked":
        return locked_error(host, decode_lock(fields))
    return _unfinished(host, decode_lock(fields)) if word == "unfinished" else None


def _lost(
    host: str, steps: list[TransactionStep], confirming: bool, message: str = ""
) -> ApplyFailed:
    if confirming:
        hint = "the host either kept the changes or rolled them back: run plan to see"
    else:
        hint = "the changes are not confirmed, so the host rolls them back: run plan to see"
    return ApplyFailed(
        host, "unknown", message or "the connection was lost in mid-apply", hint, tuple(steps)
    )


def locked_error(host: str, holder: LockHolder) -> Locked:
    """Return the error for a locked host, with the command that removes a stale lock."""
    state = "still running" if holder.alive else "no longer running"
    hint = (
        "wait for it to end"
        if holder.alive
        else f"break the lock: ssh {host} rm -r /run/hactl/lock"
    )
    return Locked(host, f"locked by {holder.who} since {holder.since or 'unknown'}, {state}", hint)
