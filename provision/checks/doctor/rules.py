"""All rules. The import registers them, in the order in which equal ranks are shown."""

from __future__ import annotations

from provision.checks.doctor import server, vrrp, daemon, address, balance  # isort: skip
from provision.checks.doctor.registry import RULES, diagnose

__all__ = ["RULES", "address", "balance", "daemon", "diagnose", "server", "vrrp"]
