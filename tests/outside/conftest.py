"""The switch that the tests of the prober have."""

from __future__ import annotations

from tests.prober.conftest import lan

__all__ = ["lan"]
