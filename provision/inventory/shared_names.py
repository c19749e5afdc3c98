"""Checks of names that keepalived.conf shares between front ends: what is tracked, sync groups, BFD sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from provision.core.errors import Position, Problem
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.hosts import Inventory
from provision.inventory.model.checks import BfdCheck, BfdTiming, Connecting
from provision.inventory.model.text import Model
from provision.inventory.settings import HostSettings

_HOST_NAME = re.compile(r"[\w:][\w.:-]*")


def definition_problems(
    frontends: Sequence[ResolvedFrontend],
    settings: Mapping[str, HostSettings],
    inventory: Inventory,
) -> Iterator[Problem]:
    """Host names that are none, names defined twice with different meanings, sync groups nobody joins, and so on."""
    yield from _host_names(inventory)
    yield from _clashes(frontends)
    yield from _sync_groups(frontends, settings, inventory)
    yield from _bfd_sessions(frontends)
    yield from _owners(frontends, settings)
    for frontend in frontends:
        yield from _portless_checks(frontend)


def definition(tracked: Model) -> Model:
    """What is tracked without the weight it is tracked with: two front ends may share the one and not the other."""
    return tracked.model_copy(update={"weight": None, "reverse": False})


def _host_names(inventory: Inventory) -> Iterator[Problem]:
    """Names that mean something else where they are used: as a folder of `render --out`, in a command to be copied."""
    for name, host in inventory.hosts.items():
        if not _HOST_NAME.fullmatch(name):
            what = f"{name!a} cannot be a host's name"
            why = "folders are called after it, and commands that are shown name it"
            yield Problem(
                host.position, "host-name", what, why, "use letters, digits, `.`, `_` and `-`"
            )


def _clashes(frontends: Sequence[ResolvedFrontend]) -> Iterator[Problem]:
    seen: dict[tuple[type, str], tuple[Model, str]] = {}
    for frontend in frontends:
        for tracked in frontend.vrrp.tracked():
            own = definition(tracked)
            first, where = seen.setdefault((type(tracked), tracked.name), (own, frontend.name))
            if first != own:
                what = f"`{tracked.name}` is defined differently in the front ends {where} and {frontend.name}"
                place = frontend.node.at("vrrp").position
                yield Problem(
                    place,
                    "track-name-clash",
                    what,
                    "keepalived.conf has one definition a name",
                    "rename one of them",
                )


def _sync_groups(
    frontends: Sequence[ResolvedFrontend],
    settings: Mapping[str, HostSettings],
    inventory: Inventory,
) -> Iterator[Problem]:
    """Options for a sync group that no front end joins."""
    joined = {frontend.vrrp.sync_group for frontend in frontends}
    told: set[Position] = set()
    for host, own in settings.items():
        node = inventory.hosts[host].node("keepalived").at("sync_groups")
        for index, group in enumerate(own.keepalived.sync_groups):
            place = node.at(index).position
            if group.name not in joined and place not in told:
                told.add(place)
                what = f"no front end is in the sync group `{group.name}`"
                why, fix = (
                    "its options have no effect",
                    f"set `sync_group: {group.name}` under a `vrrp:`",
                )
                yield Problem(place, "sync-group-unused", what, why, fix)


def _bfd_sessions(frontends: Sequence[ResolvedFrontend]) -> Iterator[Problem]:
    """One real server has one BFD session with a director, so its timers can be set one way only."""
    seen: dict[str, BfdTiming] = {}
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                for check in server.options.check or service.model.check:
                    if isinstance(check, BfdCheck) and seen.setdefault(server.host, check) != check:
                        what = f"the BFD checks of {server.host} differ"
                        why = "a director has one session with a real server (RFC 5880 §6.3)"
                        place = service.node.at("check").position
                        yield Problem(
                            place, "bfd-session-clash", what, why, "give them the same timers"
                        )


def _owners(
    frontends: Sequence[ResolvedFrontend], settings: Mapping[str, HostSettings]
) -> Iterator[Problem]:
    """A director whose one IPVS table both keepalived and ipvsadm would fill; told once for all directors."""
    asked: dict[str, dict[str, ResolvedFrontend]] = {}
    for frontend in frontends:
        for director in frontend.directors:
            owner = (
                frontend.model.ipvs_manager or settings[director.host].ipvs_manager or "keepalived"
            )
            asked.setdefault(director.host, {})[owner] = frontend
    for host, owners in asked.items():
        if len(owners) > 1:
            frontend = owners["ipvsadm"]
            what = f"keepalived and ipvsadm would both fill the IPVS table of {host}"
            why = "`ipvsadm --restore` clears the whole table, keepalived's services too"
            place = frontend.node.at("ipvs_manager").position
            yield Problem(
                place,
                "ipvs-two-owners",
                what,
                why,
                "set `ipvs_manager` alike for all its front ends",
            )
            return


def _portless_checks(frontend: ResolvedFrontend) -> Iterator[Problem]:
    """Checks that open a connection where the service has no port to check."""
    for service in frontend.services:
        for server in service.real_servers:
            if service.port(server) is not None:
                continue
            for check in server.options.check or service.model.check:
                if isinstance(check, Connecting) and check.type != "ping" and check.port is None:
                    what = "this check has no port"
                    place = service.node.at("check").position
                    yield Problem(
                        place,
                        "check-without-port",
                        what,
                        "the service has none to take it from",
                        "add `port:` to the check",
                    )
                    return
