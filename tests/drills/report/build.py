"""Invented results of a lab run, so that the report can be tested without a lab."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

from provision.drills.registry import NAMES
from provision.drills.result import (
    DrillResult,
    Drills,
    Noise,
    Span,
    Survival,
    Timeline,
    TimelineEvent,
)
from provision.prober.record import Advert, ArpClaim, ProbeService, Request

VIP = "192.168.227.10"
WEB = ProbeService("web", f"web {VIP}:80", VIP, 80, "/")
FLOOR = Noise(requests=400, failed=0, median_ms=0.9, p99_ms=4.1, slowest_ms=11.0)


@cache
def timeline(
    outage: float = 0.6, end: float = 10.0, cadence: float = 0.005, services: int = 1
) -> Timeline:
    """A takeover: requests are lost for `outage` seconds, then lvs2 holds the VIP."""
    generator = random.Random(7)
    moments = [k * cadence - 2.0 for k in range(int((end + 2) / cadence))]
    requests = []
    for start in moments:
        done = generator.lognormvariate(0, 0.5) / 1000
        if 0 <= start < outage:
            requests.append(Request(0, start, None, None, "timeout"))
        elif outage <= start < outage + 0.05:
            requests.append(Request(0, start, 0.05, 0.05 + done))
        else:
            requests += [Request(number, start, done / 2, done) for number in range(services)]
    adverts = [Advert(k * 0.2 - 2, "192.168.227.101", 10, 150, 3) for k in range(10)]
    adverts += [
        Advert(outage + k * 0.2, "192.168.227.102", 10, 100, 3)
        for k in range(int((end - outage) / 0.2))
    ]
    return Timeline(
        services=tuple(replace(WEB, port=80 + number) for number in range(services)),
        requests=tuple(requests),
        adverts=tuple(adverts),
        claims=(
            ArpClaim(outage, VIP, "52:54:00:00:00:02"),
            ArpClaim(outage + 0.1, VIP, "52:54:00:00:00:02"),
        ),
        spans=(
            Span("holder", "lvs1", VIP, -2.0, 0.0),
            Span("holder", "lvs2", VIP, outage, end),
            Span("health", "web1", "1", -2.0, end, "lvs1"),
            Span("health", "web1", "1", -2.0, end, "lvs2"),
            Span("health", "web2", "1", -2.0, 3.0, "lvs2"),
            Span("health", "web2", "", 3.0, 6.0, "lvs2"),
            Span("health", "web2", "1", 6.0, end, "lvs2"),
        ),
        marks=(TimelineEvent(0.0, "injected"), TimelineEvent(min(4.0, end), "undone")),
        sources={"192.168.227.101": "lvs1", "192.168.227.102": "lvs2"},
    )


def drill(name: str = "power-cut", **changes: Any) -> DrillResult:
    """A drill that passed, with its timeline."""
    result = DrillResult(
        name=name,
        frontend="web",
        ok=True,
        outage_ms=605.0,
        bound_ms=722.0,
        requests=2400,
        failed_requests=120,
        slowest_ms=1043.0,
        connections=Survival(200, 200),
        holders=("lvs2",),
        noise=FLOOR,
        seconds=14.2,
        timeline=timeline(),
    )
    return replace(result, **changes)


def drills(*results: DrillResult) -> Drills:
    """A run of these drills; without arguments, of all drills."""
    return Drills(
        inventory="inventories/lab.yml",
        digest="5f3c9be2a1d04e77",
        started="2026-11-22T05:40:00Z",
        drills=results or tuple(drill(name) for name in NAMES),
        topology={
            "client": ("client", "192.168.227.100"),
            "lvs1": ("director", "192.168.227.101"),
            "lvs2": ("director", "192.168.227.102"),
            "web1": ("real server", "192.168.227.103"),
            "web2": ("real server", "192.168.227.104"),
        },
        vips=(VIP,),
        versions={
            "lvs1": {"keepalived": "2.2.7", "linux": "6.1.0"},
            "lvs2": {"keepalived": "2.2.7", "linux": "6.1.0"},
        },
        configurations={
            "lvs1": "vrrp_instance web {\n  state BACKUP\n}\n",
            "lvs2": "vrrp_instance web {\n}\n",
        },
    )
