"""A deploy that restarts nodes: their order, the waits between them, and failures.

The rollouts run the real agents on scratch roots; the cluster is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.core.errors import Exit, HostError
from provision.core.facts import Facts
from provision.deploy.inspection import Inspection
from provision.deploy.plan import Change, HostPlan, plan_host
from provision.deploy.results import HostResult
from provision.deploy.rollout import Rollout, deploy
from provision.desired.items import DesiredHost, File, Unit
from provision.hosts.agent.locked_host import UNIT
from provision.hosts.agent.observe import Observed, observe
from provision.inventory.kafka import KafkaCluster, Member
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling import deploy as rolling
from provision.kafka.rolling import poller, zookeeper
from provision.kafka.rolling.deploy import MEMBER_UNIT, SerialRestart, taken_down
from provision.kafka.rolling.poller import ClusterPoller
from tests.hosts.agent.local import GROUP, ME, LocalHost
from tests.hosts.told import Told
from tests.kafka.rolling.building import NODES, cluster, partition

HOSTS = ("kafka1", "kafka2", "kafka3")


def plan(*changes: Change) -> HostPlan:
    return HostPlan("kafka1", changes, DesiredHost("kafka1"), Observed(Facts(), {}))


@pytest.mark.parametrize(("detail", "active", "expected"), [
    ("restart", "yes", {UNIT}),
    ("disable, stop", "yes", {UNIT}),
    ("enable, start", "no", set()),
    ("enable", "yes", set()),
    ("restart", "no", set()),
])  # fmt: skip
def test_only_a_node_that_runs_can_be_taken_down(
    detail: str, active: str, expected: set[str]
) -> None:
    changed = Change("unit", UNIT, "update", detail, was={"active": active})
    assert taken_down(plan(changed)) == expected


def test_other_changes_of_a_host_stop_no_node() -> None:
    others = (
        Change("unit", "kafka-setup.service", "update", "restart", was={"active": "yes"}),
        Change("file", "/etc/kafka/server.properties", "update"),
        Change("sysctl", "vm.max_map_count", "update"),
    )
    assert taken_down(plan(*others)) == frozenset()
    member = Change("unit", MEMBER_UNIT, "update", "restart", was={"active": "yes"})
    assert taken_down(plan(*others, member)) == {MEMBER_UNIT}


def serial_restart_of(
    look: Callable[[], Cluster],
    events: Told,
    down: Mapping[str, frozenset[str]] | None = None,
) -> SerialRestart:
    """Return the serial restart of three nodes in the cluster that `look` simulates."""
    kafka = SimpleNamespace(
        nodes=NODES,
        members=tuple(Member(host, index, "192.0.2.1") for index, host in enumerate(HOSTS, 1)),
        on=lambda host: next((node for node in NODES if node.host == host), None),
    )
    units = down or dict.fromkeys(HOSTS, frozenset({UNIT}))
    return SerialRestart(
        cast(KafkaCluster, kafka),
        ClusterPoller(NODES, look, events),
        units,
        cast(Any, None),
        timeout=0.01,
    )


def test_the_active_controller_is_the_last() -> None:
    assert serial_restart_of(cluster, Told()).alone(HOSTS) == (
        "kafka2",
        "kafka3",
        "kafka1",
    )
    assert serial_restart_of(lambda: cluster(active=2), Told()).alone(("kafka1", "kafka2")) == (
        "kafka1",
        "kafka2",
    )


def test_without_an_answer_from_the_cluster_the_first_node_is_refused_with_a_hint() -> None:
    def silent() -> Cluster:
        raise HostError("kafka", "cannot log in")

    restart = serial_restart_of(silent, Told())
    assert restart.alone(HOSTS) == HOSTS
    reason = restart.before("kafka1")
    assert reason.startswith("kafka: cannot log in\n")
    assert "stop kafka.service on their hosts" in reason


def test_the_wait_before_the_first_node_is_short_and_before_the_next_ones_long() -> None:
    looks = iter(
        [
            cluster(brokers=(1, 2)),
            cluster(partition(isr=(2, 3))),
            cluster(partition(isr=(2, 3))),
            cluster(),
        ]
    )
    restart = serial_restart_of(lambda: next(looks), Told())
    restart.timeout = 0.0
    assert restart.before("kafka1").startswith("broker 3 is not in the cluster")
    assert restart.before("kafka2") == "", "broker 1 had to catch up"


def test_a_member_of_zookeeper_stops_only_if_a_majority_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving = {"kafka1": True, "kafka2": True, "kafka3": False}
    monkeypatch.setattr(zookeeper, "members", lambda *_: serving)
    restart = serial_restart_of(
        lambda: cluster(kraft=False),
        Told(),
        dict.fromkeys(HOSTS, frozenset({UNIT, MEMBER_UNIT})),
    )
    assert restart.before("kafka1").startswith(
        "ZooKeeper: kafka3 does not serve; without kafka1 there is no majority"
    )
    restart.timeout = 0.01
    assert restart.before("kafka3") == ""
    serving["kafka3"] = True
    assert (restart.before("kafka1"), restart.after("kafka1")) == ("", "")


class ExternalCheckStub:
    """The external check of an inventory without front ends."""

    topology = SimpleNamespace(frontends=(), directors=lambda: (), directed_by=lambda _: ())
    unchecked = "nobody asks"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_, **__: {"holders": {}, "summary": ""}.get(name, [])


def _observed(host: LocalHost, desired: DesiredHost) -> Observed:
    return observe(host, lambda _: desired)[1]


class Fleet:
    """Three hosts whose node gets new settings."""

    def __init__(self, folder: Path, *, active: str = "yes\n") -> None:
        self.hosts = {name: self._host(folder / name, name, active) for name in HOSTS}
        self.events = Told()

    def _host(self, folder: Path, name: str, active: str) -> LocalHost:
        folder.mkdir()
        host = LocalHost(folder, "dash")
        host.host = name
        host.unit(UNIT, active=active)
        host.write("etc/kafka/server.properties", "num.io.threads=2\n")
        return host

    def deploy(self, restart: SerialRestart | None) -> dict[str, HostResult]:
        """Deploy other settings."""
        inspection = Inspection(sessions=cast(Any, self.hosts), seconds=dict.fromkeys(HOSTS, 0.0))
        for name, host in self.hosts.items():
            settings = File(
                "/etc/kafka/server.properties", b"num.io.threads=8\n", "0640", ME, GROUP, unit=UNIT
            )
            desired = DesiredHost(name, (settings, Unit(UNIT, on_change="restart")))
            inspection.plans[name] = plan_host(desired, _observed(host, desired), frozenset())
        order = Rollout((HOSTS,), 0, "kim@ops", "digest", 1, "2026-01-01T00:00:00Z")
        return deploy(inspection, order, cast(Any, ExternalCheckStub()), self.events, restart)

    def restarted(self) -> list[str]:
        """The hosts whose node was restarted."""
        return [name for name, host in self.hosts.items() if f"restart {UNIT}" in host.calls()]

    def settings(self) -> list[str]:
        return [host.read("etc/kafka/server.properties") for host in self.hosts.values()]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    for host in fleet.hosts.values():
        host.end()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_INTERVAL", 0.001)
    monkeypatch.setattr(rolling, "READY_TIMEOUT", 0.2)
    monkeypatch.setattr(rolling, "SYNC_TIMEOUT", 5.0)


@pytest.mark.agent
def test_a_node_is_restarted_only_when_the_node_before_it_is_in_sync(
    fleet: Fleet,
) -> None:
    behind: list[str] = []

    def look() -> Cluster:
        """The node that was restarted last needs three looks until it is in sync again."""
        gone = [name for name in fleet.restarted() if name not in behind]
        if gone and fleet.events.lines.count("lag") < 3 * len(fleet.restarted()):
            fleet.events.lines.append("lag")
            number = int(gone[0][-1])
            return cluster(partition(isr=tuple({1, 2, 3} - {number})))
        behind.extend(gone)
        return cluster()

    results = fleet.deploy(serial_restart_of(look, fleet.events))
    assert {host: result.outcome for host, result in results.items()} == dict.fromkeys(
        HOSTS, "changed"
    )
    applied = [line for line in fleet.events.lines if "applying" in line or "not in sync" in line]
    assert [line.split(":")[0] for line in applied if "applying" in line] == [
        "kafka2",
        "kafka3",
        "kafka1",
    ]
    assert "on broker 2" in applied[1], "it waited for kafka2 before it stopped kafka3"


@pytest.mark.agent
def test_the_rollout_ends_if_the_next_node_may_not_stop(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "SYNC_TIMEOUT", 0.05)
    results = fleet.deploy(
        serial_restart_of(
            lambda: cluster(brokers=(2, 3) if fleet.restarted() else (1, 2, 3)), fleet.events
        )
    )
    assert {host: (result.outcome, result.exit_code) for host, result in results.items()} == {
        "kafka1": ("skipped", Exit.OK),
        "kafka2": ("changed", Exit.OK),
        "kafka3": ("skipped", Exit.FAILED),
    }
    first, *_, last = results["kafka3"].message.splitlines()
    assert (first, last) == ("broker 1 is not in the cluster", "not touched: as it was")
    assert fleet.settings() == ["num.io.threads=2\n", "num.io.threads=8\n", "num.io.threads=2\n"]
    assert fleet.restarted() == ["kafka2"]


@pytest.mark.agent
def test_a_node_that_does_not_serve_again_is_rolled_back(fleet: Fleet) -> None:
    def look() -> Cluster:
        return cluster(brokers=(1, 3) if "kafka2" in fleet.restarted() else (1, 2, 3))

    results = fleet.deploy(serial_restart_of(look, fleet.events))
    assert results["kafka2"].outcome == "rolled_back"
    assert results["kafka2"].message == (
        "it does not serve again: broker 2 is not in the cluster; rolled back: as it was"
    )
    assert fleet.restarted() == ["kafka2"]
    assert fleet.settings() == ["num.io.threads=2\n"] * 3
    assert {results[host].outcome for host in ("kafka1", "kafka3")} == {"skipped"}


@pytest.mark.agent
def test_a_first_deploy_starts_all_at_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, active="")
    try:
        assert {result.outcome for result in fleet.deploy(None).values()} == {"changed"}
        steps = [
            line.split(": ")[1]
            for line in fleet.events.lines
            if "applying" in line or line.endswith(": changed")
        ]
        assert steps == ["applying 2 changes"] * 3 + ["changed"] * 3
    finally:
        for host in fleet.hosts.values():
            host.end()
