"""The check from outside over a whole rollout: is everything as good after a batch as before it?"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from provision.core.errors import HactlError, HostError
from provision.deploy.drift import kernel_rules, rules_file
from provision.deploy.external.client import ClientSession, vips_of
from provision.deploy.external.client_view import ClientView
from provision.deploy.external.compare import (
    Comparison,
    ExpectedView,
    holders_of,
    is_held,
    problems,
)
from provision.deploy.external.observation import Observation
from provision.deploy.external.probe_host import Viewpoint
from provision.deploy.vrrp_compatibility import CONFIG, vrrp_configs
from provision.desired.items import DesiredHost, File
from provision.desired.timing import removal
from provision.hosts.agent.transaction import HostState, Transaction
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober.local_session import HOST

MAX_SETTLE_TIMEOUT = 15.0
"""Seconds that a batch gets at most to become healthy: a host waits 60 s for confirmation."""

POLL_INTERVAL = 0.1
"""Seconds between two looks."""


class ExternalCheck:
    """The check from outside of one rollout. `desired` is the desired state of each inspected host.

    `viewpoint` opens a session on the host that probes the front ends. `unchecked` is the reason
    why nothing can be checked from outside, empty if it can be. `unasked` names the addresses whose
    holder is not known. The answers of the directors themselves are checked in any case.
    """

    def __init__(
        self, topology: Topology, desired: Mapping[str, DesiredHost], viewpoint: Viewpoint
    ) -> None:
        self.topology = topology
        self.unchecked = self.unasked = ""
        self.checks = 0
        self.seconds = 0.0
        self._desired = desired
        self._viewpoint = viewpoint
        self._exit_stack = ExitStack()
        self._client: ClientSession | None = None
        self._before = Observation()

    def begin(self, hosts: Collection[str]) -> None:
        """Look at everything before the first change, real servers among `hosts` too. Never raises.

        A second call does nothing: the next batch is compared with the latest observation.
        """
        if self._client or self.unchecked:
            return
        try:
            session = self._exit_stack.enter_context(self._viewpoint())
            client = ClientSession.open(session, self.topology)
            self._client = self._exit_stack.enter_context(client)
            if session.host == HOST and not client.on_link():
                raise HactlError("no client")
            client.learn()
            self._before = Observation(client.look(tuple(hosts)))
            self.unasked = client.unasked
        except HactlError as error:
            self.unchecked = error.line()
            self.close()

    def close(self) -> None:
        """End the program on the client."""
        self._client = None
        with suppress(HostError):
            self._exit_stack.close()

    def summary(self) -> str:
        """The summary for the result; empty if nothing had to be checked.

        It begins with `checked` if everything was checked.
        """
        times = "once" if self.checks == 1 else f"{self.checks} times"
        checked = (
            f"checked from outside {times}, {self.seconds:.1f} s"
            if self.checks and not self.unchecked
            else ""
        )
        gap = self.gap()
        return f"{gap}; everything else was {checked}" if gap and checked else gap or checked

    def gap(self) -> str:
        """The part that cannot be checked from outside, in words; empty if everything can."""
        if self.unchecked:
            return f"not checked from outside: {self.unchecked}"
        return f"not known from outside who answers for {self.unasked}" if self.unasked else ""

    def holders(self) -> dict[str, tuple[ResolvedFrontend, ...]]:
        """The directors of the batch that held addresses before it, with their front ends."""
        frontends = {
            host: tuple(
                frontend
                for frontend in self.topology.directed_by(host)
                if any(self._before.holds(host, vip) for vip in vips_of([frontend]))
            )
            for host in self._before.states
        }
        return {host: held for host, held in frontends.items() if held}

    def open_batch(self, batch: Mapping[str, Transaction]) -> None:
        """Ask the directors of the batch for their state before any change. Raises HostError."""
        self._before = Observation(self._before.view, self._director_states(batch))

    def was_served(self, frontend: ResolvedFrontend) -> bool:
        """Whether any host held an address of the front end before the batch."""
        return any(is_held(self._before, vip) for vip in vips_of([frontend]))

    def had_several_holders(self, frontend: ResolvedFrontend) -> bool:
        """Whether several hosts held an address of the front end before the batch."""
        return any(
            len(holders) > 1
            for vip in vips_of([frontend])
            for holders in holders_of(self._before, vip)
        )

    def check(
        self,
        batch: Mapping[str, Transaction],
        expected: Iterable[ExpectedView],
        *,
        timeout: float = 0.0,
        settled: float = 0.0,
        stop: Callable[[], bool] = lambda: False,
        applied: bool = True,
    ) -> list[str]:
        """The problems, in words; looks again while there are problems and time is left.

        Before the batch is `applied`, its tables are not the intended ones yet. Before the moment
        `settled` (time.monotonic()) the absence of problems proves nothing. The next batch is
        compared with the last observation. Raises HostError if a host or the client is lost.
        """
        started = time.monotonic()
        expected = tuple(expected)
        while True:
            looked = time.monotonic()
            after = self._observe(batch)
            lines = problems(self._comparison(batch if applied else {}, after), expected)
            now = time.monotonic()
            if (
                stop()
                or (not lines and looked >= settled)
                or (lines and now >= max(started + timeout, settled))
            ):
                break
            time.sleep(POLL_INTERVAL if lines else max(0.0, settled - now))
        self.checks += 1
        self.seconds += time.monotonic() - started
        if not lines:
            self._before = Observation(
                _merged(self._before.view, after.view), {**self._before.states, **after.states}
            )
        return lines

    def expected(
        self,
        must_serve: Collection[str] = (),
        non_holders: Mapping[str, Collection[str]] | None = None,
        holders: Mapping[str, str] | None = None,
    ) -> list[ExpectedView]:
        """The expected state of every front end now.

        `must_serve` has the front ends (by name) that must be served even if they were not served
        before. By front end, `non_holders` has the directors that must not hold it, and `holders`
        the director that must.
        """
        return [
            ExpectedView(
                frontend,
                self._vips(frontend),
                frontend.name in must_serve,
                frozenset((non_holders or {}).get(frontend.name, ())),
                (holders or {}).get(frontend.name, ""),
            )
            for frontend in self.topology.frontends
        ]

    def _vips(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """The addresses that its directors will have; `hactl rollback` may bring back others."""
        files = [self._config(director.host) for director in frontend.directors]
        known = [vrrp_configs(text) for text in files if text is not None]
        listed = {vip for configs in known for config in configs for vip in config.vips}
        excluded = {str(vip.address) for vip in frontend.vips if vip.excluded}
        return tuple(vip for vip in vips_of([frontend]) if not known or vip in listed | excluded)

    def _config(self, host: str) -> str | None:
        """The desired configuration of a host's Keepalived."""
        item = self._desired[host].get("file", CONFIG) if host in self._desired else None
        return item.content.decode(errors="replace") if isinstance(item, File) else None

    def _comparison(self, batch: Mapping[str, Transaction], after: Observation) -> Comparison:
        files = {host: rules_file(self._desired[host]) for host in batch if host in self._desired}
        return Comparison(
            before=self._before,
            after=after,
            batch=tuple(batch),
            names={mac: host for host, mac in self._client.macs.items()} if self._client else {},
            intended={host: kernel_rules(item.content) for host, item in files.items() if item},
        )

    def _observe(self, batch: Mapping[str, Transaction]) -> Observation:
        """Ask the client and the directors of the batch, all at once. Raises HostError."""
        with ThreadPoolExecutor(1, thread_name_prefix="client") as pool:
            view = pool.submit(self._client.look, tuple(batch)) if self._client else None
            states = self._director_states(batch)
            return Observation(view.result() if view else None, states)

    def _director_states(self, batch: Mapping[str, Transaction]) -> dict[str, HostState]:
        directors = [host for host in batch if self.topology.directed_by(host)]
        if not directors:
            return {}
        with ThreadPoolExecutor(len(directors), thread_name_prefix="directors") as pool:
            return dict(
                zip(directors, pool.map(lambda host: batch[host].look(), directors), strict=True)
            )


def _merged(before: ClientView | None, after: ClientView | None) -> ClientView | None:
    """The newer view, with the older answers of real servers that the newer one did not ask."""
    if before is None or after is None:
        return after
    return ClientView(
        after.owners, after.believed, after.replies, {**before.servers, **after.servers}
    )


def settle_timeout(topology: Topology) -> float:
    """Seconds in which health checks remove a server that does not answer, and a takeover ends."""
    removals = [
        removal(service, server) or 0.0
        for frontend in topology.frontends
        for service in frontend.services
        for server in service.real_servers
    ]
    takeovers = [frontend.crash_bound for frontend in topology.frontends]
    return min(MAX_SETTLE_TIMEOUT, max([*removals, *takeovers], default=0.0) + 1.0)
