"""Failures between a plan and its end, on three real brokers: clear messages, and no losses."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.commands import kafka_apply, kafka_plan
from provision.core.errors import Exit, HactlError, InputError, Unreachable
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.connection import ConnectionOptions
from provision.kafka.replicas.fetch import look
from provision.kafka.replicas.problems import troubles
from provision.kafka.resources import requests
from provision.kafka.resources.apply import Applied, carry_out
from provision.kafka.resources.cluster_plan import apply_plan, current_plan, passwords, refuse
from provision.kafka.resources.observe import NotAdmitted
from provision.kafka.resources.plan import Operation
from provision.kafka.resources.requests import Conflict
from provision.kafka.rolling.safety import obstacles
from tests.kafka.cluster import USERS
from tests.kafka.resources.trio import IDS, Trio, expiring_certificate, small_disk, until
from tests.kafka.stream import Stream, consumed

pytestmark = pytest.mark.kafka

FIRST = {name: {"password": password} for name, password in USERS.items()}


@pytest.fixture(autouse=True)
def loopback(three: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect over the loopback interface: no SSH, and no lint, which would refuse it."""

    @contextmanager
    def cluster_login(options: ConnectionOptions) -> Iterator[Login]:
        assert options.project
        assert options.project.topology.kafka
        model = options.project.topology.kafka.model
        yield replace(three.admin, password=model.users["admin"].password)

    for command in (kafka_plan, kafka_apply):
        monkeypatch.setattr(command, "cluster_login", cluster_login)
        monkeypatch.setattr(command, "check", lambda _project: None)


def topics(name: str, count: int, **more: Any) -> dict[str, Any]:
    """Return this many topics, each with three replicas."""
    return {
        f"{name}-{number:02}": {"partitions": 1, "replicas": 3, **more} for number in range(count)
    }


def apply(three: Trio, **kafka: Any) -> Applied:
    """Apply the inventory with these values of `kafka`, without a question."""
    cluster = three.with_kafka(**kafka).topology.kafka
    assert cluster
    cluster_plan = current_plan(cluster, three.admin, prune=False)
    refuse(cluster, cluster_plan)
    return apply_plan(cluster, three.admin, cluster_plan)


def remaining(three: Trio, **kafka: Any) -> list[str]:
    """Return the names of the steps that are left, once all brokers know of the changes."""
    cluster = three.with_kafka(**kafka).topology.kafka
    assert cluster
    time.sleep(1)
    return [step.change.name for step in current_plan(cluster, three.admin, prune=False).steps]


def test_a_wrong_admin_password_fails_at_once(three: Trio) -> None:
    invalid = three.with_kafka(users={**FIRST, "admin": {"password": "wr0ng"}})
    began = time.monotonic()
    with pytest.raises(NotAdmitted) as caught:
        kafka_plan.plan(invalid, prune=False, json=False, lab=False)
    assert "refuses admin with the inventory's password (SCRAM-SHA-512)" in str(caught.value)
    assert "wr0ng" not in str(caught.value)
    assert caught.value.exit_code is Exit.UNREACHABLE
    assert time.monotonic() - began < 5


def test_plan_and_apply_have_the_exit_codes_and_output_of_a_hosts_plan(
    three: Trio, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = three.with_kafka(
        users={**FIRST, "words": {"password": "s3cret-words"}}, topics=topics("words", 1)
    )
    assert kafka_plan.plan(changed, prune=False, json=True, lab=False) is Exit.CHANGES
    document = json.loads(capsys.readouterr().out)
    assert (document["changes"], document["resources"][1]["name"]) == (2, "words-00")
    assert kafka_apply.apply(changed, prune=False, yes=True, json=False, lab=False) is Exit.OK
    shown = capsys.readouterr().out
    assert "+ topic    words-00  1 partition, 3 replicas" in shown
    assert "Cluster kafka: 2 done." in shown
    assert "s3cret-words" not in shown
    assert kafka_plan.plan(changed, prune=False, json=False, lab=False) is Exit.OK
    assert "Plan: nothing to do on cluster kafka." in capsys.readouterr().out


def test_a_topic_that_cannot_shrink_is_refused_with_its_position(
    three: Trio,
) -> None:
    apply(three, topics=topics("shrink", 1, config={"retention.ms": 60000}) | topics("grown", 1))
    assert apply(three, topics={"grown-00": {"partitions": 4}}).complete
    smaller = {"grown-00": {"partitions": 2}, "later": {"partitions": 1}}
    with pytest.raises(InputError, match="grown-00 has 4 partitions, the inventory 2"):
        apply(three, topics=smaller)
    with pytest.raises(InputError, match="shrink-00 has 3 replicas, the inventory 2") as caught:
        apply(three, topics={"shrink-00": {"partitions": 1, "replicas": 2}})
    assert str(caught.value.problems[0].position).startswith(str(three.folder))
    assert remaining(three, topics=smaller) == ["later"]


def test_replicas_above_the_live_brokers_are_refused_before_anything(three: Trio) -> None:
    changed: dict[str, Any] = {
        "users": {**FIRST, "late": {"password": "x"}},
        "topics": topics("above", 1) | topics("below", 1, replicas=2),
    }
    with three.without(3):
        with pytest.raises(
            HactlError, match=r"above-00 needs 3 brokers, and 2 are alive; down: broker3 \(3\)"
        ) as caught:
            apply(three, **changed)
        assert "Nothing was changed" in caught.value.hint
        assert remaining(three, **changed) == ["late", "above-00", "below-00"]
    assert apply(three, **changed).complete


def test_a_broker_that_dies_during_an_apply_costs_no_step(three: Trio) -> None:
    changed = topics("during", 30)
    victim = 2
    killer = threading.Timer(0.4, three.end, (victim,))
    cluster = three.with_kafka(topics=changed).topology.kafka
    assert cluster
    cluster_plan = current_plan(cluster, three.admin, prune=False)
    killer.start()
    applied = carry_out(three.admin, cluster_plan.steps, passwords(cluster))
    killer.join()
    three.start(victim)
    until(lambda: three.live() == {*IDS})
    assert applied.complete, [outcome for outcome in applied.outcomes if outcome.result != "done"]
    assert remaining(three, topics=changed) == []


def test_two_administrators_at_once_both_get_their_results(three: Trio) -> None:
    changed = topics("both", 25)
    results: list[Applied | HactlError] = []

    def run() -> None:
        try:
            results.append(apply(three, topics=changed))
        except HactlError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    for result in results:
        if isinstance(result, HactlError):
            assert isinstance(result, Conflict), result
        elif not result.complete:
            (failed,) = (outcome for outcome in result.outcomes if outcome.result == "failed")
            assert "somebody has changed the cluster since the plan: plan again" in failed.reason
    assert apply(three, topics=changed).complete
    assert remaining(three, topics=changed) == []


def test_an_apply_ends_if_the_plan_changed_since_it_was_shown(
    three: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = three.with_kafka(topics=topics("shown", 2))

    def meanwhile() -> bool:
        apply(three, topics=topics("shown", 1))
        return True

    monkeypatch.setattr(kafka_apply, "confirm", meanwhile)
    with pytest.raises(HactlError, match="somebody else changed it"):
        kafka_apply.apply(changed, prune=False, yes=False, json=False, lab=False)
    assert remaining(three, topics=topics("shown", 2)) == ["shown-01"]


def test_an_interrupted_apply_lists_its_results_and_the_next_one_resumes(
    three: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = topics("cut", 6)
    real = requests.perform
    calls: list[Operation] = []

    def perform(admin: Any, operation: Operation, secrets: Any) -> None:
        calls.append(operation)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        real(admin, operation, secrets)

    monkeypatch.setattr(requests, "perform", perform)
    applied = apply(three, topics=changed)
    expected = ["done", "done", "done", "unknown", "not done", "not done"]
    assert [outcome.result for outcome in applied.outcomes] == expected
    assert applied.interrupted
    monkeypatch.setattr(requests, "perform", real)
    assert remaining(three, topics=changed) == ["cut-03", "cut-04", "cut-05"]
    assert apply(three, topics=changed).complete


def test_a_step_that_kafka_refuses_is_found_before_the_first_step(three: Trio) -> None:
    """The inventory accepts any text for a throttle; Kafka does not."""
    invalid = {"preallocate": True, "leader.replication.throttled.replicas": "every one"}
    changed = topics("good", 1) | topics("wrong", 1, config=invalid)
    with pytest.raises(HactlError, match="INVALID_CONFIG") as caught:
        apply(three, topics=changed)
    assert "Nothing was changed on the cluster." in caught.value.hint
    assert remaining(three, topics=changed) == ["good-00", "wrong-00"]


def test_a_step_whose_answer_is_lost_is_not_repeated(
    three: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kafka.errors import KafkaConnectionError

    real = requests.perform
    lost: list[Operation] = []

    def perform(admin: Any, operation: Operation, secrets: Any) -> None:
        real(admin, operation, secrets)
        if not lost:
            lost.append(operation)
            raise KafkaConnectionError("closed")

    monkeypatch.setattr(requests, "perform", perform)
    assert apply(three, topics=topics("lost", 3)).complete
    assert remaining(three, topics=topics("lost", 3)) == []


def test_with_a_full_disk_only_that_broker_ends_and_no_acknowledged_record_is_lost(
    three: Trio,
) -> None:
    """With acks=all two logs have a record before its acknowledgement."""
    assert apply(three, topics=topics("ballast", 1, partitions=3)).complete
    with small_disk(three, 3) as fill_disk:
        with Stream(three.admin, "ballast-00") as stream:
            fill_disk()
            until(lambda: three.running[3].poll() is not None)
            until(lambda: three.live() == {1, 2})
            time.sleep(2)
        with pytest.raises(
            HactlError, match=r"more-00 needs 3 brokers, and 2 are alive; down: broker3 \(3\)"
        ):
            apply(three, topics=topics("more", 1))
        assert "broker 3 is not in the cluster" in obstacles(
            ask(three.admin, look), three.cluster.nodes, three.cluster.nodes[0]
        )
        assert "No space left on device" in (three.brokers[3].folder / "log").read_text()
    until(lambda: not troubles(ask(three.admin, look)))
    assert not stream.failed
    assert set(stream.acknowledged) <= set(consumed(three.admin, "ballast-00"))
    assert apply(three, topics=topics("more", 1)).complete


def test_every_command_names_a_broker_with_an_expired_certificate_which_cannot_start_again(
    three: Trio,
) -> None:
    """The broker runs, and its open connections work; only new connections fail."""
    broker, node = three.brokers[3], three.cluster.nodes[2]
    file = broker.folder / "etc" / "node.pem"
    good = file.read_text()
    three.end(3)
    file.write_text(expiring_certificate(three, node.host, 45))
    three.start(3)
    try:
        until(lambda: "expired" in broker.ready()[1])
        assert broker.ready()[0], "a director removes it"
        with pytest.raises(Unreachable, match="certificate has expired"):
            ask(replace(three.admin, bootstrap=three.admin.bootstrap[2:]), look)
        assert ask(three.admin, look).silent == {3}
        others = obstacles(ask(three.admin, look), three.cluster.nodes, three.cluster.nodes[0])
        assert "broker 3 does not answer" in others, "no roll continues with another broker"
        assert kafka_plan.plan(three.project, prune=False, json=False, lab=False) is Exit.OK
        three.end(3)
        three.start(3)
        until(lambda: three.running[3].poll() is not None)
        assert "PKIX path validation failed" in (broker.folder / "log").read_text()
    finally:
        three.end(3)
        file.write_text(good)
        three.start(3)
        until(lambda: three.live() == {*IDS} and not troubles(ask(three.admin, look)))


def test_no_file_and_no_log_contains_a_password(three: Trio) -> None:
    apply(three, users={**FIRST, "quiet": {"password": "n0body-reads-this"}})
    until(
        lambda: "quiet" in ask(three.admin, lambda admin: admin.describe_user_scram_credentials())
    )
    texts = (path.read_bytes() for path in Path(three.folder).rglob("*") if path.is_file())
    assert not any(b"n0body-reads-this" in text for text in texts)
