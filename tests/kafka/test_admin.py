"""What becomes of answers that are no answers yet."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import RetriableError

from provision.kafka.admin import described


class Client:
    """Of an admin client, the one question."""

    def __init__(self, *brokers: dict[str, Any]) -> None:
        self._brokers = list(brokers)

    def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": self._brokers, "controller_id": -1}


@pytest.mark.parametrize("brokers", [(), ({"broker_id": 1, "is_fenced": True},)])
def test_a_broker_that_has_not_heard_of_any_yet_is_asked_again(
    brokers: tuple[dict[str, Any], ...],
) -> None:
    """In a roll with ZooKeeper, it is the restarted broker itself that may be the first to answer."""
    with pytest.raises(RetriableError, match="only just started"):
        described(Client(*brokers))  # type: ignore[arg-type]


def test_one_broker_is_enough() -> None:
    found = described(Client({"broker_id": 1}, {"broker_id": 2, "is_fenced": True}))  # type: ignore[arg-type]
    assert [each["broker_id"] for each in found["brokers"]] == [1, 2]
