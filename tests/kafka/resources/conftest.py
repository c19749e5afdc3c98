"""Three brokers that the tests of a module share; a test that stops one starts it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.resources.trio import Trio, trio


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """Yield the brokers with their first inventory."""
    with trio(tmp_path_factory.mktemp("trio"), "3.9.1") as brokers:
        yield brokers
