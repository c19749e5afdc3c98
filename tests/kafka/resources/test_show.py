"""The output of a cluster's plan and its outcomes."""

from __future__ import annotations

from provision.kafka.resources.apply import Applied, StepOutcome
from provision.kafka.resources.model import AclBinding, ObservedCluster, ObservedTopic, TopicSpec
from provision.kafka.resources.plan import ClusterPlan, plan
from provision.kafka.resources.show import (
    applied_document,
    applied_lines,
    plan_document,
    plan_lines,
)
from tests.kafka.resources.test_plan import ALIVE, SCRAM, desired_cluster

ACLS = [
    AclBinding("User:orders", "topic", "orders", False, operation)
    for operation in ("Write", "Describe", "Create")
]
DESIRED = desired_cluster(
    users={"orders": 8192},
    topics={
        "orders": TopicSpec(6, 3, {"cleanup.policy": "compact"}),
        "audit": TopicSpec(3, None, {"retention.ms": "5"}),
    },
    acls=frozenset(
        [*ACLS, AclBinding("User:orders", "topic", "a" * 60, True, "Read", False, "192.0.2.7")]
    ),
    quotas={"orders": {"producer_byte_rate": 1048576.0}},
)
OBSERVED = ObservedCluster(
    topics={
        "audit": ObservedTopic(2, frozenset({3}), {"retention.ms": "7"}),
        **{f"t{number:02}": ObservedTopic(1, frozenset({3})) for number in range(12)},
    },
    quotas={"orders": {"producer_byte_rate": 1000.0}},
    brokers=ALIVE,
)


def lines_of(cluster_plan: ClusterPlan) -> list[str]:
    """Return the plan's lines."""
    return [line for line, _ in plan_lines("kafka", cluster_plan)]


def test_a_plan_looks_like_a_hosts_plan() -> None:
    lines = lines_of(plan(DESIRED, OBSERVED))
    assert lines[:16] == [
        "cluster kafka",
        f"  + user     orders  {SCRAM}, 8192 iterations",
        "  + topic    orders  6 partitions, 3 replicas",
        "      +cleanup.policy: compact",
        "  ~ topic    audit  2 to 3 partitions: most keys move to another one",
        "  ~ topic    audit",
        "      -retention.ms: 7  (the brokers')",
        "      +retention.ms: 5",
        "  + acl      orders  deny Read on topic",
        f"             {'a' * 60}* from",
        "             192.0.2.7",
        "  + acl      orders  allow Create, Describe, Write on topic orders",
        "  ~ quota    orders",
        "      -producer_byte_rate: 1000",
        "      +producer_byte_rate: 1048576",
        "",
    ]
    assert lines[-1] == "Plan: 4 to create, 3 to update on cluster kafka."


def test_a_plan_lists_up_to_ten_unmanaged_resources() -> None:
    lines = lines_of(plan(DESIRED, OBSERVED))
    assert "left alone: topic t09 1 partition, with all records" in lines
    assert lines[-4:-2] == ["left alone: 2 more", "--prune deletes these resources"]
    assert lines_of(ClusterPlan(())) == ["Plan: nothing to do on cluster kafka."]


def test_the_json_has_every_step_and_all_unmanaged_resources() -> None:
    document = plan_document("kafka", plan(DESIRED, OBSERVED))
    assert (document["cluster"], document["changes"], len(document["left_alone"])) == (
        "kafka",
        7,
        12,
    )
    assert document["resources"][1] == {
        "kind": "topic",
        "name": "orders",
        "action": "create",
        "detail": "6 partitions, 3 replicas",
        "diff": ["+cleanup.policy: compact"],
    }
    assert "left_alone" not in plan_document("kafka", ClusterPlan(()))


def test_a_complete_result_is_one_line() -> None:
    steps = plan(DESIRED, OBSERVED).steps
    applied = Applied(tuple(StepOutcome(step, "done") for step in steps))
    assert [line for line, _ in applied_lines("kafka", applied)] == ["Cluster kafka: 7 done."]
    assert applied_document("kafka", applied)["ok"] is True


def test_an_incomplete_result_lists_all_steps() -> None:
    first, second, third, *_ = plan(DESIRED, OBSERVED).steps
    failed = StepOutcome(second, "failed", "said the broker " * 8)
    applied = Applied((StepOutcome(first, "done"), failed, StepOutcome(third, "not done")))
    lines = [line for line, _ in applied_lines("kafka", applied)]
    assert lines[0] == f"done      + user     orders  {SCRAM}, 8192 iterations"
    assert lines[1] == "failed    + topic    orders  6 partitions, 3 replicas"
    assert lines[2].startswith("          said the broker said")
    assert lines[-2:] == [
        "Cluster kafka: 1 done, 1 failed, 1 not done.",
        "Run it again to resume from here.",
    ]
    assert max(map(len, lines)) <= 80
    document = applied_document("kafka", applied)
    assert [step["became"] for step in document["resources"]] == ["done", "failed", "not done"]
    assert document["resources"][1]["why"] == failed.reason


def test_a_step_with_an_unknown_result_says_so() -> None:
    (step, *_) = plan(DESIRED, OBSERVED).steps
    lines = [
        line
        for line, _ in applied_lines(
            "kafka", Applied((StepOutcome(step, "unknown", "interrupted"),), True)
        )
    ]
    assert "interrupted; it may be done or not: the next plan shows it" in lines[1]
