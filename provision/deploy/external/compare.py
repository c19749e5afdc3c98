"""Whether a batch made anything worse, by the observations before and after it. Pure.

Every check yields a line for the operator: the name of the check and its evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from provision.deploy.external.client_view import Place
from provision.deploy.external.observation import Observation
from provision.formats import endpoint
from provision.formats.ipvsadm import Table, weight
from provision.inventory.frontends import ResolvedFrontend

VIRTUAL_MACS = ("00:00:5e:00:01:", "00:00:5e:00:02:")
"""The prefixes of virtual routers' hardware addresses (RFC 5798 §7.3): any master uses them."""

REAL_SERVER_REPLIES = {"rst": "refuses", "silent": "does not answer"}


@dataclass(frozen=True)
class ExpectedView:
    """The expected state of one front end; `vips` are the addresses that its directors configure.

    With `must_serve` the front end must be served even if it was not served before. The directors
    in `non_holders` must not hold the addresses now, and `holder` must; both may be empty.
    """

    frontend: ResolvedFrontend
    vips: tuple[str, ...]
    must_serve: bool = False
    non_holders: frozenset[str] = frozenset()
    holder: str = ""

    @property
    def directors(self) -> tuple[str, ...]:
        """Its directors, the highest priority first."""
        return tuple(director.host for director in self.frontend.directors)

    def places(self) -> tuple[Place, ...]:
        """Its TCP services, by address and port."""
        return tuple(
            (str(vip.address), service.model.port)
            for service in self.frontend.services
            if service.model.protocol == "tcp" and service.model.port
            for vip in service.vips
            if str(vip.address) in self.vips
        )


@dataclass(frozen=True)
class Comparison:
    """The observations before and after a batch, its hosts, and the names of hosts by MAC address.

    `intended` has the table that each director of the batch must have.
    """

    before: Observation
    after: Observation
    batch: Collection[str]
    names: Mapping[str, str] = field(default_factory=dict)
    intended: Mapping[str, Table] = field(default_factory=dict)

    def name(self, mac: str) -> str:
        """The host with a hardware address, or the address itself if no host has it."""
        return self.names.get(mac, mac)


def is_held(observation: Observation, vip: str) -> bool:
    """Whether any host had the address."""
    return any(holders_of(observation, vip))


def holders_of(observation: Observation, vip: str) -> tuple[list[str], tuple[str, ...]]:
    """The directors that report an address, and the hardware addresses that answer for it."""
    directors = [host for host in observation.states if observation.holds(host, vip)]
    return directors, observation.view.owners.get(vip, ()) if observation.view else ()


def problems(comparison: Comparison, expected: Collection[ExpectedView]) -> list[str]:
    """The differences from the expected state, in words; empty if there are none."""
    lines: list[str] = []
    for frontend in expected:
        for vip in frontend.vips:
            lines += _holder_problems(comparison, frontend, vip)
        for place in frontend.places():
            lines += _service_problems(comparison, frontend, place)
    lines += _real_server_problems(comparison)
    for host, table in comparison.intended.items():
        before = comparison.before.table(host)
        lines += _table_problems(host, table, before, comparison.after.table(host))
    return list(dict.fromkeys(lines))


def _holder_problems(comparison: Comparison, expected: ExpectedView, vip: str) -> Iterator[str]:
    """The address must have one holder, the right one.

    An address that nobody had, and that need not be served, is not checked. A second holder that
    was there before the batch is not a problem of this batch, until the last director of the front
    end has changed.
    """
    view = comparison.after.view
    directors, answering = _holder_names(comparison, comparison.after, vip)
    macs = view.owners.get(vip) if view else None
    must_be_held = expected.must_serve or is_held(comparison.before, vip)
    if len(directors) > 1 or len(answering) > 1:
        several = directors if len(directors) > 1 else answering
        before = {
            host for hosts in _holder_names(comparison, comparison.before, vip) for host in hosts
        }
        if expected.must_serve or not set(several) <= before:
            yield f"one holder: {' and '.join(several)} both have {vip}"
    elif macs == () and must_be_held:
        although = f", although {directors[0]} has it" if directors else ""
        yield f"one holder: nobody answers for {vip}{although}"
    elif macs is None and not directors and set(expected.directors) <= set(comparison.after.states):
        if must_be_held:
            yield f"one holder: none of {', '.join(expected.directors)} has {vip}"
    else:
        yield from _wrong_holder(comparison, expected, vip, directors, macs or ())


def _holder_names(
    comparison: Comparison, observation: Observation, vip: str
) -> tuple[list[str], list[str]]:
    """The directors that report an address, and the hosts that answer for it."""
    directors, macs = holders_of(observation, vip)
    return directors, [comparison.name(mac) for mac in macs]


def _wrong_holder(
    comparison: Comparison,
    expected: ExpectedView,
    vip: str,
    directors: list[str],
    macs: tuple[str, ...],
) -> Iterator[str]:
    names = [comparison.name(mac) for mac in macs]
    is_virtual = any(mac.startswith(VIRTUAL_MACS) for mac in macs)
    holder = next(
        (name for name in names if name in comparison.names.values()),
        directors[0] if directors else "",
    )
    if macs and not is_virtual and comparison.names and holder not in expected.directors:
        yield (
            f"one holder: {names[0]} answers for {vip}, "
            f"but is not a director of {expected.frontend.name}"
        )
    elif holder in expected.non_holders or any(host in expected.non_holders for host in directors):
        yield f"hand-over: {holder or directors[0]} still has {vip}"
    elif expected.holder and not is_virtual and holder and holder != expected.holder:
        yield f"hand-over: {holder} has {vip}, not {expected.holder}"
    view = comparison.after.view
    believed = view.believed.get(vip, "") if view else ""
    if macs and believed and believed not in macs:
        yield (
            f"one holder: the client sends packets for {vip} to {comparison.name(believed)}, "
            f"but {holder} answers for it"
        )


def _service_problems(
    comparison: Comparison, expected: ExpectedView, place: Place
) -> Iterator[str]:
    """A service must answer as well as before.

    A service that did not answer before must answer if its front end must be served and a
    director's table has a server for it.
    """
    before, after = comparison.before.view, comparison.after.view
    if after is None:
        return
    old_rank = before.rank(place) if before else 0
    new_service = expected.must_serve and _has_server(comparison.after, place)
    if after.rank(place) >= (old_rank or (1 if new_service else 0)):
        return
    replies = after.replies.get(place, ())
    failed = sum(reply == after.worst(place) for reply in replies)
    earlier = f"; before the batch: {before.worst(place)}" if before and old_rank else ""
    yield (
        f"service: {endpoint.join(*place)}: {failed} of {len(replies)} tries: "
        f"{after.worst(place)}{earlier}"
    )


def _has_server(observation: Observation, place: Place) -> bool:
    """Whether the table of a director has a server of the service that takes connections."""
    rules = (
        observation.table(host).get(f"-t {endpoint.join(*place)}", ("", {}))[1]
        for host in observation.states
    )
    return any(weight(rule) > 0 for servers in rules for rule in servers.values())


def _real_server_problems(comparison: Comparison) -> Iterator[str]:
    """A real server of the batch must accept connections to a VIP itself if it did so before."""
    before, after = comparison.before.view, comparison.after.view
    if not before or not after:
        return
    for (host, place), reply in after.servers.items():
        if (
            host in comparison.batch
            and before.servers.get((host, place)) == "syn-ack"
            and reply != "syn-ack"
        ):
            verb = REAL_SERVER_REPLIES.get(reply, reply)
            yield (
                f"real server: {host} {verb} connections to {endpoint.join(*place)}, "
                "which it accepted before"
            )


def _table_problems(host: str, intended: Table, before: Table, live: Table) -> Iterator[str]:
    """The live table must be the intended one; a server that was down before may stay down."""
    for selector, (options, servers) in intended.items():
        if selector not in live:
            services = ", ".join(live) or "nothing at all"
            yield f"IPVS table: {host} has no {selector}; it has {services}"
            continue
        live_options, live_servers = live[selector]
        if live_options != options:
            yield (
                f"IPVS table: {host} has {selector} with `{live_options}` in place of `{options}`"
            )
        old_servers = before.get(selector, ("", {}))[1]
        for place, rule in servers.items():
            new, old = live_servers.get(place), old_servers.get(place)
            if new == rule or (new == old and old is not None) or weight(rule) == 0:
                continue
            if new is None or weight(new) == 0:
                if old is not None and weight(old) > 0:
                    yield f"IPVS table: {host} has lost {place} from {selector}"
            else:
                yield (
                    f"IPVS table: {host} has {place} in {selector} with `{new}` "
                    f"in place of `{rule}`"
                )
