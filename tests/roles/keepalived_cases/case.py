"""A case: a small inventory for keepalived.conf, and short ways to write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.inventory.building import HOSTS, frontend, service

TIMING = {
    "interval": 2.5,
    "retries": 2,
    "delay": 1,
    "warmup": 0.5,
    "alpha": True,
    "log_all_failures": True,
}
BFD = {
    "min_rx": 50,
    "min_tx": 50.5,
    "idle_tx": 1000,
    "multiplier": 3,
    "passive": True,
    "ttl": 255,
    "max_hops": 1,
}


@dataclass(frozen=True)
class Case:
    """Front ends, the variable `keepalived`, their hosts, and other variables."""

    frontends: list[dict[str, Any]]
    keepalived: dict[str, Any] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: HOSTS)
    common: dict[str, Any] = field(default_factory=dict)


def vrrp_case(**fields: Any) -> Case:
    return Case([frontend(vrrp={"virtual_router_id": 10, **fields})])


def service_case(hosts: Mapping[str, Mapping[str, Any]] = HOSTS, **fields: Any) -> Case:
    return Case([frontend(services=[service(**fields)])], hosts=hosts)


def check_case(**fields: Any) -> Case:
    return service_case(check=fields)


def keepalived_case(**fields: Any) -> Case:
    return Case([frontend()], fields)
