"""All checks of running hosts.

A check takes the snapshot, and a host or a front end. It yields a LiveFinding for each problem. The
name of the function is the name of the check.
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

MAX_CLOCK_DIFFERENCE = 1.0
"""Maximum seconds between a host's clock and the median: operators compare logs of hosts."""


def clock(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The clocks agree: operators compare logs, and certificates and leases depend on the clock."""
    live = snapshot.lives[host]
    difference = live.clock - snapshot.clock
    if abs(difference) - live.round_trip / 2 > MAX_CLOCK_DIFFERENCE:
        direction = "ahead of" if difference > 0 else "behind"
        yield LiveFinding(
            "clock",
            host,
            f"its clock is {abs(difference):.1f} s {direction} the other hosts'",
            f"measured to {live.round_trip / 2:.2f} s",
            "let it follow a time server: `timedatectl set-ntp true`",
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


def judge(snapshot: Snapshot, frontend: ResolvedFrontend | None = None) -> list[LiveFinding]:
    """Return the findings on all front ends, or on one front end and its hosts.

    Hosts without a look have no findings.
    """
    topology = snapshot.topology
    frontends = topology.frontends if frontend is None else (frontend,)
    directors = {director.host for front in frontends for director in front.directors}
    servers = {host for front in frontends for host in front.real_servers}
    findings = [
        finding for front in frontends for check in FRONTEND for finding in check(snapshot, front)
    ]
    for host in snapshot.lives:
        if frontend is None or host in directors | servers:
            findings += [finding for check in HOST for finding in check(snapshot, host)]
        if host in directors:
            findings += [finding for check in DIRECTOR for finding in check(snapshot, host)]
        if host in servers:
            findings += [finding for check in REAL_SERVER for finding in check(snapshot, host)]
    return findings
