"""There is one way to a cluster: an inventory, or what a client of Kafka's takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import UsageError
from provision.deploy.project import load
from provision.kafka.client_file import login
from provision.kafka.connection import ConnectionOptions, reached
from tests.kafka.retention.test_from_inventory import inventory


def test_bootstrap_servers_are_a_way() -> None:
    with reached(ConnectionOptions(bootstrap="192.0.2.1:9092")) as found:
        assert found == login("192.0.2.1:9092", None)


@pytest.mark.parametrize(
    ("bootstrap", "with_inventory", "lab", "why"),
    [
        ("", False, False, "give --bootstrap"),
        ("", False, True, "lab goes with an inventory"),
        ("192.0.2.1:9092", True, False, "an inventory goes with neither"),
    ],
)
def test_two_ways_and_none_are_told(
    tmp_path: Path, bootstrap: str, with_inventory: bool, lab: bool, why: str
) -> None:
    project = load(inventory(tmp_path)) if with_inventory else None
    with pytest.raises(UsageError, match=why), reached(ConnectionOptions(project, lab, bootstrap)):
        pass
