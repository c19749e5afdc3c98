"""One host's transaction: what to do, sent as one payload, and how it ended."""

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
"""Seconds between two words to a host that waits; it gives up after 60 s of silence (agent/guard.sh)."""

REFUSED = "was refused by its parser"
"""What the agent says of a staged file that its `validate` command does not accept."""


@dataclass(frozen=True)
class TransactionStep:
    """What became of one op; `index` counts from 1 in the order of the ops, `message` says why it failed.

    `at` is when that was heard, by `time.monotonic()`.
    """

    index: int
    ok: bool
    message: str = ""
    at: float = field(default_factory=time.monotonic, compare=False)


class ApplyFailed(HostError):
    """A transaction that did not end confirmed.

    `outcome` is `rolled_back` (the host is as it was), `rollback_failed` (it is not) or `unknown` (the connection died
    before the host could say).
    """

    def __init__(
        self, host: str, outcome: str, message: str, hint: str, steps: tuple[TransactionStep, ...]
    ) -> None:
        super().__init__(host, message, hint)
        self.outcome = outcome
        self.steps = steps


@dataclass(frozen=True)
class HostState:
    """What a host holds: the lines of `ip -o addr show` and of `ipvsadm --save --numeric`."""

    addresses: tuple[str, ...] = ()
    ipvs: tuple[str, ...] = ()


class Transaction:
    """One host's changes: prepared, then applied, then confirmed. Whatever is left unconfirmed is undone.

    Until `apply` nothing but missing packages has changed on the host. `ops` are what the host was sent.
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
        """What became of each op so far."""
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
        """Make the changes, or what is left of them. Raises ApplyFailed, whose `outcome` says how the host was left."""
        self._waiting = False
        self._exchange("go", "applied")

    def reach(self) -> None:
        """Make the changes up to the op `await`; `apply` then makes the rest. Raises ApplyFailed as that."""
        self._exchange("go", "reached")

    def look(self) -> HostState:
        """What the host holds now; before `apply` as well as after it. Raises ApplyFailed where it ended instead."""
        found: dict[str, list[str]] = {"address": [], "ipvs": []}
        self._exchange("look", "told", found)
        return HostState(tuple(found["address"]), tuple(found["ipvs"]))

    def hand_over(self) -> int:
        """Lower the host's priority, so that another director takes its addresses; returns how many files said so.

        Whatever ends the transaction takes it back; so does `take_back`. 0 where no Keepalived of hactl's runs there.
        Raises ApplyFailed where the transaction ended instead.
        """
        return int(self._exchange("hand-over", "handed-over")[0])

    def take_back(self) -> None:
        """Give the host its own priority again. Raises ApplyFailed where the transaction ended instead."""
        self._exchange("take-back", "taken-back")

    def _exchange(
        self, word: str, wanted: str, found: dict[str, list[str]] | None = None
    ) -> list[str]:
        """Say a word and read up to the answer `wanted`; its fields."""
        try:
            _send(self._channel, f"{word}\n".encode())
            return _follow(self._host, self._channel, wanted, self._steps, found=found)
        except BaseException:
            self._open = self._waiting = False
            self._channel.close()
            raise

    def keep_waiting(self) -> None:
        """Tell a host that waits for its turn that somebody is still there; it gives up after a minute of silence.

        Once it was told to apply, this does nothing: from then on only the deadline counts.
        """
        if self._waiting:
            _send(self._channel, b"wait\n")

    def confirm(self) -> None:
        """Keep the changes and write the ledger. Raises ApplyFailed where the host took them back instead."""
        self._finish(b"confirm\n", "confirmed")

    def roll_back(self) -> None:
        """Undo the changes. Returns when the host is as it was; raises ApplyFailed where that failed."""
        self._finish(b"undo\n", "rolled_back")

    def _finish(self, word: bytes, wanted: str) -> None:
        if not self._open:
            raise ValueError("the transaction has ended already")
        self._open = self._waiting = False
        try:
            _send(self._channel, word)
            _follow(self._host, self._channel, wanted, self._steps, confirming=word == b"confirm\n")
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
    """Begin a payload's transaction: lock, install missing packages, stage and validate every file; one exec.

    `owner` is shown to whoever finds the host locked. It, the inventory's `digest`, the `number` of the generation that
    is to come of it and the `counts` of its changes are what the host's log says of it. `deadline` is the number of
    seconds the host waits for its confirmation, once applied, before it undoes everything by itself.

    Raises Locked, with nothing changed; ApplyFailed, whose `outcome` says how the host was left; HostError or
    Unreachable when the agent could not be started, with nothing changed.
    """
    channel = session.run_agent(program("apply"))
    steps: list[TransactionStep] = []
    try:
        header = encode_line(owner, digest, str(deadline), str(number or ""), counts)
        _send(channel, header + f"{len(payload.archive)}\n".encode() + payload.archive)
        _follow(session.host, channel, "ready", steps)
    except BaseException:
        channel.close()
        raise
    return Transaction(session.host, channel, steps, payload.ops)


class Keepalive:
    """Transactions that wait for others to be ready: they are told that somebody is still there; a context manager."""

    def __init__(self) -> None:
        self._transactions: list[Transaction] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

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
        """Tell this one from now on, until it is applied or ended."""
        self._transactions.append(transaction)

    def _tell(self) -> None:
        while not self._done.wait(HEARTBEAT_INTERVAL):
            for transaction in tuple(self._transactions):
                transaction.keep_waiting()


def _send(channel: Channel, data: bytes) -> None:
    """An agent that refuses ends before it has read everything: its answer counts, not the broken pipe."""
    try:
        channel.send(data)
    except HostError:
        return


def _follow(
    host: str,
    channel: Channel,
    wanted: str,
    steps: list[TransactionStep],
    *,
    confirming: bool = False,
    found: dict[str, list[str]] | None = None,
) -> list[str]:
    """Read answers up to `wanted`, whose fields are returned; any other ending is raised.

    Lines that begin with a key of `found` are collected there.
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
        elif word == wanted:
            return fields
        elif found is not None and word in found:
            found[word].append(fields[0])
        elif word != "alive":
            raise _ending(host, word, fields, failure, steps)


def _ending(
    host: str, word: str, fields: list[str], failure: str, steps: list[TransactionStep]
) -> HostError:
    if locked := refusal(host, word, fields):
        return locked
    if word == "rolled_back":
        kept = f"; installed packages stay: {fields[0]}" if fields and fields[0] else ""
        return ApplyFailed(
            host,
            "rolled_back",
            failure or "undone",
            f"rolled back: the host is as it was{kept}",
            tuple(steps),
        )
    if word == "rollback_failed":
        return ApplyFailed(
            host,
            "rollback_failed",
            failure,
            f"rollback failed, look at the host: {' '.join(fields)}\nthe next deploy, or a reboot, tries once more",
            tuple(steps),
        )
    return ApplyFailed(
        host,
        "unknown",
        f"the agent answered {word!r}",
        "run plan to see how it was left",
        tuple(steps),
    )


def _unfinished(host: str, holder: LockHolder) -> Locked:
    what = f"a run of {holder.who} since {holder.since or 'unknown'} was cut off in mid-apply"
    return Locked(
        host, what, "nothing else was changed; run deploy again: it undoes that run first"
    )


@dataclass(frozen=True)
class Recovered:
    """A run that had been cut off and has ended now: `outcome` is `undone`, or `kept` where it had been confirmed."""

    outcome: str
    who: str
    since: str


def recover(session: Session) -> Recovered | None:
    """End what a run left on the host that was cut off; None where there is nothing of the kind. One exec.

    Raises Locked where the host is held by a run that lives, ApplyFailed where not all could be undone.
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
        raise _ending(session.host, word, fields, "a run that was cut off could not be undone", [])
    finally:
        channel.close()


def refusal(host: str, word: str, fields: Sequence[str]) -> Locked | None:
    """The error for an agent that did not get the host's lock; None where its word says something else."""
    if word == "locked":
        return locked_error(host, decode_lock(fields))
    return _unfinished(host, decode_lock(fields)) if word == "unfinished" else None


def _lost(host: str, steps: list[TransactionStep], confirming: bool, why: str = "") -> ApplyFailed:
    if confirming:
        hint = "it was told to keep the changes and either did or took them back: run plan to see"
    else:
        hint = "nobody confirms the changes, so the host undoes them by itself: run plan to see"
    return ApplyFailed(
        host, "unknown", why or "the connection was lost in mid-apply", hint, tuple(steps)
    )


def locked_error(host: str, holder: LockHolder) -> Locked:
    """The error for a host that somebody else holds, with the command that breaks a stale lock."""
    state = "still running" if holder.alive else "no longer running"
    hint = (
        "wait for it to end"
        if holder.alive
        else f"break the lock: ssh {host} rm -r /run/hactl/lock"
    )
    return Locked(host, f"locked by {holder.who} since {holder.since or 'unknown'}, {state}", hint)
