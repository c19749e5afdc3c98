"""A topic that only the inventory has is planned, too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from provision.commands.kafka_retention_plan import _topic_infos
from provision.core.errors import UsageError
from provision.deploy.project import load
from provision.kafka.retention.fetch import look
from tests.kafka.retention.test_from_inventory import inventory
from tests.kafka.site import Site, until


@pytest.mark.kafka
def test_a_topic_that_the_cluster_lacks_is_planned_from_the_inventory(
    kraft_site: Site, tmp_path: Path
) -> None:
    project = load(inventory(tmp_path))
    kraft_site.create("audit", [(1,)], retention_ms="5000")
    with kraft_site.admin() as admin:
        until(
            lambda: (
                [info.overrides for info in look(admin, ["audit"])[0]] == [{"retention.ms": "5000"}]
            )
        )
        time.sleep(2)  # until every broker knows the topic, because any broker may be asked
        existing, planned = _topic_infos(admin, ["audit", "orders"], project)
        all_names = {info.topic.name for info in _topic_infos(admin, [], project)}
        with pytest.raises(UsageError, match="no topic none"):
            _topic_infos(admin, ["none", "orders"], project)
    topic = existing.topic
    assert (topic.name, topic.retention_ms, existing.partitions) == ("audit", 5_000, 1)
    topic = planned.topic
    assert (topic.name, topic.retention_ms, planned.partitions) == ("orders", 1_000, 4)
    assert set(planned.room) == {1, 2, 3}
    assert {"audit", "orders"} <= all_names
