"""Prometheus's own parser reads the exposition, which contains no unknown value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from provision.checks.status.model import Status
from provision.checks.status.prometheus import exposition
from tests.checks.status.building import site_status


def samples(status: Status) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the parsed samples; every metric must have help and a type."""
    values = {}
    for family in text_string_to_metric_families(exposition(status)):
        assert family.documentation and family.type in ("gauge", "counter")
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in values, key
            values[key] = sample.value
    return values


def value(status: Status, name: str, **labels: str) -> float | None:
    return samples(status).get((name, frozenset(labels.items())))


VIP: dict[str, Any] = {"frontend": "web", "vip": "192.168.227.10"}
LVS1: dict[str, Any] = {"frontend": "web", "host": "lvs1", "instance": "VI_web"}


def test_a_healthy_site() -> None:
    status = site_status()
    assert value(status, "hactl_ok") == 1
    assert value(status, "hactl_vip_holders", **VIP) == 1
    assert value(status, "hactl_vrrp_master", **LVS1) == 1
    assert value(status, "hactl_vrrp_state", state="BACKUP", **LVS1) == 0
    assert value(status, "hactl_vrrp_adverts_sent_total", **LVS1) == 100
    assert exposition(status).endswith("\n")


def test_a_director_that_does_not_answer_has_no_state_at_all() -> None:
    status = site_status("lvs1")
    assert value(status, "hactl_up", host="lvs1") == 0
    assert value(status, "hactl_vrrp_master", **LVS1) is None
    assert not any(
        ("host", "lvs1") in labels
        for name, labels in samples(status)
        if name.startswith("hactl_vrrp")
    )
    assert value(status, "hactl_vip_holders", **VIP) is None


def test_zero_findings_and_one_holder_need_answers_of_all_hosts() -> None:
    """Both would mean that all is well, but an unseen director may hold the VIP, too."""
    status = site_status("lvs2")
    assert status.findings == ()
    assert value(status, "hactl_findings") is None
    assert value(status, "hactl_vip_holders", **VIP) is None
    assert value(status, "hactl_vip_held", host="lvs1", **VIP) == 1
    names = ("hactl_ok", "hactl_hosts", "hactl_hosts_seen")
    assert [value(status, name) for name in names] == [0, 4, 3]
    assert value(site_status(), "hactl_findings") == 0


@settings(deadline=None)  # a loaded machine stalls
@given(st.text())
def test_any_name_is_escaped(name: str) -> None:
    status = site_status()
    renamed = replace(status, frontends=(replace(status.frontends[0], name=name),))
    assert value(renamed, "hactl_vip_holders", frontend=name, vip="192.168.227.10") == 1
