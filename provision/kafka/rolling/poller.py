"""Polls a cluster until a check finds no problem."""

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
"""Seconds between two polls."""

FIRST_NODE_TIMEOUT = 10.0
"""Seconds to wait before the first node: waiting does not fix a problem that was there before."""

SYNC_TIMEOUT = 600.0
"""Seconds for a restarted node to be in sync, before the next one is stopped."""

READY_TIMEOUT = 300.0
"""Seconds for a restarted node to serve: Strimzi's default (STRIMZI_OPERATION_TIMEOUT_MS)."""

Check = Callable[[Cluster], Sequence[str]]
"""Returns the problems of a cluster, one sentence for each."""


@dataclass(frozen=True)
class ClusterPoller:
    """Polls the cluster of `nodes` with `look`, which raises HostError; `stop` ends a wait early.

    Every wait lasts up to `timeout` seconds, and returns the problems that are left.
    """

    nodes: tuple[KafkaNode, ...]
    look: Callable[[], Cluster]
    events: Events
    stop: Callable[[], bool] = lambda: False

    def wait_until_safe(self, node: KafkaNode, timeout: float) -> tuple[str, ...]:
        """Wait until the node may be stopped."""
        return self.wait_until_clear(
            lambda cluster: obstacles(cluster, self.nodes, node), timeout, node.host
        )

    def wait_until_ready(self, node: KafkaNode, timeout: float) -> tuple[str, ...]:
        """Wait until a restarted node serves."""
        return self.wait_until_clear(
            lambda cluster: tuple(filter(None, [not_ready(cluster, node)])), timeout, node.host
        )

    def wait_until_in_sync(self, node: KafkaNode, timeout: float) -> tuple[str, ...]:
        """Wait until the node serves and all its replicas are in sync."""

        def problems(cluster: Cluster) -> tuple[str, ...]:
            return tuple(filter(None, [not_ready(cluster, node) or not_in_sync(cluster, node.id)]))

        return self.wait_until_clear(problems, timeout, node.host)

    def wait_until_clear(self, check: Check, timeout: float, host: str) -> tuple[str, ...]:
        """Poll until `check` finds no problem; report the first problem whenever it changes.

        A cluster that does not answer is a problem too: brokers stop and start during a roll.
        """
        deadline, reported = time.monotonic() + timeout, ""
        while True:
            problems = self._problems(check)
            if not problems or time.monotonic() >= deadline or self.stop():
                return problems
            if problems[0] != reported:
                reported = problems[0]
                self.events.host(host, f"waiting: {reported}")
            time.sleep(POLL_INTERVAL)

    def _problems(self, check: Check) -> tuple[str, ...]:
        try:
            return tuple(check(self.look()))
        except HostError as error:
            return (error.line(),)
