"""`hactl kafka verify` of a broker of version 4, and of one that allows what nobody has forbidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import Exit
from tests.kafka.verify.site import failed, prepared, serving

pytestmark = pytest.mark.kafka

VERSION = "4.1.0"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates go with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_all_is_as_it_must_be_with_version_4(tmp_path: Path) -> None:
    with serving(prepared(tmp_path, VERSION)) as one:
        found = one.verify()
        assert failed(found) == []
        assert found.exit == Exit.OK


def test_a_cluster_that_allows_what_no_acl_forbids_is_told(tmp_path: Path) -> None:
    with serving(prepared(tmp_path, VERSION, {"allow.everyone.if.no.acl.found": "true"})) as one:
        found = one.verify()
    assert found.exit == Exit.FAILED
    assert {(id_, user) for id_, user, _ in failed(found)} == {
        (id_, user)
        for id_ in ("write-denied", "read-denied", "group-denied")
        for user in ("check", "orders", "audit")
    }
