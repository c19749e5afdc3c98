"""The private calls of kafka-python's admin client that hactl needs: each is made here and nowhere else.

The public methods of kafka-python 3.0 cannot validate without changing, cannot ask one broker about all its log
folders, and do not wait for the new controller. `KNOWN_VERSIONS` are the releases that these calls were tried with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

KNOWN_VERSIONS = ("3.0.12",)
"""Releases of kafka-python whose admin client has these methods with these arguments."""


def send(admin: KafkaAdminClient, request: Any, broker: int | None = None) -> Any:
    """The answer of one broker to a request; without `broker`, of the least loaded one. Raises KafkaError."""
    if broker is None:
        return admin._manager.run(admin._manager.send, request)
    return admin._manager.run(admin._manager.send, request, broker)


def send_to_controller(admin: KafkaAdminClient, request: Any) -> Any:
    """The controller's answer. Raises KafkaError.

    A KRaft broker forwards the request. With ZooKeeper only the controller itself accepts it.
    """
    return admin._manager.run(admin._send_request_to_controller, request, lambda _answer: (), False)


def log_dirs(admin: KafkaAdminClient, broker: int) -> Any:
    """What one broker's log folders hold, topics that the metadata no longer names included. Raises KafkaError.

    The public `describe_log_dirs` asks for the partitions of the metadata only.
    """
    (answer,) = admin._manager.run(admin._async_describe_log_dirs, None, [broker])
    return answer
