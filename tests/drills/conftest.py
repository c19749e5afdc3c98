"""Fixtures of the drills' tests: the hosts of the agents' tests."""

from __future__ import annotations

from tests.hosts.agent.conftest import host, namespace

__all__ = ["host", "namespace"]
