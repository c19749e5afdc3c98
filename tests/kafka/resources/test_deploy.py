"""The cluster's side of a deploy: when there is one, and what it shows before there is a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.core.errors import HactlError, InputError
from provision.core.events import Console
from provision.core.facts import Facts
from provision.deploy.change import Change
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.project import Project
from provision.desired.items import DesiredHost
from provision.hosts.agent.observe import Observed
from provision.inventory.topology import build
from provision.kafka.resources.deploy import UNIT, ClusterDeploy
from provision.kafka.resources.observe import NotAdmitted
from tests.inventory.test_kafka import USERS, site

BROKERS = ("kafka1", "kafka2", "kafka3")
ORDERS = {"orders": {"password": "0rders"}}
TOPICS = {"orders": {"partitions": 3}}


def project(**kafka: Any) -> Project:
    """The usual three brokers with changes."""
    found = site(**kafka)
    return Project(Path("site.yml"), found, build(found))


def survey(*new: str) -> Inspection:
    """A survey in which these hosts get their first broker, and kafka1 has something else to change."""
    changes = {
        host: (Change("file", UNIT if host in new else "/etc/kafka/setup", "create"),)
        for host in BROKERS
    }
    return Inspection(
        {
            host: HostPlan(host, made, DesiredHost(host, ()), Observed(Facts(), {}))
            for host, made in changes.items()
        }
    )


def shown(side: ClusterDeploy) -> list[str]:
    """Its lines of a plan."""
    return [line for line, _ in side.plan_lines()]


@pytest.mark.parametrize(
    ("kafka", "more"),
    [
        ({}, False),
        ({"users": {**USERS, **ORDERS}}, True),
        ({"users": {**USERS, **ORDERS}, "mechanisms": "PLAIN"}, False),
        ({"topics": TOPICS}, True),
        (
            {"users": {**USERS, "check": {"password": "x", "quotas": {"producer_byte_rate": 1}}}},
            True,
        ),
        (
            {
                "users": {
                    **USERS,
                    "check": {"password": "x", "acls": [{"operations": "Read", "topics": "a"}]},
                }
            },
            True,
        ),
    ],
)
def test_there_is_a_side_where_the_brokers_files_do_not_hold_it_all(
    kafka: dict[str, Any], more: bool
) -> None:
    assert (ClusterDeploy.of(project(**kafka)).project is not None) is more


def test_with_no_broker_yet_all_but_the_first_users_is_to_be_made() -> None:
    side = ClusterDeploy.of(project(users={**USERS, **ORDERS}, topics=TOPICS))
    side.make_plan(survey(*BROKERS))
    assert shown(side) == [
        "", "cluster kafka", "  + user     orders  SCRAM-SHA-512, 4096 iterations",
        "  + topic    orders  3 partitions, 3 replicas", "", "Plan: 2 to create on cluster kafka.",
    ]  # fmt: skip
    assert side.plan_json()["cluster"]["changes"] == side.changes() == 2


def test_a_run_limited_to_some_hosts_leaves_the_cluster_alone_and_says_so() -> None:
    side = ClusterDeploy.of(project(topics=TOPICS), "kafka1")
    side.make_plan(survey(*BROKERS))
    assert shown(side) == ["The cluster stays unchanged: this run is limited to some hosts."]
    assert (side.changes(), side.plan_json()) == (0, {})


def test_what_cannot_be_asked_now_may_be_once_the_hosts_are_deployed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    side = ClusterDeploy.of(project(topics=TOPICS))
    side.failure = HactlError("nobody listens")
    side.defer(survey("kafka1"), Console())
    assert side.failure is None
    assert (
        "cluster kafka: nobody listens; planned once the hosts are deployed"
        in capsys.readouterr().err
    )
    side.failure = HactlError("nobody listens")
    with pytest.raises(HactlError, match="nobody listens"):
        side.defer(Inspection(), Console())
    side.failure = InputError([])
    with pytest.raises(InputError):
        side.defer(survey("kafka1"), Console())
    side.failure = NotAdmitted("kafka1:9092", "does not let admin in")
    with pytest.raises(NotAdmitted):
        side.defer(survey("kafka1"), Console())
