"""Checks of every managed host: it follows the inventory, and works as intended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provision.checks.verify.plugin import refuse
from provision.checks.verify.snapshot import VerifySnapshot
from provision.hosts.live.checks import HostCheck
from provision.hosts.live.state import LiveFinding
from provision.hosts.live.table import foreign_services


def test_installed(managed: str, snapshot: VerifySnapshot) -> None:
    """A deploy would change nothing, and every unit runs the installed files.

    The check covers files, kernel parameters, addresses, units and the IPVS table.
    """
    snapshot.require(managed)
    if changes := snapshot.changes[managed]:
        items = ", ".join(
            f"{change.kind} {change.name} ({change.detail or change.action})" for change in changes
        )
        finding = LiveFinding(
            "installed",
            managed,
            f"differs from the inventory in {items}",
            fix="`hactl plan` shows the difference, `hactl deploy` removes it",
        )
        refuse([finding], managed)
    if unknown := snapshot.unknown.get(managed):
        pytest.skip(
            f"not compared: {', '.join(unknown)}; "
            "this machine lacks the cluster's CA, and `hactl plan` says more"
        )


def test_host(any_host: str, host_check: HostCheck, snapshot: VerifySnapshot) -> None:
    """Every check of `provision.hosts.live.checks.HOST`, on every host."""
    snapshot.require(any_host)
    refuse(host_check(snapshot.seen, any_host), any_host)


def test_director(director: str, director_check: HostCheck, snapshot: VerifySnapshot) -> None:
    """Every check of `provision.hosts.live.checks.DIRECTOR`, on every director."""
    snapshot.require(director)
    refuse(director_check(snapshot.seen, director), director)


def test_real_server(
    real_server: str, real_server_check: HostCheck, snapshot: VerifySnapshot
) -> None:
    """Every check of `provision.hosts.live.checks.REAL_SERVER`, on every real server."""
    snapshot.require(real_server)
    refuse(real_server_check(snapshot.seen, real_server), real_server)


def test_foreign_services(
    director: str, snapshot: VerifySnapshot, record_property: Callable[[str, object], None]
) -> None:
    """Report services of the table that the inventory does not have; they are no failure."""
    snapshot.require(director)
    if foreign := foreign_services(snapshot.seen, director):
        record_property(
            "note", f"{director} has services that are not in the inventory: {', '.join(foreign)}"
        )
