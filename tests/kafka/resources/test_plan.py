"""The plan: its steps, those of --prune, and its refusals."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.resources.model import (
    AclBinding,
    DesiredCluster,
    ObservedCluster,
    ObservedTopic,
    TopicSpec,
)
from provision.kafka.resources.plan import (
    AddAcls,
    AddPartitions,
    ClusterPlan,
    CreateTopic,
    DropAcls,
    DropCredential,
    DropTopic,
    PlanStep,
    SetConfig,
    SetCredential,
    SetQuota,
    plan,
    remains,
)

BROKERS = {1: "kafka1", 2: "kafka2", 3: "kafka3"}
ALIVE = frozenset(BROKERS)
SCRAM = "SCRAM-SHA-512"
DEFAULTS = {"retention.ms": "9", "segment.ms": "9"}
"""The brokers' values of the parameters in these tests."""


def desired_cluster(
    *,
    users: dict[str, int] | None = None,
    topics: dict[str, TopicSpec] | None = None,
    acls: frozenset[AclBinding] = frozenset(),
    quotas: dict[str, dict[str, float]] | None = None,
) -> DesiredCluster:
    """Return a desired cluster with three brokers and only these resources."""
    return DesiredCluster(
        (SCRAM,),
        users or {},
        topics or {},
        acls,
        quotas or {},
        frozenset({"User:admin"}),
        BROKERS,
        3,
        (3, 9, 1),
    )


def summaries(cluster_plan: ClusterPlan) -> list[str]:
    """Return a line for every step."""
    changes = (step.change for step in cluster_plan.steps)
    return [
        " ".join(filter(None, (change.action, change.kind, change.name, change.detail)))
        for change in changes
    ]


def read_acl(topic: str, principal: str = "User:orders", operation: str = "Read") -> AclBinding:
    """Return an ACL of a topic."""
    return AclBinding(principal, "topic", topic, False, operation)


def test_a_new_cluster_gets_users_topics_acls_and_quotas_in_that_order() -> None:
    acls = frozenset((read_acl("orders"), read_acl("orders", operation="Describe")))
    desired = desired_cluster(
        users={"orders": 8192},
        topics={"orders": TopicSpec(6, None)},
        acls=acls,
        quotas={"orders": {"producer_byte_rate": 9}},
    )
    cluster_plan = plan(desired, ObservedCluster(brokers=ALIVE))
    assert summaries(cluster_plan) == [
        f"create user orders {SCRAM}, 8192 iterations",
        "create topic orders 6 partitions, 3 replicas",
        "create acl orders allow Describe, Read on topic orders",
        "create quota orders",
    ]
    assert cluster_plan.steps[3].change.diff == ("+producer_byte_rate: 9",)


def test_a_password_is_written_only_if_it_differs() -> None:
    desired = desired_cluster(users={"orders": 4096})
    fits = ObservedCluster({"orders": {SCRAM: 4096}}, brokers=ALIVE)
    assert plan(desired, fits) == ClusterPlan(())
    (step,) = plan(desired, replace(fits, refused=frozenset({("orders", SCRAM)}))).steps
    assert (step.change.detail, step.operation) == (
        f"{SCRAM}: another password",
        SetCredential("orders", SCRAM, 4096),
    )
    (step,) = plan(desired_cluster(users={"orders": 8192}), fits).steps
    assert step.change.detail == f"{SCRAM}: 4096 to 8192 iterations"


def test_a_topic_grows_and_only_the_parameters_that_differ_are_set() -> None:
    config = {
        "retention.ms": "5",
        "cleanup.policy": "compact,delete",
        "min.cleanable.dirty.ratio": "0.50",
    }
    current = {
        "retention.ms": "7",
        "cleanup.policy": "delete,compact",
        "min.cleanable.dirty.ratio": "0.5",
    }
    topic = ObservedTopic(3, frozenset({3}), current, frozenset({"retention.ms"}))
    cluster_plan = plan(
        desired_cluster(topics={"a": TopicSpec(6, 3, config)}),
        ObservedCluster(topics={"a": topic}, brokers=ALIVE),
    )
    assert [step.operation for step in cluster_plan.steps] == [
        AddPartitions("a", 6),
        SetConfig("a", {"retention.ms": "5"}),
    ]
    assert cluster_plan.steps[1].change.diff == ("-retention.ms: 7", "+retention.ms: 5")


def test_a_change_that_kafka_cannot_make_is_refused_with_its_path() -> None:
    topics = {"a": ObservedTopic(6, frozenset({2})), "b": ObservedTopic(1, frozenset({1}))}
    desired = desired_cluster(topics={"a": TopicSpec(3, 3), "b": TopicSpec(1, None)})
    cluster_plan = plan(desired, ObservedCluster(topics=topics, brokers=ALIVE))
    refusals = [
        (refusal.rule, refusal.path, refusal.temporary) for refusal in cluster_plan.refusals
    ]
    assert refusals == [
        ("kafka-topic-shrink", ("topics", "a", "partitions"), False),
        ("kafka-topic-replicas", ("topics", "a", "replicas"), False),
    ]
    assert cluster_plan.refusals[0].what == "a has 6 partitions, the inventory 3"


def test_more_replicas_than_live_brokers_are_refused_with_the_names_of_the_others() -> None:
    (refusal,) = plan(
        desired_cluster(topics={"a": TopicSpec(1, None)}),
        ObservedCluster(brokers=frozenset({1, 2})),
    ).refusals
    assert (refusal.what, refusal.why, refusal.temporary) == (
        "a needs 3 brokers, and 2 are alive",
        "down: kafka3 (3)",
        True,
    )
    assert not plan(
        desired_cluster(topics={"a": TopicSpec(1, 2)}), ObservedCluster(brokers=frozenset({1, 2}))
    ).refusals
    existing = ObservedCluster(
        topics={"a": ObservedTopic(1, frozenset({3}))}, brokers=frozenset({1})
    )
    assert not plan(desired_cluster(topics={"a": TopicSpec(1, 3)}), existing).refusals, (
        "an existing topic needs no other broker"
    )
    assert plan(desired_cluster(topics={"a": TopicSpec(2, 3)}), existing).refusals


UNMANAGED = ObservedCluster(
    users={
        "admin": {SCRAM: 4096},
        "old": {SCRAM: 4096},
        "orders": {SCRAM: 4096, "SCRAM-SHA-256": 4096},
    },
    topics={
        "orders": ObservedTopic(
            1, frozenset({3}), {"retention.ms": "5"}, frozenset({"retention.ms"})
        ),
        "left": ObservedTopic(2, frozenset({3})),
    },
    acls=frozenset((read_acl("x", "User:old"), read_acl("x", "User:admin"))),
    quotas={
        "admin": {"producer_byte_rate": 1.0},
        "old": {"producer_byte_rate": 1.0},
        "orders": {"producer_byte_rate": 2.0, "consumer_byte_rate": 3.0},
    },
    brokers=ALIVE,
)
KNOWN = desired_cluster(
    users={"admin": 4096, "orders": 4096},
    topics={"orders": TopicSpec(1, 3)},
    quotas={"orders": {"producer_byte_rate": 2.0}},
)


def test_without_prune_unmanaged_resources_stay_and_are_listed() -> None:
    cluster_plan = plan(KNOWN, UNMANAGED)
    assert cluster_plan.steps == ()
    assert cluster_plan.unmanaged == (
        "quota old producer_byte_rate",
        "quota orders consumer_byte_rate",
        "acl old allow Read on topic x",
        "topic orders retention.ms",
        "topic left 2 partitions, with all records",
        f"user old {SCRAM}",
        "user orders SCRAM-SHA-256",
    )


def test_prune_deletes_unmanaged_resources_in_reverse_order_except_a_super_users() -> None:
    cluster_plan = plan(KNOWN, UNMANAGED, prune=True)
    assert [step.operation for step in cluster_plan.steps] == [
        SetQuota("old", {}, ("producer_byte_rate",)),
        SetQuota("orders", {}, ("consumer_byte_rate",)),
        DropAcls((read_acl("x", "User:old"),)),
        SetConfig("orders", {}, ("retention.ms",)),
        DropTopic("left"),
        DropCredential("old", SCRAM),
        DropCredential("orders", "SCRAM-SHA-256"),
    ]
    assert cluster_plan.unmanaged == ()


def test_an_interrupted_step_is_repeated_only_if_it_is_not_done() -> None:
    assert not remains(DropTopic("a"), ObservedCluster())
    assert not remains(CreateTopic("left", TopicSpec(2, 3)), UNMANAGED)
    assert remains(AddPartitions("left", 3), UNMANAGED)
    assert not remains(AddPartitions("left", 2), UNMANAGED)
    assert not remains(DropCredential("old", "SCRAM-SHA-256"), UNMANAGED)
    assert remains(SetCredential("old", SCRAM, 4096), UNMANAGED), "the password is unknown"


names = st.sampled_from(["admin", "a", "b", "c"])
numbers = st.integers(1, 3)
rates = st.dictionaries(
    st.sampled_from(["producer_byte_rate", "consumer_byte_rate"]), st.floats(1, 9), min_size=1
)
configs = st.dictionaries(
    st.sampled_from(["retention.ms", "segment.ms"]), st.sampled_from(["1", "2"])
)
acl_sets = st.frozensets(
    st.builds(
        AclBinding,
        names.map("User:{}".format),
        st.sampled_from(["topic", "group"]),
        names,
        st.booleans(),
        st.sampled_from(["Read", "Describe"]),
        st.booleans(),
    ),
    max_size=5,
)
desireds = st.builds(
    lambda users, topics, acls, quotas: desired_cluster(
        users=users, topics=topics, acls=acls, quotas=quotas
    ),
    st.dictionaries(names, st.sampled_from([4096, 8192])),
    st.dictionaries(names, st.builds(TopicSpec, numbers, st.none() | numbers, configs)),
    acl_sets,
    st.dictionaries(names, rates),
)
observeds = st.builds(
    lambda users, topics, acls, quotas, refused: ObservedCluster(
        users,
        frozenset((user, SCRAM) for user in refused & users.keys()),
        topics,
        acls,
        quotas,
        ALIVE,
    ),
    st.dictionaries(
        names,
        st.dictionaries(st.sampled_from([SCRAM, "SCRAM-SHA-256"]), st.just(4096), min_size=1),
    ),
    st.dictionaries(
        names,
        st.builds(
            lambda partitions, replicas, overrides: ObservedTopic(
                partitions,
                frozenset({replicas}),
                {**DEFAULTS, **overrides},
                frozenset(overrides),
            ),
            numbers,
            numbers,
            configs,
        ),
    ),
    acl_sets,
    st.dictionaries(names, rates),
    st.frozensets(names),
)


def state_after(observed: ObservedCluster, step: PlanStep) -> ObservedCluster:
    """Return the cluster after a step, as Kafka performs it."""
    users = {user: dict(current) for user, current in observed.users.items()}
    topics, quotas = (
        dict(observed.topics),
        {user: dict(current) for user, current in observed.quotas.items()},
    )
    acls, refused = observed.acls, observed.refused
    match step.operation:
        case SetCredential(user, mechanism, iterations):
            users.setdefault(user, {})[mechanism] = iterations
            refused -= {(user, mechanism)}
        case DropCredential(user, mechanism):
            del users[user][mechanism]
            refused -= {(user, mechanism)}
        case CreateTopic(name, topic):
            topics[name] = ObservedTopic(
                topic.partitions,
                frozenset({topic.replicas or 3}),
                {**DEFAULTS, **topic.config},
                frozenset(topic.config),
            )
        case AddPartitions(name, partitions):
            assert topics[name].partitions < partitions
            topics[name] = replace(topics[name], partitions=partitions)
        case SetConfig(name, values, reset):
            current = topics[name]
            config = {
                key: "9" if key in reset else value
                for key, value in {**current.config, **values}.items()
            }
            overrides = (current.overrides | values.keys()) - set(reset)
            topics[name] = replace(current, config=config, overrides=overrides)
        case DropTopic(name):
            del topics[name]
        case AddAcls(added):
            acls |= set(added)
        case DropAcls(dropped):
            assert set(dropped) <= acls
            acls -= set(dropped)
        case SetQuota(user, values, reset):
            limits = {**quotas.get(user, {}), **values}
            quotas[user] = {key: value for key, value in limits.items() if key not in reset}
    return ObservedCluster(
        {user: credentials for user, credentials in users.items() if credentials},
        refused,
        topics,
        acls,
        {user: limits for user, limits in quotas.items() if limits},
        observed.brokers,
    )


@given(desireds, observeds, st.booleans())
def test_after_an_applied_plan_nothing_is_left_to_do(
    desired: DesiredCluster, observed: ObservedCluster, prune: bool
) -> None:
    cluster_plan = plan(desired, observed, prune)
    for step in cluster_plan.steps:
        assert remains(step.operation, observed)
        observed = state_after(observed, step)
    assert plan(desired, observed, prune).steps == ()
    if prune:
        assert plan(desired, observed).unmanaged == ()


@given(desireds, observeds)
def test_without_prune_nothing_is_deleted(
    desired: DesiredCluster, observed: ObservedCluster
) -> None:
    cluster_plan = plan(desired, observed)
    assert not any(step.change.action == "remove" for step in cluster_plan.steps)
    assert not any(
        isinstance(step.operation, DropTopic | DropAcls | DropCredential)
        for step in cluster_plan.steps
    )
    assert not any(
        isinstance(step.operation, SetConfig | SetQuota) and step.operation.reset
        for step in cluster_plan.steps
    )


@given(desireds, observeds)
def test_prune_deletes_nothing_of_a_super_user(
    desired: DesiredCluster, observed: ObservedCluster
) -> None:
    before = len([acl for acl in observed.acls if acl.principal == "User:admin"])
    for step in plan(desired, observed, prune=True).steps:
        observed = state_after(observed, step)
        assert len([acl for acl in observed.acls if acl.principal == "User:admin"]) >= before
        if isinstance(step.operation, DropCredential):
            assert step.operation.user != "admin"
