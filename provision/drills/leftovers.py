"""The leftovers of a drill: the differences of a host before and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provision.hosts.live.state import LiveHost

LOST_ON_REBOOT = ("file /run/hactl/loaded",)
"""Traces that a host loses when it reboots; a deploy writes them again when it reloads a unit."""


def differences(
    before: LiveHost, after: LiveHost, moving: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Messages about what differs on a host.

    Counters, process numbers and `moving` addresses, with the state of their VRRP instances, do
    not count.
    """
    old, new = _facts(before, moving), _facts(after, moving)
    rebooted = before.boot_id != after.boot_id
    return tuple(
        f"{after.host}: {text}"
        for kind in old
        for text in _changes(kind, old[kind], new[kind])
        if not (rebooted and kind == "carrier")
    )


def trace_differences(
    host: str, before: frozenset[str], after: frozenset[str], rebooted: bool
) -> tuple[str, ...]:
    """Messages about files, packet filters and processes of drills that are new or gone."""
    gone = [
        trace
        for trace in sorted(before - after)
        if not (rebooted and trace.startswith(LOST_ON_REBOOT))
    ]
    return (
        *(f"{host}: {trace} is left behind" for trace in sorted(after - before)),
        *(f"{host}: {trace} is gone" for trace in gone),
    )


def _facts(live: LiveHost, moving: frozenset[str]) -> dict[str, Mapping[str, Any]]:
    return {
        "address": {
            f"{address.address}/{address.prefix} on {address.interface}": address.label
            for address in live.addresses
            if address.address not in moving
        },
        "carrier": dict(live.carriers),
        "parameter": dict(live.sysctls),
        "unit": {name: f"{unit.active}, {unit.enabled}" for name, unit in live.units.items()},
        "service": {service.selector: service.scheduler for service in live.services},
        "real server": {
            f"{server.address} port {server.port} of {service.selector}": (
                f"{server.forward}, weight {server.weight}"
            )
            for service in live.services
            for server in service.servers
        },
        "sync daemon": {
            daemon.role: f"{daemon.interface}, id {daemon.sync_id}" for daemon in live.sync
        },
        "instance": {
            instance.name: ""
            if moving & set(instance.vips)
            else f"{instance.state}, priority {instance.priority}"
            for instance in live.vrrp
        },
        "listener": {
            f"{listener.protocol} {listener.address} port {listener.port}": listener.unit
            for listener in live.listeners
            if listener.protocol == "tcp"
        },
    }


def _changes(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() - new.keys()):
        yield f"{kind} {name} is gone"
    for name in sorted(new.keys() - old.keys()):
        yield f"{kind} {name} is new"
    for name in sorted(name for name in old.keys() & new.keys() if old[name] != new[name]):
        yield f"{kind} {name} was {old[name]!r} and is {new[name]!r}"
