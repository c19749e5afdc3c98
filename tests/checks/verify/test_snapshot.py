"""Verify finds the same drift in a director's table as plan, in real output of ipvsadm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from provision.checks.verify.run import examine
from provision.checks.verify.snapshot import take
from provision.deploy.host_inspection import compare, inspect_host
from provision.deploy.project import Project
from tests.checks.verify.edited_lab import (
    CHECKS_PASS,
    DELETED,
    REWEIGHTED,
    SERVICE,
    TABLE,
    WEB2_FAILS,
    EditedLab,
    lab_project,
)
from tests.hosts.told import Told


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return lab_project(tmp_path)


def planned(project: Project, lab: EditedLab) -> dict[str, list[str]]:
    """The changes that `hactl plan` shows for each host."""
    plans = {host: inspect_host(lab.of(host), project.render, frozenset()) for host in lab.targets}
    return {
        host: [change.detail for change in plan.changes]
        for host, plan in compare(plans, lab.of).items()
    }


def verified(project: Project, lab: EditedLab) -> dict[str, list[str]]:
    """The changes in the snapshot of `hactl verify`."""
    snapshot = take(project, lab, Told())
    return {
        host: [change.detail for change in changes] for host, changes in snapshot.changes.items()
    }


@pytest.mark.parametrize(
    ("table", "log", "drift"),
    [
        (TABLE, CHECKS_PASS, []),
        (
            DELETED,
            CHECKS_PASS,
            ["web2 is missing, its check succeeds: restart Keepalived's checker"],
        ),
        (REWEIGHTED, CHECKS_PASS, ["web2 -g -w 5 → -g -w 1"]),
        ((), CHECKS_PASS, ["not in the table: restart Keepalived's checker"]),
        (DELETED, WEB2_FAILS, []),
        (DELETED, (), []),
    ],
    ids=[
        "as intended",
        "ipvsadm -d",
        "ipvsadm -e -w 5",
        "ipvsadm -C",
        "taken out by its check",
        "without a log",
    ],
)
def test_verify_and_plan_find_the_same_drift(
    project: Project, table: Sequence[str], log: Sequence[str], drift: list[str]
) -> None:
    lab = EditedLab(project, table, log)
    assert planned(project, lab) == {"lvs1": drift, "lvs2": [], "web1": [], "web2": []}
    assert verified(project, lab) == planned(project, lab)


@pytest.mark.parametrize("table", [DELETED, REWEIGHTED], ids=["ipvsadm -d", "ipvsadm -e -w 5"])
def test_a_table_edited_by_hand_fails_the_check_of_the_installed_state(
    project: Project, table: Sequence[str]
) -> None:
    lab = EditedLab(project, table, CHECKS_PASS)
    checks = examine(project, lab, take(project, lab, Told()))
    failed = {(check.name, check.host): check.message for check in checks if not check.ok}
    assert SERVICE in failed["installed", "lvs1"]
    assert ("table", "lvs1") in failed
    assert ("installed", "lvs2") not in failed
