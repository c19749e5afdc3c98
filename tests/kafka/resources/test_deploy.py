"""The cluster's part of a deploy: when there is one, and its plan before there is a broker."""

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
    """Return the usual cluster of three brokers, with changes."""
    inventory = site(**kafka)
    return Project(Path("site.yml"), inventory, build(inventory))


def inspection_of(*new: str) -> Inspection:
    """Return an inspection in which the `new` hosts get their first broker."""
    changes = {
        host: (Change("file", UNIT if host in new else "/etc/kafka/setup", "create"),)
        for host in BROKERS
    }
    return Inspection(
        {
            host: HostPlan(host, host_changes, DesiredHost(host, ()), Observed(Facts(), {}))
            for host, host_changes in changes.items()
        }
    )


def lines_of(cluster_deploy: ClusterDeploy) -> list[str]:
    """Return the lines of its plan."""
    return [line for line, _ in cluster_deploy.plan_lines()]


@pytest.mark.parametrize(
    ("kafka", "expected"),
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
def test_there_is_a_part_if_the_brokers_files_do_not_contain_everything(
    kafka: dict[str, Any], expected: bool
) -> None:
    assert (ClusterDeploy.of(project(**kafka)).project is not None) is expected


def test_without_any_broker_the_plan_creates_everything_but_the_first_users() -> None:
    cluster_deploy = ClusterDeploy.of(project(users={**USERS, **ORDERS}, topics=TOPICS))
    cluster_deploy.make_plan(inspection_of(*BROKERS))
    assert lines_of(cluster_deploy) == [
        "",
        "cluster kafka",
        "  + user     orders  SCRAM-SHA-512, 4096 iterations",
        "  + topic    orders  3 partitions, 3 replicas",
        "",
        "Plan: 2 to create on cluster kafka.",
    ]
    assert cluster_deploy.plan_json()["cluster"]["changes"] == cluster_deploy.changes() == 2


def test_a_run_limited_to_some_hosts_does_not_change_the_cluster_and_says_so() -> None:
    cluster_deploy = ClusterDeploy.of(project(topics=TOPICS), "kafka1")
    cluster_deploy.make_plan(inspection_of(*BROKERS))
    assert lines_of(cluster_deploy) == [
        "The cluster stays unchanged: this run is limited to some hosts."
    ]
    assert (cluster_deploy.changes(), cluster_deploy.plan_json()) == (0, {})


def test_a_failed_plan_is_deferred_if_changes_of_the_hosts_may_fix_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster_deploy = ClusterDeploy.of(project(topics=TOPICS))
    cluster_deploy.failure = HactlError("nobody listens")
    cluster_deploy.defer(inspection_of("kafka1"), Console())
    assert cluster_deploy.failure is None
    assert (
        "cluster kafka: nobody listens; planned once the hosts are deployed"
        in capsys.readouterr().err
    )
    cluster_deploy.failure = HactlError("nobody listens")
    with pytest.raises(HactlError, match="nobody listens"):
        cluster_deploy.defer(Inspection(), Console())
    cluster_deploy.failure = InputError([])
    with pytest.raises(InputError):
        cluster_deploy.defer(inspection_of("kafka1"), Console())
    cluster_deploy.failure = NotAdmitted("kafka1:9092", "refuses admin")
    with pytest.raises(NotAdmitted):
        cluster_deploy.defer(inspection_of("kafka1"), Console())
