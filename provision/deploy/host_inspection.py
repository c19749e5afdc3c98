"""Inspect hosts: how each differs from the inventory, manual changes included. Nothing is changed.

Plan, deploy, verify, status and doctor all use these functions: they always count the same drift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from provision.core.errors import HostError
from provision.core.facts import Facts
from provision.deploy import manual_edits
from provision.deploy.plan import HostPlan, plan_host
from provision.desired.items import DesiredHost
from provision.hosts.agent.look import look_with
from provision.hosts.agent.observe import observe
from provision.hosts.channel import Session
from provision.hosts.live.health import Health, health
from provision.hosts.live.state import LiveHost

Render = Callable[[str, Facts], DesiredHost]


@dataclass(frozen=True)
class LiveAnswer:
    """A running host's answer: its live state, and the last results of its health checks."""

    live: LiveHost
    health: Mapping[str, Health]

    @classmethod
    def of(cls, live: LiveHost, sections: Mapping[str, Sequence[str]]) -> LiveAnswer:
        """The answer of an agent that prints the section `checks`: `status` and `doctor` do."""
        return cls(live, health(sections.get("checks", ())))


def inspect_host(session: Session, render: Render, secrets: frozenset[str]) -> HostPlan:
    """The plan of one host, from its own state alone; one exec. `secrets` are masked in its diffs.

    Raises:
        HostError: the connection was lost, or the host's answer cannot be read.
        HactlError: raised by `render`.
    """
    desired, observed = observe(session, lambda facts: render(session.host, facts))
    return plan_host(desired, observed, secrets)


def compare(
    plans: Mapping[str, HostPlan], session_of: Callable[[str], Session]
) -> dict[str, HostPlan]:
    """The plans with the manual changes that one host's state does not show.

    Each host in doubt gets one more exec. A host that does not answer keeps its plan.
    """
    answers = {}
    for host in _in_doubt(plans):
        with suppress(HostError):
            answers[host] = LiveAnswer.of(*look_with(session_of(host), "status"))
    return with_manual_edits(plans, answers)


def with_manual_edits(
    plans: Mapping[str, HostPlan], answers: Mapping[str, LiveAnswer]
) -> dict[str, HostPlan]:
    """The plans with the manual changes that only the answers of the hosts in doubt show. Pure.

    Two hosts have the same VIP: the answer of a director says whether it is master. A table lacks a
    real server: the answer says whether a health check removed it. A host without an answer keeps
    its plan.
    """
    edited = dict(plans)
    doubtful = {host: answers[host] for host in _in_doubt(plans) if host in answers}
    lives = {host: answer.live for host, answer in doubtful.items()}
    for host, change in manual_edits.manually_added_vips(plans, lives):
        edited[host] = edited[host].with_changes(change)
    for host, answer in doubtful.items():
        edited[host] = edited[host].with_changes(
            *manual_edits.manually_removed_servers(
                plans[host], answer.health, answer.live.ipvs_saved
            )
        )
    return edited


def _in_doubt(plans: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """The hosts whose live state says whether they are master, or what removed a real server."""
    return tuple(
        dict.fromkeys((*manual_edits.needs_vrrp_state(plans), *manual_edits.needs_check_log(plans)))
    )
