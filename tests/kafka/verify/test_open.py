"""`hactl kafka verify` of a broker of version 4, and of a broker that allows without an ACL."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import Exit
from tests.kafka.verify.site import failed, prepared, serving

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("state")]

VERSION = "4.1.0"


def test_all_checks_pass_with_version_4(tmp_path: Path) -> None:
    with serving(prepared(tmp_path, VERSION)) as broker:
        verification = broker.verify()
        assert failed(verification) == []
        assert verification.exit == Exit.OK


def test_a_cluster_that_allows_operations_without_an_acl_fails(tmp_path: Path) -> None:
    with serving(prepared(tmp_path, VERSION, {"allow.everyone.if.no.acl.found": "true"})) as broker:
        verification = broker.verify()
    assert verification.exit == Exit.FAILED
    assert {(id_, user) for id_, user, _ in failed(verification)} == {
        (id_, user)
        for id_ in ("write-denied", "read-denied", "group-denied")
        for user in ("check", "orders", "audit")
    }
