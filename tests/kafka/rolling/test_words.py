"""The output of a roll before the question and at the end, and the drains that it undoes."""

from __future__ import annotations

from provision.commands.kafka_roll import RollPlan, result_lines
from provision.core.errors import Exit
from provision.deploy.project import load
from provision.hosts.agent.locked_host import RollMarker
from provision.kafka.rolling.drains import BY_ROLL, by_rolls, senders
from provision.kafka.rolling.roller import NodeResult
from tests import REPOSITORY
from tests.kafka.rolling.building import NODES

INVENTORY = REPOSITORY / "inventories/kafka.yml"


def shown(plan: RollPlan) -> list[str]:
    return [line for line, _ in plan.lines()]


def test_the_plan_shows_the_order_of_the_nodes() -> None:
    assert shown(RollPlan(NODES, (), (), None, ())) == [
        "Restart one at a time: kafka1, kafka2, kafka3."
    ]


def test_the_plan_of_a_resumed_roll_names_the_interrupted_one_and_the_nodes_still_drained() -> None:
    mark = RollMarker("then", "kim@desk (kafka roll)", "2026-11-22T08:00:00Z")
    plan = RollPlan(NODES[:1], NODES[1:2], ("kafka2", "kafka3"), mark, ("orders-0",))
    assert shown(plan) == [
        "Resuming the roll of kim@desk (kafka roll) from 2026-11-22T08:00:00Z; "
        "kafka2, kafka3 restarted already.",
        "It left these drained; they return to service first: kafka2.",
        "These partitions stop meanwhile, without a spare replica: orders-0.",
        "Restart one at a time: kafka1.",
    ]
    assert plan.resumed == {"who": mark.who, "when": mark.when}
    assert shown(RollPlan((), (), ("kafka1",), mark, ()))[-1] == "No node is left to restart."


def test_the_end_of_a_roll_shows_the_result_of_every_node() -> None:
    message = "it does not serve again: broker 3 is not in the cluster"
    results = [
        NodeResult("kafka1", 1, "untouched"),
        NodeResult("kafka2", 2, "rolled", 12.3),
        NodeResult("kafka3", 3, "stopped", 301.0, message),
    ]
    assert [line for line, _ in result_lines(results, Exit.FAILED)] == [
        "kafka1  untouched",
        "kafka2  rolled      12.3 s",
        "kafka3  stopped    301.0 s",
        "        it does not serve again: broker 3 is not in the cluster",
        "Roll: 1 rolled, 1 untouched, 1 stopped. Run it again to resume.",
    ]
    assert [line for line, _ in result_lines(results[1:2], Exit.OK)][-1] == "Roll: 1 rolled."


def test_a_roll_undrains_only_hosts_that_a_roll_drained() -> None:
    drained = {
        "kafka1": f"kim@desk{BY_ROLL}, 2026-11-22T08:00:00Z",
        "kafka2": "kim@desk, 2026-11-22T08:00:00Z",
    }
    assert by_rolls(drained) == {"kafka1"}


def test_only_the_directors_of_a_front_end_send_its_brokers_connections() -> None:
    topology = load(INVENTORY).topology
    assert senders(topology, "kafka1", "kafka2") == ("lvs1", "lvs2")
    assert senders(topology, "lvs1", "client") == ()
