"""Plan, deploy, verify, status and doctor count the same manual changes, with few execs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provision.checks.verify.snapshot import take
from provision.commands.doctor import inspect_all
from provision.commands.polling import HostPoller
from provision.deploy import inspection
from provision.deploy.project import Project
from provision.hosts.target import Target
from tests.checks.verify.edited_lab import CHECKS_PASS, DELETED, TABLE, EditedLab, lab_project
from tests.hosts.answering import Host
from tests.hosts.told import Told

Drift = dict[str, int]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return lab_project(tmp_path)


def planned(project: Project, lab: EditedLab) -> Drift:
    """The changes that `hactl plan` and `hactl deploy` show."""

    def connect(target: Target) -> Host:
        return lab.of(target.host)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspection, "connect", connect)
        with inspection.inspect(lab.targets, project.render, frozenset(), Told()) as hosts:
            assert not hosts.failures
            return {host: len(plan.changes) for host, plan in hosts.plans.items()}


def verified(project: Project, lab: EditedLab) -> Drift:
    """The changes that `hactl verify` reports."""
    snapshot = take(project, lab, Told())
    return {host: len(changes) for host, changes in snapshot.changes.items()}


def polled(project: Project, lab: EditedLab) -> Drift:
    """The drift that `hactl status` shows."""
    return dict(HostPoller(project, lab).once().drift)


def diagnosed(project: Project, lab: EditedLab) -> Drift:
    """The changes that the rules of `hactl doctor` get."""
    case = inspect_all(project, lab, Told())
    return {host: len(changes) for host, changes in case.changes.items()}


COMMANDS = {"plan": planned, "verify": verified, "status": polled, "doctor": diagnosed}
EDITS: dict[str, tuple[tuple[str, ...], str, Drift]] = {
    "nothing": (TABLE, "", {}),
    "ipvsadm -d": (DELETED, "", {"lvs1": 1}),
    "ip address add VIP on web1": (TABLE, "web1", {"web1": 1}),
    "both": (DELETED, "web1", {"lvs1": 1, "web1": 1}),
}
"""Lvs1's table, the host that has the VIP without being a director, and the drift."""


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_counts_the_same_drift_after_an_edit_by_hand(
    project: Project, command: str, edit: str
) -> None:
    table, vip_on, drift = EDITS[edit]
    lab = EditedLab(project, table, CHECKS_PASS, vip_on)
    assert COMMANDS[command](project, lab) == dict.fromkeys(lab.targets, 0) | drift


@pytest.mark.parametrize(
    ("command", "agents", "in_doubt"),
    [
        (planned, ["observe"], ["status"]),
        (verified, ["look", "observe"], ["status"]),
        (polled, ["status", "observe"], []),
        (diagnosed, ["doctor", "observe"], []),
    ],
    ids=COMMANDS,
)
def test_the_comparison_costs_one_exec_a_host_and_plan_and_verify_ask_a_doubtful_host_again(
    project: Project,
    command: Callable[[Project, EditedLab], Drift],
    agents: list[str],
    in_doubt: list[str],
) -> None:
    lab = EditedLab(project, DELETED, CHECKS_PASS)
    command(project, lab)
    expected = dict.fromkeys(lab.targets, agents) | {"lvs1": [*agents, *in_doubt]}
    assert lab.execs() == expected


def test_a_watched_round_without_a_comparison_is_one_exec_a_host_and_keeps_the_drift(
    project: Project,
) -> None:
    lab = EditedLab(project, DELETED, CHECKS_PASS)
    poller = HostPoller(project, lab)
    assert poller.once().drift["lvs1"] == 1
    lab.execs()
    assert poller.take(10, drift=False).drift["lvs1"] == 1
    assert set(map(tuple, lab.execs().values())) == {("status",)}
