"""`hactl kafka verify` needs a cluster in the inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.commands.kafka_verify import verify
from provision.core.errors import UsageError
from tests.kafka.inventory import project


def test_an_inventory_without_a_cluster_is_wrong_usage(tmp_path: Path) -> None:
    site = project(tmp_path, tls=None)
    with pytest.raises(UsageError, match="has no variable `kafka`"):
        verify(replace(site, topology=replace(site.topology, kafka=None)), json=False, lab=False)
