"""The plan: what is done, what only --prune does, what is refused; and that a plan carried out leaves nothing to do."""

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


def wanted(
    *,
    users: dict[str, int] | None = None,
    topics: dict[str, TopicSpec] | None = None,
    acls: frozenset[AclBinding] = frozenset(),
    quotas: dict[str, dict[str, float]] | None = None,
) -> DesiredCluster:
    """Three brokers and nothing but what is said."""
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


def shown(found: ClusterPlan) -> list[str]:
    """Each step in a line."""
    return [" ".join(filter(None, (each.change.action, each.change.kind, each.change.name, each.change.detail)))
            for each in found.steps]  # fmt: skip


def read(topic: str, principal: str = "User:orders", operation: str = "Read") -> AclBinding:
    """A right."""
    return AclBinding(principal, "topic", topic, False, operation)


def test_a_new_cluster_gets_users_topics_rights_and_quotas_in_that_order() -> None:
    acls = frozenset((read("orders"), read("orders", operation="Describe")))
    desired = wanted(
        users={"orders": 8192},
        topics={"orders": TopicSpec(6, None)},
        acls=acls,
        quotas={"orders": {"producer_byte_rate": 9}},
    )
    found = plan(desired, ObservedCluster(brokers=ALIVE))
    assert shown(found) == [
        f"create user orders {SCRAM}, 8192 iterations",
        "create topic orders 6 partitions, 3 replicas",
        "create acl orders allow Describe, Read on topic orders",
        "create quota orders",
    ]
    assert found.steps[3].change.diff == ("+producer_byte_rate: 9",)


def test_a_password_is_written_only_where_it_does_not_fit() -> None:
    desired = wanted(users={"orders": 4096})
    fits = ObservedCluster({"orders": {SCRAM: 4096}}, brokers=ALIVE)
    assert plan(desired, fits) == ClusterPlan(())
    (step,) = plan(desired, replace(fits, refused=frozenset({("orders", SCRAM)}))).steps
    assert (step.change.detail, step.operation) == (
        f"{SCRAM}: another password",
        SetCredential("orders", SCRAM, 4096),
    )
    (step,) = plan(wanted(users={"orders": 8192}), fits).steps
    assert step.change.detail == f"{SCRAM}: 4096 to 8192 iterations"


def test_a_topic_grows_and_only_the_parameters_that_differ_are_set() -> None:
    config = {
        "retention.ms": "5",
        "cleanup.policy": "compact,delete",
        "min.cleanable.dirty.ratio": "0.50",
    }
    seen = ObservedTopic(3, frozenset({3}), {
        "retention.ms": "7", "cleanup.policy": "delete,compact", "min.cleanable.dirty.ratio": "0.5",
    }, frozenset({"retention.ms"}))  # fmt: skip
    found = plan(
        wanted(topics={"a": TopicSpec(6, 3, config)}),
        ObservedCluster(topics={"a": seen}, brokers=ALIVE),
    )
    assert [step.operation for step in found.steps] == [
        AddPartitions("a", 6),
        SetConfig("a", {"retention.ms": "5"}),
    ]
    assert found.steps[1].change.diff == ("-retention.ms: 7", "+retention.ms: 5")


def test_what_kafka_cannot_do_is_refused_with_its_place() -> None:
    seen = {"a": ObservedTopic(6, frozenset({2})), "b": ObservedTopic(1, frozenset({1}))}
    desired = wanted(topics={"a": TopicSpec(3, 3), "b": TopicSpec(1, None)})
    found = plan(desired, ObservedCluster(topics=seen, brokers=ALIVE))
    assert [(each.rule, each.path, each.temporary) for each in found.refusals] == [
        ("kafka-topic-shrink", ("topics", "a", "partitions"), False),
        ("kafka-topic-replicas", ("topics", "a", "replicas"), False),
    ]
    assert found.refusals[0].what == "a has 6 partitions, the inventory 3"


def test_replicas_above_the_live_brokers_are_refused_and_who_is_down_is_told() -> None:
    (refusal,) = plan(
        wanted(topics={"a": TopicSpec(1, None)}), ObservedCluster(brokers=frozenset({1, 2}))
    ).refusals
    assert (refusal.what, refusal.why, refusal.temporary) == (
        "a needs 3 brokers, and 2 are alive", "down: kafka3 (3)", True,
    )  # fmt: skip
    assert not plan(
        wanted(topics={"a": TopicSpec(1, 2)}), ObservedCluster(brokers=frozenset({1, 2}))
    ).refusals
    held = ObservedCluster(topics={"a": ObservedTopic(1, frozenset({3}))}, brokers=frozenset({1}))
    assert not plan(wanted(topics={"a": TopicSpec(1, 3)}), held).refusals, (
        "what is there needs nobody"
    )
    assert plan(wanted(topics={"a": TopicSpec(2, 3)}), held).refusals


STRANGE = ObservedCluster(
    users={"admin": {SCRAM: 4096}, "old": {SCRAM: 4096}, "orders": {SCRAM: 4096, "SCRAM-SHA-256": 4096}},
    topics={"orders": ObservedTopic(1, frozenset({3}), {"retention.ms": "5"}, frozenset({"retention.ms"})),
            "left": ObservedTopic(2, frozenset({3}))},
    acls=frozenset((read("x", "User:old"), read("x", "User:admin"))),
    quotas={"admin": {"producer_byte_rate": 1.0}, "old": {"producer_byte_rate": 1.0},
            "orders": {"producer_byte_rate": 2.0, "consumer_byte_rate": 3.0}},
    brokers=ALIVE,
)  # fmt: skip
KNOWN = wanted(
    users={"admin": 4096, "orders": 4096}, topics={"orders": TopicSpec(1, 3)},
    quotas={"orders": {"producer_byte_rate": 2.0}},
)  # fmt: skip


def test_what_the_inventory_does_not_name_stays_and_is_told() -> None:
    found = plan(KNOWN, STRANGE)
    assert found.steps == ()
    assert found.unmanaged == (
        "quota old producer_byte_rate", "quota orders consumer_byte_rate", "acl old allow Read on topic x",
        "topic orders retention.ms", "topic left 2 partitions, with all records", f"user old {SCRAM}",
        "user orders SCRAM-SHA-256",
    )  # fmt: skip


def test_prune_takes_it_away_last_things_first_and_never_touches_a_super_user() -> None:
    found = plan(KNOWN, STRANGE, prune=True)
    assert [step.operation for step in found.steps] == [
        SetQuota("old", {}, ("producer_byte_rate",)),
        SetQuota("orders", {}, ("consumer_byte_rate",)),
        DropAcls((read("x", "User:old"),)),
        SetConfig("orders", {}, ("retention.ms",)),
        DropTopic("left"),
        DropCredential("old", SCRAM),
        DropCredential("orders", "SCRAM-SHA-256"),
    ]
    assert found.unmanaged == ()


def test_a_step_that_was_cut_off_is_done_again_only_where_it_was_not_done() -> None:
    assert not remains(DropTopic("a"), ObservedCluster())
    assert not remains(CreateTopic("left", TopicSpec(2, 3)), STRANGE)
    assert remains(AddPartitions("left", 3), STRANGE)
    assert not remains(AddPartitions("left", 2), STRANGE)
    assert not remains(DropCredential("old", "SCRAM-SHA-256"), STRANGE)
    assert remains(SetCredential("old", SCRAM, 4096), STRANGE), "whose password it has is not known"


names = st.sampled_from(["admin", "a", "b", "c"])
numbers = st.integers(1, 3)
rates = st.dictionaries(
    st.sampled_from(["producer_byte_rate", "consumer_byte_rate"]), st.floats(1, 9), min_size=1
)
configs = st.dictionaries(
    st.sampled_from(["retention.ms", "segment.ms"]), st.sampled_from(["1", "2"])
)
rights = st.frozensets(
    st.builds(AclBinding, names.map("User:{}".format), st.sampled_from(["topic", "group"]), names, st.booleans(),
              st.sampled_from(["Read", "Describe"]), st.booleans()),
    max_size=5,
)  # fmt: skip
desireds = st.builds(
    lambda users, topics, acls, quotas: wanted(
        users=users, topics=topics, acls=acls, quotas=quotas
    ),
    st.dictionaries(names, st.sampled_from([4096, 8192])),
    st.dictionaries(names, st.builds(TopicSpec, numbers, st.none() | numbers, configs)),
    rights,
    st.dictionaries(names, rates),
)
observeds = st.builds(
    lambda users, topics, acls, quotas, wrong: ObservedCluster(
        users, frozenset((user, SCRAM) for user in wrong & users.keys()), topics, acls, quotas, ALIVE
    ),
    st.dictionaries(names, st.dictionaries(st.sampled_from([SCRAM, "SCRAM-SHA-256"]), st.just(4096), min_size=1)),
    st.dictionaries(
        names,
        st.builds(
            lambda partitions, replicas, own: ObservedTopic(
                partitions, frozenset({replicas}), {"retention.ms": "9", "segment.ms": "9", **own}, frozenset(own)
            ),
            numbers, numbers, configs,
        ),
    ),
    rights,
    st.dictionaries(names, rates),
    st.frozensets(names),
)  # fmt: skip


def after(observed: ObservedCluster, step: PlanStep) -> ObservedCluster:
    """The cluster after a step, as Kafka does it."""
    users = {user: dict(has) for user, has in observed.users.items()}
    topics, quotas = (
        dict(observed.topics),
        {user: dict(has) for user, has in observed.quotas.items()},
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
            topics[name] = ObservedTopic(topic.partitions, frozenset({topic.replicas or 3}), {
                "retention.ms": "9", "segment.ms": "9", **topic.config}, frozenset(topic.config))  # fmt: skip
        case AddPartitions(name, partitions):
            assert topics[name].partitions < partitions
            topics[name] = replace(topics[name], partitions=partitions)
        case SetConfig(name, values, reset):
            seen = topics[name]
            config = {
                key: "9" if key in reset else value
                for key, value in {**seen.config, **values}.items()
            }
            overrides = (seen.overrides | values.keys()) - set(reset)
            topics[name] = replace(seen, config=config, overrides=overrides)
        case DropTopic(name):
            del topics[name]
        case AddAcls(added):
            acls |= set(added)
        case DropAcls(dropped):
            assert set(dropped) <= acls
            acls -= set(dropped)
        case SetQuota(user, values, reset):
            has = {**quotas.get(user, {}), **values}
            quotas[user] = {key: value for key, value in has.items() if key not in reset}
    return ObservedCluster({user: has for user, has in users.items() if has}, refused, topics, acls,
                    {user: has for user, has in quotas.items() if has}, observed.brokers)  # fmt: skip


@given(desireds, observeds, st.booleans())
def test_a_plan_that_is_carried_out_leaves_nothing_to_do(
    desired: DesiredCluster, observed: ObservedCluster, prune: bool
) -> None:
    found = plan(desired, observed, prune)
    for step in found.steps:
        assert remains(step.operation, observed)
        observed = after(observed, step)
    assert plan(desired, observed, prune).steps == ()
    if prune:
        assert plan(desired, observed).unmanaged == ()


@given(desireds, observeds)
def test_without_prune_nothing_goes(desired: DesiredCluster, observed: ObservedCluster) -> None:
    found = plan(desired, observed)
    assert not any(step.change.action == "remove" for step in found.steps)
    assert not any(
        isinstance(step.operation, DropTopic | DropAcls | DropCredential) for step in found.steps
    )
    assert not any(
        isinstance(step.operation, SetConfig | SetQuota) and step.operation.reset for step in found.steps
    )


@given(desireds, observeds)
def test_nothing_of_a_super_user_goes_with_prune_either(
    desired: DesiredCluster, observed: ObservedCluster
) -> None:
    before = len([acl for acl in observed.acls if acl.principal == "User:admin"])
    for step in plan(desired, observed, prune=True).steps:
        observed = after(observed, step)
        assert len([acl for acl in observed.acls if acl.principal == "User:admin"]) >= before
        if isinstance(step.operation, DropCredential):
            assert step.operation.user != "admin"
