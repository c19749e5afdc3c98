"""What a drill left behind: a host before and after, compared. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provision.hosts.live.state import LiveHost

BOUND_TO_A_BOOT = ("file /run/hactl/loaded",)
"""What a host forgets with its power; a deploy writes it anew when it reloads something."""


def differences(
    before: LiveHost, after: LiveHost, moving: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """What is not as it was, in words, without counters, process numbers and what `moving` addresses take along."""
    was, now = _facts(before, moving), _facts(after, moving)
    rebooted = before.boot_id != after.boot_id
    return tuple(
        f"{after.host}: {text}"
        for kind in was
        for text in _changes(kind, was[kind], now[kind])
        if not (rebooted and kind == "carrier")
    )


def trace_differences(
    host: str, before: frozenset[str], after: frozenset[str], rebooted: bool
) -> tuple[str, ...]:
    """Files, packet filters and processes of drills that came or went."""
    gone = [
        trace
        for trace in sorted(before - after)
        if not (rebooted and trace.startswith(BOUND_TO_A_BOOT))
    ]
    came = sorted(after - before)
    return (
        *(f"{host}: {trace} is left behind" for trace in came),
        *(f"{host}: {trace} is gone" for trace in gone),
    )


def _facts(live: LiveHost, moving: frozenset[str]) -> dict[str, Mapping[str, Any]]:
    return {
        "address": {
            f"{own.address}/{own.prefix} on {own.interface}": own.label
            for own in live.addresses
            if own.address not in moving
        },
        "carrier": dict(live.carriers),
        "parameter": dict(live.sysctls),
        "unit": {name: f"{unit.active}, {unit.enabled}" for name, unit in live.units.items()},
        "service": {service.selector: service.scheduler for service in live.services},
        "real server": {
            f"{server.address} port {server.port} of {service.selector}": f"{server.forward}, weight {server.weight}"
            for service in live.services
            for server in service.servers
        },
        "sync daemon": {
            daemon.role: f"{daemon.interface}, id {daemon.sync_id}" for daemon in live.sync
        },
        "instance": {
            one.name: "" if moving & set(one.vips) else f"{one.state}, priority {one.priority}"
            for one in live.vrrp
        },
        "listener": {
            f"{one.protocol} {one.address} port {one.port}": one.unit
            for one in live.listeners
            if one.protocol == "tcp"
        },
    }


def _changes(kind: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(was.keys() - now.keys()):
        yield f"{kind} {name} is gone"
    for name in sorted(now.keys() - was.keys()):
        yield f"{kind} {name} is new"
    for name in sorted(name for name in was.keys() & now.keys() if was[name] != now[name]):
        yield f"{kind} {name} was {was[name]!r} and is {now[name]!r}"
