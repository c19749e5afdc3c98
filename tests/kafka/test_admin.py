"""A description of the cluster without any live broker counts as no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from kafka.errors import RetriableError

from provision.kafka.admin import describe_cluster

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


class Client:
    """An admin client with only the method that the test needs."""

    def __init__(self, *brokers: dict[str, Any]) -> None:
        self._brokers = list(brokers)

    def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": self._brokers, "controller_id": -1}


@pytest.mark.parametrize("brokers", [(), ({"broker_id": 1, "is_fenced": True},)])
def test_an_answer_without_a_live_broker_is_retried(brokers: tuple[dict[str, Any], ...]) -> None:
    """In a roll with ZooKeeper, the restarted broker itself may be the first to answer."""
    with pytest.raises(RetriableError, match="has just started"):
        describe_cluster(cast("KafkaAdminClient", Client(*brokers)))


def test_one_live_broker_suffices() -> None:
    client = Client({"broker_id": 1}, {"broker_id": 2, "is_fenced": True})
    description = describe_cluster(cast("KafkaAdminClient", client))
    assert [broker["broker_id"] for broker in description["brokers"]] == [1, 2]
