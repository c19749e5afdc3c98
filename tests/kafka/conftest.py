"""The three KRaft brokers that tests share; a test that stops one starts it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.site import Site, kraft


@pytest.fixture(scope="session")
def kraft_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield three brokers."""
    with kraft(tmp_path_factory.mktemp("kraft")) as site:
        yield site
