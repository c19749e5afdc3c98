"""Every judgement on running hosts, by what it is about, and all of them at once.

A judgement takes what was seen and a host or a front end and yields a Finding for whatever is not as it should be.
The name of the function is the name of the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from provision.hosts.live.kernel import arp, forwarding, rp_filter, send_redirects
from provision.hosts.live.service import listeners
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding
from provision.hosts.live.table import drained_alike, sync_daemons, table
from provision.hosts.live.vips import (
    best_is_master,
    holder_is_master,
    lo_vips,
    one_holder,
    stray_lo_vips,
)
from provision.hosts.live.vrrp import heard, instances, keepalived_runs, no_fault
from provision.inventory.frontends import ResolvedFrontend

HostCheck = Callable[[Snapshot, str], Iterator[LiveFinding]]
FrontendCheck = Callable[[Snapshot, ResolvedFrontend], Iterator[LiveFinding]]

CLOCKS = 1.0
"""Seconds by which a host's clock may differ from the others': logs of several hosts are read side by side."""


def clock(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The clocks agree: their logs are compared, and certificates and leases judged by them."""
    live = seen.lives[host]
    apart = live.clock - seen.clock
    if abs(apart) - live.round_trip / 2 > CLOCKS:
        what = f"its clock is {abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} the other hosts'"
        why = f"measured to {live.round_trip / 2:.2f} s"
        yield LiveFinding(
            "clock", host, what, why, "let it follow a time server: `timedatectl set-ntp true`"
        )


HOST: tuple[HostCheck, ...] = (clock, stray_lo_vips)
DIRECTOR: tuple[HostCheck, ...] = (
    keepalived_runs,
    instances,
    no_fault,
    table,
    sync_daemons,
    send_redirects,
    forwarding,
)
REAL_SERVER: tuple[HostCheck, ...] = (lo_vips, arp, rp_filter, listeners)
FRONTEND: tuple[FrontendCheck, ...] = (
    one_holder,
    holder_is_master,
    best_is_master,
    heard,
    drained_alike,
)


def judge(seen: Snapshot, frontend: ResolvedFrontend | None = None) -> list[LiveFinding]:
    """Every finding on all front ends, or on one and its hosts; about hosts that were not looked at nothing is said."""
    topology = seen.topology
    chosen = topology.frontends if frontend is None else (frontend,)
    directors = {each.host for one in chosen for each in one.directors}
    servers = {host for one in chosen for host in one.real_servers}
    found = [finding for one in chosen for check in FRONTEND for finding in check(seen, one)]
    for host in seen.lives:
        if frontend is None or host in directors | servers:
            found += [finding for check in HOST for finding in check(seen, host)]
        if host in directors:
            found += [finding for check in DIRECTOR for finding in check(seen, host)]
        if host in servers:
            found += [finding for check in REAL_SERVER for finding in check(seen, host)]
    return found
