"""kafka-python has the private methods that hactl calls, and they take hactl's arguments."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from kafka import KafkaAdminClient

from provision.kafka.private_api import KNOWN_VERSIONS


def test_the_installed_release_is_a_tested_one() -> None:
    """Another release fails here first: run the tier `kafka`, then add it to KNOWN_VERSIONS."""
    assert version("kafka-python") in KNOWN_VERSIONS


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("_send_request_to_controller", ("request", lambda _answer: (), False)),
        ("_async_describe_log_dirs", (None, [1])),
    ],
)
def test_a_private_method_takes_the_arguments_that_it_is_given(
    method: str, arguments: tuple[object, ...]
) -> None:
    inspect.signature(getattr(KafkaAdminClient, method)).bind(None, *arguments)


def test_the_manager_sends_a_request_to_a_broker_of_choice() -> None:
    from kafka.net.manager import KafkaConnectionManager

    inspect.signature(KafkaConnectionManager.send).bind(None, "request", 1)
    inspect.signature(KafkaConnectionManager.run).bind(None, print, "request", 1)
