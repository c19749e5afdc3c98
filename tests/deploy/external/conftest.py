"""A switch with a client, two hosts and a web server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.prober.lan import Lan


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    if os.getuid() != 0:
        pytest.skip("network namespaces need root")
    lan = Lan(f"hactl-o{os.getpid()}")
    try:
        with lan.a.web(80):
            yield lan
    finally:
        lan.delete()
