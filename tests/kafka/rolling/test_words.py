"""What a roll shows before it asks and in the end, and whose drains it takes for its own."""

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


def test_the_order_is_told_before_anything_is_done() -> None:
    assert shown(RollPlan(NODES, (), (), None, ())) == [
        "Restart one at a time: kafka1, kafka2, kafka3."
    ]


def test_a_roll_that_was_cut_off_is_named_with_what_it_left() -> None:
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


def test_each_node_is_told_of_in_the_end() -> None:
    fates = [
        NodeResult("kafka1", 1, "untouched"), NodeResult("kafka2", 2, "rolled", 12.3),
        NodeResult("kafka3", 3, "stopped", 301.0, "it does not serve again: broker 3 is not in the cluster"),
    ]  # fmt: skip
    assert [line for line, _ in result_lines(fates, Exit.FAILED)] == [
        "kafka1  untouched", "kafka2  rolled      12.3 s", "kafka3  stopped    301.0 s",
        "        it does not serve again: broker 3 is not in the cluster",
        "Roll: 1 rolled, 1 untouched, 1 stopped. Run it again to resume.",
    ]  # fmt: skip
    assert [line for line, _ in result_lines(fates[1:2], Exit.OK)][-1] == "Roll: 1 rolled."


def test_only_drains_by_a_roll_are_a_rolls_to_take_back() -> None:
    drained = {
        "kafka1": f"kim@desk{BY_ROLL}, 2026-11-22T08:00:00Z",
        "kafka2": "kim@desk, 2026-11-22T08:00:00Z",
    }
    assert by_rolls(drained) == {"kafka1"}


def test_brokers_are_sent_connections_by_the_directors_of_their_front_ends_and_nobody_else() -> (
    None
):
    topology = load(INVENTORY).topology
    assert senders(topology, "kafka1", "kafka2") == ("lvs1", "lvs2")
    assert senders(topology, "lvs1", "client") == ()
