"""A command connects to one cluster: an inventory's, or the one of a client's options."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import UsageError
from provision.deploy.project import load
from provision.kafka.client_file import login
from provision.kafka.connection import ConnectionOptions, cluster_login
from tests.kafka.retention.test_from_inventory import inventory


def test_bootstrap_servers_suffice() -> None:
    with cluster_login(ConnectionOptions(bootstrap="192.0.2.1:9092")) as server_login:
        assert server_login == login("192.0.2.1:9092", None)


@pytest.mark.parametrize(
    ("bootstrap", "with_inventory", "lab", "message"),
    [
        ("", False, False, "give --bootstrap"),
        ("", False, True, "--lab needs an inventory"),
        ("192.0.2.1:9092", True, False, "an inventory goes with neither"),
    ],
)
def test_two_clusters_or_none_are_a_usage_error(
    tmp_path: Path, bootstrap: str, with_inventory: bool, lab: bool, message: str
) -> None:
    project = load(inventory(tmp_path)) if with_inventory else None
    options = ConnectionOptions(project, lab, bootstrap)
    with pytest.raises(UsageError, match=message), cluster_login(options):
        pass
