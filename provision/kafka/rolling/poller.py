"""A cluster that is looked at again and again until nothing is in the way any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provision.core.errors import HostError
from provision.core.events import Events
from provision.inventory.kafka import KafkaNode
from provision.kafka.replicas.model import Cluster
from provision.kafka.rolling.safety import not_in_sync, not_ready, obstacles

POLL_INTERVAL = 1.0
"""Seconds between two looks."""

AT_FIRST = 10.0
"""Seconds for a cluster to come right before the first node is taken: what no roll has caused, no wait will mend."""

WHOLE = 600.0
"""Seconds for a node that is back to catch up, before the next one is taken."""

BACK = 300.0
"""Seconds for a restarted node to serve again: Strimzi's default for the same (STRIMZI_OPERATION_TIMEOUT_MS)."""

Judge = Callable[[Cluster], Sequence[str]]


@dataclass(frozen=True)
class Poller:
    """The cluster of `nodes` as it is seen by `look`, which raises HostError; `stop` ends each wait early."""

    nodes: tuple[KafkaNode, ...]
    look: Callable[[], Cluster]
    events: Events
    stop: Callable[[], bool] = lambda: False

    def may_go(self, node: KafkaNode, limit: float) -> tuple[str, ...]:
        """Wait until the node may go down; what still speaks against it after `limit` seconds."""
        return self.wait_until_clear(
            lambda cluster: obstacles(cluster, self.nodes, node), limit, node.host
        )

    def back(self, node: KafkaNode, limit: float) -> tuple[str, ...]:
        """Wait until a restarted node serves; what it lacks after `limit` seconds."""
        return self.wait_until_clear(
            lambda cluster: tuple(filter(None, [not_ready(cluster, node)])), limit, node.host
        )

    def whole(self, node: KafkaNode, limit: float) -> tuple[str, ...]:
        """Wait until the node serves and is in sync with all that it holds; what is not after `limit` seconds."""

        def lacking(cluster: Cluster) -> tuple[str, ...]:
            return tuple(filter(None, [not_ready(cluster, node) or not_in_sync(cluster, node.id)]))

        return self.wait_until_clear(lacking, limit, node.host)

    def wait_until_clear(self, judge: Judge, limit: float, host: str) -> tuple[str, ...]:
        """Look until `judge` finds nothing; what it finds after `limit` seconds. Each change is said.

        A cluster that does not answer is one more reason to wait: brokers come and go meanwhile.
        """
        end, said = time.monotonic() + limit, ""
        while True:
            found = self._judged(judge)
            if not found or time.monotonic() >= end or self.stop():
                return found
            if found[0] != said:
                said = found[0]
                self.events.host(host, f"waiting: {said}")
            time.sleep(POLL_INTERVAL)

    def _judged(self, judge: Judge) -> tuple[str, ...]:
        try:
            return tuple(judge(self.look()))
        except HostError as error:
            return (error.line(),)
