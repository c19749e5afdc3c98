"""The controller's side of a running prober: start it on the client, collect its records, compare the clocks."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from provision.prober.record import ProbeService, Recording
from provision.remote.channel import Session


class Prober:
    """A prober at work. `services` are what it really asks: `path` is None where its trial got no good HTTP answer.

    `messages` are for the operator: what is not measured, and why.
    """

    services: tuple[ProbeService, ...]
    messages: tuple[str, ...]

    @classmethod
    def start(
        cls,
        session: Session,
        services: Sequence[ProbeService],
        *,
        cadence: float = 0.005,
        connections: int = 200,
        limit_seconds: float = 600.0,
    ) -> Prober:
        """Start asking every service each `cadence` seconds, with `connections` long-lived ones spread over them.

        It ends by itself after `limit_seconds`, or when the connection to it goes. Raises HostError where the client
        cannot run it.
        """
        raise NotImplementedError

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; nothing is raised here."""
        raise NotImplementedError

    @property
    def offset(self) -> float:
        """Seconds to add to the controller's monotonic clock to get the client's."""
        raise NotImplementedError

    @property
    def uncertainty(self) -> float:
        """By how many seconds `offset` can be wrong: half the round trip of its best sample."""
        raise NotImplementedError

    def to_client(self, moment: float) -> float:
        """A `time.monotonic()` of the controller on the client's clock."""
        raise NotImplementedError

    @property
    def established(self) -> int:
        """How many long-lived connections are open now. Raises HostError when the prober is gone."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise HostError when the prober is gone: the connection was lost, or its time limit came."""
        raise NotImplementedError

    def recording(self) -> Recording:
        """All records up to 0.2 s ago, from any thread and after any loss; unanswered requests have no `done`."""
        raise NotImplementedError

    def stop(self) -> Recording:
        """Begin no more requests, wait for the answers still due (3 s at most), end it and return everything.

        Each long-lived connection is asked once more: one that does not answer is lost. Raises HostError when the
        prober was gone already; `recording` then has what came before.
        """
        raise NotImplementedError


def local_session() -> Session:
    """A session on the controller itself, for an inventory without a client."""
    raise NotImplementedError
