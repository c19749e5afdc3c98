"""The effect of each fault on clients, from the figures of `hactl failover-test`."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

REPORT = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "report"
AGAIN = REPORT.with_name("again")
DIRECTOR = (
    "hand-over",
    "failback",
    "keepalived-stop",
    "keepalived-kill",
    "link-down",
    "vrrp-blocked",
    "power-cut",
)
"""Faults of a director; long-lived connections survive each of them."""

REAL_SERVER = (
    "real-server-stop",
    "real-server-flap",
    "real-server-without-vip",
    "all-real-servers-down",
)
VIP = "192.168.233.10"


@pytest.fixture(scope="session")
def drills() -> dict[str, Any]:
    """The drills of the run by name; the second result of a drill that was repeated."""
    reports = [folder / "report.json" for folder in (REPORT, AGAIN)]
    results = [
        drill
        for report in reports
        if report.exists()
        for drill in json.loads(report.read_text())["drills"]
    ]
    return {drill["name"]: drill for drill in results}


@pytest.fixture(params=DIRECTOR)
def director_drill(request: pytest.FixtureRequest, drills: dict[str, Any]) -> Any:
    """Each fault of a director."""
    return drills[request.param]


def test_all_drills_ran(drills: dict[str, Any]) -> None:
    assert sorted(drills) == sorted((*DIRECTOR, *REAL_SERVER))


@pytest.mark.parametrize("name", (*DIRECTOR, *REAL_SERVER))
def test_the_drill_passed(drills: dict[str, Any], name: str) -> None:
    assert drills[name]["ok"], drills[name]["messages"]
    assert drills[name]["skipped"] is None
    assert drills[name]["requests"] > 0


def test_every_connection_survives(director_drill: Any) -> None:
    assert director_drill["connections"] == {"established": 200, "survived": 200}, director_drill[
        "messages"
    ]


def test_one_director_holds_the_vip_afterwards(director_drill: Any) -> None:
    # While the adverts are blocked, both directors hold it: this drill makes a split brain.
    assert len(director_drill["holders"]) == (2 if director_drill["name"] == "vrrp-blocked" else 1)


def test_the_outage_of_a_power_cut_is_within_its_bound_and_a_second(drills: dict[str, Any]) -> None:
    drill = drills["power-cut"]
    bound_ms = drill["bound_ms"] + drill["noise"]["slowest_ms"] + 5
    assert 0 < drill["outage_ms"] <= min(bound_ms, 1000), drill


def test_a_stop_costs_150_ms_at_most(drills: dict[str, Any]) -> None:
    assert drills["keepalived-stop"]["outage_ms"] <= 150


@pytest.mark.parametrize("name", ["hand-over", "failback"])
def test_a_planned_change_of_the_holder_costs_nothing(drills: dict[str, Any], name: str) -> None:
    assert drills[name]["requests"] >= 2000
    assert drills[name]["failed_requests"] == 0
    assert drills[name]["slowest_ms"] <= 200


def test_split_brain_is_named(drills: dict[str, Any]) -> None:
    assert any("split brain" in message for message in drills["vrrp-blocked"]["messages"])


def test_the_report_is_complete() -> None:
    cases = ElementTree.parse(REPORT / "junit.xml").getroot().iter("testcase")
    assert len(list(cases)) == len((*DIRECTOR, *REAL_SERVER))
    assert "power-cut" in (REPORT / "report.html").read_text()


def test_the_drills_left_nothing_on_a_director(director: Host) -> None:
    assert director.run("ls -A /run/hactl/fault 2>/dev/null").stdout == ""
    assert "hactl_drill" not in director.run("nft list tables 2>/dev/null").stdout
    assert director.service("keepalived").is_running
