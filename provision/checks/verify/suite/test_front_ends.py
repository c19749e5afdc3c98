"""Checks of every front end: the holders of its VIPs, and the network as the client sees it."""

from __future__ import annotations

import pytest

from provision.checks.verify.plugin import refuse
from provision.checks.verify.snapshot import VerifySnapshot
from provision.checks.verify.wire import (
    ServerAddress,
    Unavailable,
    own_vrids,
    serves_vip,
    vip_answers,
)
from provision.hosts.live.checks import FrontendCheck
from provision.inventory.frontends import ResolvedFrontend


@pytest.fixture(autouse=True)
def _require_client(snapshot: VerifySnapshot, request: pytest.FixtureRequest) -> None:
    """Fail the client's checks where the client cannot be reached; they are not skipped."""
    if request.node.get_closest_marker("wire") and snapshot.wire.failed:
        pytest.fail(snapshot.wire.reason, pytrace=False)


def test_front_end(
    frontend: ResolvedFrontend, frontend_check: FrontendCheck, snapshot: VerifySnapshot
) -> None:
    """Every check of `provision.hosts.live.checks.FRONTEND`, for every front end."""
    snapshot.require(*(director.host for director in frontend.directors))
    refuse(frontend_check(snapshot.seen, frontend))


@pytest.mark.wire
def test_vip_answers(vip: str, snapshot: VerifySnapshot) -> None:
    """Only the holder's hardware address answers for the VIP."""
    try:
        refuse(vip_answers(snapshot.seen, snapshot.wire, vip))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.wire
def test_serves_vip(served: ServerAddress, snapshot: VerifySnapshot) -> None:
    """Each real server answers for the VIP on its own hardware address."""
    try:
        snapshot.require(served.host)
        refuse(serves_vip(snapshot.seen, snapshot.wire, served), served.host)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.wire
def test_own_vrids(frontend: ResolvedFrontend, snapshot: VerifySnapshot) -> None:
    """Only one director of the front end advertises its VRID."""
    try:
        refuse(own_vrids(snapshot.seen, snapshot.wire, frontend))
    except Unavailable as reason:
        pytest.skip(str(reason))
