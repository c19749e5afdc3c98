"""Checks of names that front ends share in keepalived.conf, such as those of sync groups."""

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
    """Problems of shared names.

    They are invalid host names, names with two definitions, sync groups without members, BFD
    sessions with two sets of timers, IPVS tables with two owners, and checks without a port.
    """
    yield from _host_name_problems(inventory)
    yield from _definition_clashes(frontends)
    yield from _unused_sync_groups(frontends, settings, inventory)
    yield from _bfd_session_clashes(frontends)
    yield from _table_owner_problems(frontends, settings)
    for frontend in frontends:
        yield from _portless_checks(frontend)


def definition(tracked: Model) -> Model:
    """The tracked object without its weight: front ends may share it with different weights."""
    return tracked.model_copy(update={"weight": None, "reverse": False})


def _host_name_problems(inventory: Inventory) -> Iterator[Problem]:
    """Host names that are unsafe as a folder of `render --out` or in a command."""
    for name, host in inventory.hosts.items():
        if not _HOST_NAME.fullmatch(name):
            message = f"{name!a} cannot be a host's name"
            why = "it names folders, and appears in commands for the operator"
            yield Problem(
                host.position, "host-name", message, why, "use letters, digits, `.`, `_` and `-`"
            )


def _definition_clashes(frontends: Sequence[ResolvedFrontend]) -> Iterator[Problem]:
    definitions: dict[tuple[type, str], tuple[Model, str]] = {}
    for frontend in frontends:
        for tracked in frontend.vrrp.tracked():
            object_definition = definition(tracked)
            first, name = definitions.setdefault(
                (type(tracked), tracked.name), (object_definition, frontend.name)
            )
            if first != object_definition:
                message = (
                    f"`{tracked.name}` is defined differently in the front ends "
                    f"{name} and {frontend.name}"
                )
                place = frontend.node.at("vrrp").position
                yield Problem(
                    place,
                    "track-name-clash",
                    message,
                    "keepalived.conf has a single definition for a name",
                    "rename one of them",
                )


def _unused_sync_groups(
    frontends: Sequence[ResolvedFrontend],
    settings: Mapping[str, HostSettings],
    inventory: Inventory,
) -> Iterator[Problem]:
    """Sync groups with options that no front end joins."""
    joined = {frontend.vrrp.sync_group for frontend in frontends}
    reported: set[Position] = set()
    for host, host_settings in settings.items():
        node = inventory.hosts[host].node("keepalived").at("sync_groups")
        for index, group in enumerate(host_settings.keepalived.sync_groups):
            place = node.at(index).position
            if group.name not in joined and place not in reported:
                reported.add(place)
                message = f"no front end is in the sync group `{group.name}`"
                why, fix = (
                    "its options have no effect",
                    f"set `sync_group: {group.name}` under a `vrrp:`",
                )
                yield Problem(place, "sync-group-unused", message, why, fix)


def _bfd_session_clashes(frontends: Sequence[ResolvedFrontend]) -> Iterator[Problem]:
    """BFD checks of a real server with different timers; a director has one session with it."""
    checks: dict[str, BfdTiming] = {}
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                for check in server.options.check or service.model.check:
                    if (
                        isinstance(check, BfdCheck)
                        and checks.setdefault(server.host, check) != check
                    ):
                        message = f"the BFD checks of {server.host} differ"
                        why = "a director has one session with a real server (RFC 5880 §6.3)"
                        place = service.node.at("check").position
                        yield Problem(
                            place, "bfd-session-clash", message, why, "give them the same timers"
                        )


def _table_owner_problems(
    frontends: Sequence[ResolvedFrontend], settings: Mapping[str, HostSettings]
) -> Iterator[Problem]:
    """A director whose IPVS table both keepalived and ipvsadm would fill; reported once for all."""
    owners_by_director: dict[str, dict[str, ResolvedFrontend]] = {}
    for frontend in frontends:
        for director in frontend.directors:
            owner = (
                frontend.model.ipvs_manager or settings[director.host].ipvs_manager or "keepalived"
            )
            owners_by_director.setdefault(director.host, {})[owner] = frontend
    for host, owners in owners_by_director.items():
        if len(owners) > 1:
            frontend = owners["ipvsadm"]
            message = f"keepalived and ipvsadm would both fill the IPVS table of {host}"
            why = "`ipvsadm --restore` clears the whole table, keepalived's services too"
            place = frontend.node.at("ipvs_manager").position
            yield Problem(
                place,
                "ipvs-two-owners",
                message,
                why,
                "set `ipvs_manager` alike for all its front ends",
            )
            return


def _portless_checks(frontend: ResolvedFrontend) -> Iterator[Problem]:
    """Checks that need a port, on a service that has none."""
    for service in frontend.services:
        for server in service.real_servers:
            if service.port(server) is not None:
                continue
            for check in server.options.check or service.model.check:
                if isinstance(check, Connecting) and check.type != "ping" and check.port is None:
                    message = "this check has no port"
                    place = service.node.at("check").position
                    yield Problem(
                        place,
                        "check-without-port",
                        message,
                        "the service has none to take it from",
                        "add `port:` to the check",
                    )
                    return
