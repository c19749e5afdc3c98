"""A probe that cannot be removed is an error with the exit code of the cause."""

from __future__ import annotations

from typing import Any, cast

import pytest

from provision.core.errors import Exit, HactlError, Unreachable
from provision.kafka.client_file import Login
from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.model import Cleaner, RetentionTopic
from provision.kafka.retention.probe import run
from provision.kafka.retention.probe.design import design
from provision.kafka.retention.probe.topic import MAX_NAME_LENGTH, PREFIX, probe
from tests.kafka.cluster import free_ports

ORDERS = TopicInfo(RetentionTopic("orders"), Cleaner(), 1, {1: 1}, {}, first=(1,))


def test_a_probe_that_cannot_be_removed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = probe(design(ORDERS.topic, ORDERS.cleaner), ORDERS)
    (port,) = free_ports(1)
    monkeypatch.setattr(run, "create", lambda _admin, _probes: None)
    block = run.created(Login((("127.0.0.1", port),)), cast(Any, None), [orders])
    with (
        pytest.raises(
            HactlError, match=f"{orders.name} cannot be removed: .* cannot connect"
        ) as error,
        block,
    ):
        raise Unreachable("broker", "gone")
    assert error.value.exit_code == Exit.UNREACHABLE


def test_the_name_of_a_probe_is_legal_however_long_the_topics_name_is() -> None:
    long = TopicInfo(RetentionTopic("a" * 249), Cleaner(), 1, {1: 1}, {}, first=(1,))
    name = probe(design(long.topic, long.cleaner), long).name
    assert name.startswith(PREFIX + "a" * MAX_NAME_LENGTH + "-")
    assert len(name) <= 249
    assert name != probe(design(long.topic, long.cleaner), long).name
