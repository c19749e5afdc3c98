"""Real servers that a hand took out of a table that Keepalived fills: its checks say that they are well. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from provision.deploy.change import Change
from provision.deploy.drift import absent, restart_checker
from provision.deploy.plan import HostPlan
from provision.hosts.live.health import Health, words_on


def needs_log(plans: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """The directors that lack a real server in their table: their log says whether a check took it out."""
    return tuple(host for host, plan in plans.items() if absent(plan.desired, plan.observed))


def missing(plan: HostPlan, said: Mapping[str, Health], table: Sequence[str]) -> Iterator[Change]:
    """The real servers that no check took out: the checker that runs now found each well, and took it out of nothing.

    `table` was read after the log (`ipvsadm -Sn`): one that a check has just brought back is in it. Where there is no
    word (the log was cut off), nothing is known, and nothing is changed.
    """
    for virtual, host, place in absent(plan.desired, replace(plan.observed, table=tuple(table))):
        words = words_on(said, place)
        if words and all(word.well and not word.out_of for word in words):
            yield restart_checker(virtual, f"{host} is not in it, and its check is well", place)
