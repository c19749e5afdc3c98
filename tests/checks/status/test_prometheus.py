"""Prometheus's own parser reads it, and it tells nothing that is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from provision.checks.status.model import Status
from provision.checks.status.prometheus import exposition
from tests.checks.status.test_build import of


def samples(status: Status) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What the parser makes of it; every metric has help and a type."""
    found = {}
    for family in text_string_to_metric_families(exposition(status)):
        assert family.documentation and family.type in ("gauge", "counter")
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, key
            found[key] = sample.value
    return found


def value(status: Status, name: str, **labels: str) -> float | None:
    return samples(status).get((name, frozenset(labels.items())))


VIP: dict[str, Any] = {"frontend": "web", "vip": "192.168.227.10"}
LVS1: dict[str, Any] = {"frontend": "web", "host": "lvs1", "instance": "VI_web"}


def test_a_site_that_is_well() -> None:
    found = of()
    assert value(found, "hactl_ok") == 1
    assert value(found, "hactl_vip_holders", **VIP) == 1
    assert value(found, "hactl_vrrp_master", **LVS1) == 1
    assert value(found, "hactl_vrrp_state", state="BACKUP", **LVS1) == 0
    assert value(found, "hactl_vrrp_adverts_sent_total", **LVS1) == 100
    assert exposition(found).endswith("\n")


def test_a_director_that_does_not_answer_has_no_state_at_all() -> None:
    found = of("lvs1")
    assert value(found, "hactl_up", host="lvs1") == 0
    assert value(found, "hactl_vrrp_master", **LVS1) is None
    assert not any(
        ("host", "lvs1") in labels
        for name, labels in samples(found)
        if name.startswith("hactl_vrrp")
    )
    assert value(found, "hactl_vip_holders", **VIP) is None


def test_zero_findings_and_one_holder_are_told_of_a_whole_site_alone() -> None:
    """Both are what all is well looks like, and the director that was not seen may hold the address, too."""
    found = of("lvs2")
    assert found.findings == ()
    assert (
        value(found, "hactl_findings") is None and value(found, "hactl_vip_holders", **VIP) is None
    )
    assert value(found, "hactl_vip_held", host="lvs1", **VIP) == 1
    assert (
        value(found, "hactl_ok"),
        value(found, "hactl_hosts"),
        value(found, "hactl_hosts_seen"),
    ) == (0, 4, 3)
    assert value(of(), "hactl_findings") == 0


@settings(deadline=None)  # a loaded machine stalls
@given(st.text())
def test_any_name_is_escaped(name: str) -> None:
    found = of()
    named = replace(found, frontends=(replace(found.frontends[0], name=name),))
    assert value(named, "hactl_vip_holders", frontend=name, vip="192.168.227.10") == 1
