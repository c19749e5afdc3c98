"""What the inventory alone has is planned as well."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from provision.commands.kafka_retention_plan import _seen
from provision.core.errors import UsageError
from provision.deploy.project import load
from provision.kafka.retention.fetch import look
from tests.kafka.retention.test_from_inventory import inventory
from tests.kafka.site import Site, until


@pytest.mark.kafka
def test_what_the_cluster_does_not_have_yet_is_planned_from_the_inventory(
    kraft_site: Site, tmp_path: Path
) -> None:
    project = load(inventory(tmp_path))
    kraft_site.create("audit", [(1,)], retention_ms="5000")
    with kraft_site.admin() as admin:
        until(
            lambda: (
                [each.overrides for each in look(admin, ["audit"])[0]] == [{"retention.ms": "5000"}]
            )
        )
        time.sleep(2)  # until the other brokers have heard of it as well, whoever is asked
        there, coming = _seen(admin, ["audit", "orders"], project)
        everything = {each.topic.name for each in _seen(admin, [], project)}
        with pytest.raises(UsageError, match="no topic none"):
            _seen(admin, ["none", "orders"], project)
    assert (there.topic.name, there.topic.retention_ms, there.partitions) == ("audit", 5_000, 1)
    assert (coming.topic.name, coming.topic.retention_ms, coming.partitions) == ("orders", 1_000, 4)
    assert set(coming.room) == {1, 2, 3}
    assert {"audit", "orders"} <= everything
