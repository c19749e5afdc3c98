"""`hactl kafka verify` and its inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.commands.kafka_verify import verify
from provision.core.errors import UsageError
from tests.kafka.inventory import project


def test_an_inventory_without_a_cluster_is_wrong_usage(tmp_path: Path) -> None:
    found = project(tmp_path, tls=None)
    with pytest.raises(UsageError, match="has no variable `kafka`"):
        verify(replace(found, topology=replace(found.topology, kafka=None)), json=False, lab=False)
