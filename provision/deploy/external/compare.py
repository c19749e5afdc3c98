"""Whether a batch made anything worse: two sightings, before it and after it, beside what is intended. Pure.

Every judgement yields a line for the operator: the name of the check and its evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from provision.deploy.external.client_view import ClientView, Place
from provision.deploy.external.observation import Observation
from provision.formats import endpoint
from provision.formats.ipvsadm import Table, weight
from provision.inventory.frontends import ResolvedFrontend

VMAC = ("00:00:5e:00:01:", "00:00:5e:00:02:")
"""How the hardware addresses of virtual routers begin (RFC 5798 §7.3); whoever is master has it."""


@dataclass(frozen=True)
class ExpectedView:
    """One front end as it must be: `vips` are the addresses that its directors are configured for.

    `due` says that it must be served although it was not before. `away` are directors that must not hold the addresses
    now, `at` is the one that must; both empty for whichever.
    """

    frontend: ResolvedFrontend
    vips: tuple[str, ...]
    due: bool = False
    away: frozenset[str] = frozenset()
    at: str = ""

    @property
    def directors(self) -> tuple[str, ...]:
        """Its directors, the best first."""
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
    """What is judged: the sightings, the batch's hosts, and whose hardware address is whose.

    `intended` has the table that each director of the batch must have.
    """

    before: Observation
    after: Observation
    batch: Collection[str]
    names: Mapping[str, str] = field(default_factory=dict)
    intended: Mapping[str, Table] = field(default_factory=dict)


def served(sighting: Observation, vip: str) -> bool:
    """Whether somebody had the address."""
    view = sighting.view
    return bool(view and view.owners.get(vip)) or any(
        sighting.holds(host, vip) for host in sighting.told
    )


def having_of(sighting: Observation, vip: str) -> tuple[list[str], tuple[str, ...]]:
    """The directors that say they have an address, and the hardware addresses that answer for it."""
    told = [host for host in sighting.told if sighting.holds(host, vip)]
    return told, sighting.view.owners.get(vip, ()) if sighting.view else ()


def wrong(case: Comparison, expected: Collection[ExpectedView]) -> list[str]:
    """What is not as it must be, in words; empty where all is well."""
    found: list[str] = []
    for one in expected:
        for vip in one.vips:
            found += _holder(case, one, vip)
        for place in one.places():
            found += _service(case, one, place)
    found += _servers(case)
    for host, table in case.intended.items():
        found += _table(host, table, case.before.table(host), case.after)
    return list(dict.fromkeys(found))


def _holder(case: Comparison, one: ExpectedView, vip: str) -> Iterator[str]:
    """One holder, and the one that it must be; nothing is asked of an address that nobody had and nobody is due to.

    A second holder that was there before the batch is not the batch's, until the front end's last director has changed.
    """
    view = case.after.view
    told, answering = _having(case, case.after, vip)
    macs = view.owners.get(vip) if view else None
    if len(told) > 1 or len(answering) > 1:
        both = told if len(told) > 1 else answering
        before = {host for hosts in _having(case, case.before, vip) for host in hosts}
        if one.due or not set(both) <= before:
            yield f"one holder: {' and '.join(both)} both have {vip}"
    elif macs == () and (one.due or served(case.before, vip)):
        yield f"one holder: nobody answers for {vip}" + (f", and {told[0]} has it" if told else "")
    elif macs is None and not told and set(one.directors) <= set(case.after.told):
        if one.due or served(case.before, vip):
            yield f"one holder: none of {', '.join(one.directors)} has {vip}"
    else:
        yield from _right_holder(case, one, vip, told, macs or ())


def _having(case: Comparison, sighting: Observation, vip: str) -> tuple[list[str], list[str]]:
    """Who has an address by its own word, and who answers for it."""
    told, macs = having_of(sighting, vip)
    return told, [_name(case, mac) for mac in macs]


def _right_holder(
    case: Comparison, one: ExpectedView, vip: str, told: list[str], macs: tuple[str, ...]
) -> Iterator[str]:
    names = {mac: _name(case, mac) for mac in macs}
    virtual = any(mac.startswith(VMAC) for mac in macs)
    holder = next(
        (name for mac, name in names.items() if name in case.names.values()),
        told[0] if told else "",
    )
    if macs and not virtual and case.names and holder not in one.directors:
        yield f"one holder: {next(iter(names.values()))} answers for {vip}, and is no director of {one.frontend.name}"
    elif holder in one.away or any(host in one.away for host in told):
        yield f"hand-over: {holder or told[0]} still has {vip}"
    elif one.at and not virtual and holder and holder != one.at:
        yield f"hand-over: {holder} has {vip}, not {one.at}"
    view: ClientView | None = case.after.view
    believed = view.believed.get(vip, "") if view else ""
    if macs and believed and believed not in macs:
        yield f"one holder: the client sends what is for {vip} to {_name(case, believed)}, and {holder} answers for it"


def _name(case: Comparison, mac: str) -> str:
    return case.names.get(mac, mac)


def _service(case: Comparison, one: ExpectedView, place: Place) -> Iterator[str]:
    """A service answers as well as it did; one that did not has to where it is due and a server of it is in a table."""
    before, after = case.before.view, case.after.view
    if after is None:
        return
    was = before.rank(place) if before else 0
    if after.rank(place) >= (was or (1 if one.due and _has_server(case.after, place) else 0)):
        return
    replies = after.replies.get(place, ())
    bad = sum(reply == after.worst(place) for reply in replies)
    then = f"; before the batch: {before.worst(place)}" if before and was else ""
    yield f"service: {endpoint.join(*place)}: {bad} of {len(replies)} tries: {after.worst(place)}{then}"


def _has_server(sighting: Observation, place: Place) -> bool:
    """Whether a director that told has a server for it that takes connections."""
    rules = (
        sighting.table(host).get(f"-t {endpoint.join(*place)}", ("", {}))[1]
        for host in sighting.told
    )
    return any(weight(rule) > 0 for servers in rules for rule in servers.values())


def _servers(case: Comparison) -> Iterator[str]:
    """A real server of the batch that took connections to a VIP itself still does."""
    before, after = case.before.view, case.after.view
    if not before or not after:
        return
    for (host, place), reply in after.servers.items():
        if (
            host in case.batch
            and before.servers.get((host, place)) == "syn-ack"
            and reply != "syn-ack"
        ):
            said = {"rst": "refuses", "silent": "does not answer"}.get(reply, reply)
            yield f"real server: {host} {said} connections to {endpoint.join(*place)}, which it took before"


def _table(host: str, intended: Table, before: Table, after: Observation) -> Iterator[str]:
    """The live table is the intended one; a server that was down before may stay down."""
    live = after.table(host)
    for selector, (options, servers) in intended.items():
        if selector not in live:
            yield f"IPVS table: {host} has no {selector}; it has {', '.join(live) or 'nothing at all'}"
            continue
        if live[selector][0] != options:
            yield f"IPVS table: {host} has {selector} with `{live[selector][0]}` in place of `{options}`"
        was = before.get(selector, ("", {}))[1]
        for place, rule in servers.items():
            now, then = live[selector][1].get(place), was.get(place)
            if now == rule or (now == then and then is not None) or weight(rule) == 0:
                continue
            if now is None or weight(now) == 0:
                if then is not None and weight(then) > 0:
                    yield f"IPVS table: {host} has lost {place} from {selector}"
            else:
                yield f"IPVS table: {host} has {place} in {selector} with `{now}` in place of `{rule}`"
