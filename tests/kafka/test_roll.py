"""A roll of real brokers under load: its gate, order and waits; processes stand in for hosts.

test_roll_lab.py has the same with systemd, directors and the VIP.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.hosts.agent.locked_host import UnitState
from provision.hosts.ssh import SshSession
from provision.inventory.kafka import KafkaCluster, KafkaNode, Member
from provision.kafka.admin import ask
from provision.kafka.client_file import Login, login
from provision.kafka.replicas.fetch import look
from provision.kafka.rolling import roller as module
from provision.kafka.rolling.poller import ClusterPoller
from provision.kafka.rolling.roller import Roller
from provision.kafka.rolling.zookeeper import members
from tests.hosts.told import Told
from tests.kafka.site import IDS, Site, until, zookeeper
from tests.kafka.stream import Stream, consumed

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

NODES = tuple(KafkaNode(f"kafka{id_}", id_, "127.0.0.1", True, True) for id_ in IDS)


class Process:
    """A node's host with the methods that a roll uses."""

    def __init__(self, site: Site, id_: int) -> None:
        self.site, self.id = site, id_
        self.restarts = 0
        self.comes_back = True

    def look(self) -> UnitState:
        """Always running."""
        return UnitState("now", True)

    def restart(self) -> None:
        """A controlled shutdown, and a start."""
        self.restarts += 1
        self.site.end(self.id, signal.SIGTERM)
        if self.comes_back:
            self.site.start(self.id)


class NoFrontEnd:
    """No front end sends connections to these brokers."""

    drained_by_roll: frozenset[str] = frozenset()

    def refusal(self, _: str) -> str:
        return ""

    def drain(self, _: str) -> None:
        pass

    undrain = drain


def cluster_login(site: Site) -> Login:
    return login(",".join(f"127.0.0.1:{port}" for port in site.ports.values()), None)


def course_of(site: Site, told: Told) -> tuple[Roller, dict[str, Process]]:
    at = cluster_login(site)
    hosts = {node.host: Process(site, node.id) for node in NODES}
    eyes = ClusterPoller(NODES, lambda: ask(at, look), told)
    return Roller(eyes, cast(Mapping[str, Any], hosts), NoFrontEnd(), told), hosts


def active(site: Site) -> int:
    return ask(cluster_login(site), look).controller


def test_three_brokers_are_rolled_under_load_and_nothing_is_lost(kraft_site: Site) -> None:
    kraft_site.create("rolled", [(1, 2, 3), (2, 3, 1), (3, 1, 2)], min_insync_replicas="2")
    told, last = Told(), active(kraft_site)
    course, hosts = course_of(kraft_site, told)
    with Stream(cluster_login(kraft_site), "rolled") as stream:
        well = course.run(NODES)
    assert well, course.results
    assert [host.restarts for host in hosts.values()] == [1, 1, 1]
    order = [line.split(":")[0] for line in told.lines if line.endswith(": restarting")]
    assert order[-1] == f"kafka{last}", "the active controller was not the last"
    assert stream.failed == {} and len(stream.acknowledged) == stream.sent > 500
    assert consumed(cluster_login(kraft_site), "rolled") == dict.fromkeys(range(stream.sent), 1)
    print(f"{stream.sent} records, longest gap {stream.longest_gap:.2f} s; {course.results}")


def test_a_broker_that_stays_away_ends_the_roll_and_the_next_run_goes_on(
    kraft_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: active(kraft_site) in IDS)
    monkeypatch.setattr(module, "READY_TIMEOUT", 15.0)
    course, hosts = course_of(kraft_site, Told())
    for host in hosts.values():
        host.comes_back = False
    assert not course.run(NODES)
    stopped = [fate for fate in course.results.values() if fate.outcome == "stopped"]
    assert [fate.outcome for fate in course.results.values()].count("untouched") == 2
    assert stopped[0].message.startswith(
        f"it does not serve again: broker {stopped[0].id} is not in the cluster"
    )
    monkeypatch.setattr(module, "FIRST_NODE_TIMEOUT", 2.0)
    refused, _ = course_of(kraft_site, Told())
    others = [node for node in NODES if node.id != stopped[0].id]
    assert not refused.run(others)
    assert f"broker {stopped[0].id} is not in the cluster" in next(
        f.message for f in refused.results.values() if f.message
    )
    kraft_site.start(stopped[0].id)
    monkeypatch.setattr(module, "FIRST_NODE_TIMEOUT", 60.0)
    monkeypatch.setattr(module, "READY_TIMEOUT", 120.0)
    again, _ = course_of(kraft_site, Told())
    assert again.run(others), again.results
    until(lambda: kraft_site.live() == set(IDS))


class Through:
    """A login whose connections leave from here."""

    def forward(self, address: str, port: int) -> socket.socket:
        return socket.create_connection((address, port), 5)


def test_with_zookeeper_the_broker_that_acts_as_controller_is_the_last(tmp_path: Path) -> None:
    brokers = tuple(KafkaNode(node.host, node.id, node.endpoint, True, False) for node in NODES)
    with zookeeper(tmp_path) as site:
        at, told = cluster_login(site), Told()
        acting = ask(at, look).controller
        hosts = {node.host: Process(site, node.id) for node in brokers}
        eyes = ClusterPoller(brokers, lambda: ask(at, look), told)
        course = Roller(eyes, cast(Mapping[str, Any], hosts), NoFrontEnd(), told)
        assert acting in IDS and course.run(brokers), course.results
        order = [line.split(":")[0] for line in told.lines if line.endswith(": restarting")]
        assert order[-1] == f"kafka{acting}" and len(order) == 3

        port = int(site.settings[1]["zookeeper.connect"].rpartition(":")[2])
        model = SimpleNamespace(zookeeper=SimpleNamespace(port=port))
        ensemble = cast(
            KafkaCluster, SimpleNamespace(model=model, members=(Member("kafka1", 1, "127.0.0.1"),))
        )
        assert members(ensemble, lambda _: cast(SshSession, Through())) == {"kafka1": True}
        model.zookeeper.port = site.ports[1]
        assert members(ensemble, lambda _: cast(SshSession, Through())) == {"kafka1": False}, (
            "a broker is no member"
        )
