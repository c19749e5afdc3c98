"""Three brokers for the tests of a module, which share them; whoever takes one down brings it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.resources.trio import Trio, trio


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """The brokers, as their inventory was first."""
    with trio(tmp_path_factory.mktemp("trio"), "3.9.1") as made:
        yield made
