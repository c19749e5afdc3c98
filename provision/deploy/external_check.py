"""The check from outside over a whole rollout: what was seen before a batch, and whether it is as good after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from provision.core.errors import HactlError, HostError
from provision.deploy.drift import kernel_rules, rules_file
from provision.deploy.external.client import ClientSession, vips_of
from provision.deploy.external.client_view import ClientView
from provision.deploy.external.compare import Comparison, ExpectedView, having_of, served, wrong
from provision.deploy.external.observation import Observation
from provision.deploy.external.probe_host import Viewpoint
from provision.deploy.vrrp_compatibility import CONFIG, speakers
from provision.desired.items import DesiredHost, File
from provision.desired.timing import removal
from provision.hosts.agent.transaction import HostState, Transaction
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober.local_session import HOST

MAX_SETTLE_SECONDS = 15.0
"""Seconds for which a batch is given time to come right, at most: a host waits 60 for its confirmation."""

PAUSE = 0.1
"""Seconds between two looks."""


class Outside:
    """What a rollout asks from outside. `desired` is what each surveyed host is to be.

    `viewpoint` opens a session to where the front ends are looked at from. `unchecked` says why nothing is seen from
    outside, empty where it is, and `unasked` of which addresses it is not known who answers for them; the directors'
    own words are judged all the same.
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
        self._open = ExitStack()
        self._gate: ClientSession | None = None
        self._before = Observation()

    def begin(self, hosts: Collection[str]) -> None:
        """Look at everything as it is before the first change, at the real servers among `hosts` too. Never raises.

        A second time nothing is asked: what was seen last is what the next batch is compared with.
        """
        if self._gate or self.unchecked:
            return
        try:
            session = self._open.enter_context(self._viewpoint())
            self._gate = self._open.enter_context(ClientSession.open(session, self.topology))
            if session.host == HOST and not self._gate.on_link():
                raise HactlError("no client")
            self._gate.learn()
            self._before = Observation(self._gate.look(tuple(hosts)))
            self.unasked = self._gate.unasked
        except HactlError as error:
            self.unchecked = error.line()
            self.close()

    def close(self) -> None:
        """End the client's program."""
        self._gate = None
        with suppress(HostError):
            self._open.close()

    def summary(self) -> str:
        """What became of it, for the result; empty where nothing had to be checked.

        It begins with `checked` where all was.
        """
        times = "once" if self.checks == 1 else f"{self.checks} times"
        checked = (
            f"checked from outside {times}, {self.seconds:.1f} s"
            if self.checks and not self.unchecked
            else ""
        )
        gap = self.gap()
        return f"{gap}; all else was {checked}" if gap and checked else gap or checked

    def gap(self) -> str:
        """What is not seen from outside, in words; empty where all is."""
        if self.unchecked:
            return f"not checked from outside: {self.unchecked}"
        return f"not asked from outside who answers for {self.unasked}" if self.unasked else ""

    def holders(self) -> dict[str, tuple[ResolvedFrontend, ...]]:
        """Which directors of the batch hold addresses, and of which front ends, as they told before it."""
        found = {
            host: tuple(
                one
                for one in self.topology.directed_by(host)
                if any(self._before.holds(host, vip) for vip in vips_of([one]))
            )
            for host in self._before.told
        }
        return {host: fronts for host, fronts in found.items() if fronts}

    def open_batch(self, batch: Mapping[str, Transaction]) -> None:
        """Ask the batch's directors what they hold before anything is done. Raises HostError."""
        self._before = Observation(self._before.view, self._ask(batch))

    def is_served(self, frontend: ResolvedFrontend) -> bool:
        """Whether somebody held an address of it before the batch."""
        return any(served(self._before, vip) for vip in vips_of([frontend]))

    def contested(self, frontend: ResolvedFrontend) -> bool:
        """Whether more than one had an address of it before the batch."""
        return any(
            len(having) > 1
            for vip in vips_of([frontend])
            for having in having_of(self._before, vip)
        )

    def check(
        self,
        batch: Mapping[str, Transaction],
        expected: Iterable[ExpectedView],
        *,
        patience: float = 0.0,
        settled: float = 0.0,
        stop: Callable[[], bool] = lambda: False,
        applied: bool = True,
    ) -> list[str]:
        """What is not as it must be, in words; looks again while something is wrong and there is patience.

        Before the batch is `applied`, its tables are not the intended ones yet. `settled` is the moment
        (time.monotonic()) before which all being well proves nothing yet. The batch after it is compared with what was
        seen last. Raises HostError when a host or the client is lost.
        """
        began = time.monotonic()
        wanted = tuple(expected)
        while True:
            looked = time.monotonic()
            after = self._see(batch)
            problems = wrong(self._case(batch if applied else {}, after), wanted)
            now = time.monotonic()
            if (
                stop()
                or (not problems and looked >= settled)
                or (problems and now >= max(began + patience, settled))
            ):
                break
            time.sleep(PAUSE if problems else max(0.0, settled - now))
        self.checks += 1
        self.seconds += time.monotonic() - began
        if not problems:
            self._before = Observation(
                _merged(self._before.view, after.view), {**self._before.told, **after.told}
            )
        return problems

    def expected(
        self,
        due: Collection[str] = (),
        away: Mapping[str, Collection[str]] | None = None,
        at: Mapping[str, str] | None = None,
    ) -> list[ExpectedView]:
        """Every front end as it must be now.

        `due` are those (by name) that must be served although they were not; `away` says by front end which directors
        must not hold it, and `at` which one must.
        """
        return [
            ExpectedView(
                one,
                self._vips(one),
                one.name in due,
                frozenset((away or {}).get(one.name, ())),
                (at or {}).get(one.name, ""),
            )
            for one in self.topology.frontends
        ]

    def _vips(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """The addresses that its directors are to be configured for: in a rollback they may not be today's."""
        files = [self._config(director.host) for director in frontend.directors]
        known = [speakers(text) for text in files if text is not None]
        listed = {vip for own in known for speaker in own for vip in speaker.vips}
        excluded = {str(vip.address) for vip in frontend.vips if vip.excluded}
        return tuple(vip for vip in vips_of([frontend]) if not known or vip in listed | excluded)

    def _config(self, host: str) -> str | None:
        """What a host's Keepalived is to be configured with."""
        item = self._desired[host].get("file", CONFIG) if host in self._desired else None
        return item.content.decode(errors="replace") if isinstance(item, File) else None

    def _case(self, batch: Mapping[str, Transaction], after: Observation) -> Comparison:
        files = {host: rules_file(self._desired[host]) for host in batch if host in self._desired}
        return Comparison(
            before=self._before,
            after=after,
            batch=tuple(batch),
            names={mac: host for host, mac in self._gate.macs.items()} if self._gate else {},
            intended={host: kernel_rules(item.content) for host, item in files.items() if item},
        )

    def _see(self, batch: Mapping[str, Transaction]) -> Observation:
        """The client and the batch's directors, all at once. Raises HostError."""
        with ThreadPoolExecutor(1, thread_name_prefix="client") as pool:
            looking = pool.submit(self._gate.look, tuple(batch)) if self._gate else None
            told = self._ask(batch)
            return Observation(looking.result() if looking else None, told)

    def _ask(self, batch: Mapping[str, Transaction]) -> dict[str, HostState]:
        directors = [host for host in batch if self.topology.directed_by(host)]
        if not directors:
            return {}
        with ThreadPoolExecutor(len(directors), thread_name_prefix="told") as pool:
            return dict(
                zip(directors, pool.map(lambda host: batch[host].look(), directors), strict=True)
            )


def _merged(before: ClientView | None, after: ClientView | None) -> ClientView | None:
    """The newer view, with what the older one knew of other real servers."""
    if before is None or after is None:
        return after
    return ClientView(
        after.owners, after.believed, after.replies, {**before.servers, **after.servers}
    )


def patience(topology: Topology) -> float:
    """Seconds within which health checks have taken out what does not answer, and a takeover is through."""
    checks = [
        removal(service, server) or 0.0
        for one in topology.frontends
        for service in one.services
        for server in service.real_servers
    ]
    takeovers = [one.crash_bound for one in topology.frontends]
    return min(MAX_SETTLE_SECONDS, max([*checks, *takeovers], default=0.0) + 1.0)
