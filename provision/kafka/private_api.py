"""The private calls of kafka-python's admin client that hactl needs; no other module makes any.

The public methods of kafka-python 3.0 cannot validate a change without making it. They cannot ask
one broker about all its log folders, and do not wait for a new controller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

KNOWN_VERSIONS = ("3.0.12",)
"""Tested releases of kafka-python: their admin client has these methods with these arguments."""


def send(admin: KafkaAdminClient, request: Any, broker: int | None = None) -> Any:
    """Return a broker's answer to a request; without `broker` the least loaded broker answers.

    Raises KafkaError.
    """
    if broker is None:
        return admin._manager.run(admin._manager.send, request)
    return admin._manager.run(admin._manager.send, request, broker)


def send_to_controller(admin: KafkaAdminClient, request: Any) -> Any:
    """Return the controller's answer to a request. Raises KafkaError.

    A KRaft broker forwards the request. With ZooKeeper only the controller itself accepts it.
    """
    return admin._manager.run(admin._send_request_to_controller, request, lambda _answer: (), False)


def log_dirs(admin: KafkaAdminClient, broker: int) -> Any:
    """Return the contents of a broker's log folders. Raises KafkaError.

    They include topics that the metadata no longer names; the public `describe_log_dirs` asks only
    for the partitions in the metadata.
    """
    (answer,) = admin._manager.run(admin._async_describe_log_dirs, None, [broker])
    return answer
