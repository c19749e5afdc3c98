"""The plan of a lab: names, kinds and addresses."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import LabError
from provision.lab.plan import LabSpec, lab_name

FIVE = [
    ("lvs1", "192.168.227.101", True),
    ("lvs2", "192.168.227.102", True),
    ("web1", "192.168.227.103", False),
    ("web2", "192.168.227.104", False),
    ("client", "192.168.227.100", False),
]


def test_directors_and_nodes_get_their_addresses_with_prefix() -> None:
    spec = LabSpec.of("lab", FIVE)
    assert [(host.name, host.kind, host.addresses) for host in spec.hosts][:3] == [
        ("lvs1", "director", ("192.168.227.101/24",)),
        ("lvs2", "director", ("192.168.227.102/24",)),
        ("web1", "node", ("192.168.227.103/24",)),
    ]
    assert spec.host("web1").address == "192.168.227.103"


def test_ipv6_addresses_have_another_prefix_and_are_normalised() -> None:
    spec = LabSpec.of("lab", [("a", "2001:DB8:0::0001", False)], prefix_v6=56)
    assert spec.hosts[0].addresses == ("2001:db8::1/56",)


def test_macs_are_unicast_local_and_distinct() -> None:
    spec = LabSpec.of("big", [(f"h{n}", f"10.0.{n >> 8}.{n & 255}", False) for n in range(1, 600)])
    macs = [host.mac for host in spec.hosts]
    assert len(set(macs)) == len(macs)
    assert {int(mac[:2], 16) & 3 for mac in macs} == {2}  # IEEE 802: local, not multicast


@pytest.mark.parametrize(
    ("hosts", "message", "hint"),
    [
        (
            [("web1", "web1.example.com", False)],
            "web1: the lab needs a literal IP address",
            "set ansible_host",
        ),
        ([("web1", "127.0.0.1", False)], "web1: 127.0.0.1 cannot be", "set ansible_host"),
        ([("web1", "fe80::1", False)], "web1: fe80::1 cannot be", "set ansible_host"),
        (
            [("a", "10.0.0.1", False), ("b", "10.0.0.1", True)],
            "a and b share the address 10.0.0.1",
            "another name",
        ),
        (
            [("a_b", "10.0.0.1", False), ("a-b", "10.0.0.2", False)],
            "share the name a-b",
            "another name",
        ),
        ([("a/b", "10.0.0.1", False)], "'a/b' cannot name a lab host", "host names have"),
        ([("..", "10.0.0.1", False)], "'..' cannot name a lab host", "host names have"),
        ([], "has no hosts", "add hosts"),
    ],
)
def test_invalid_and_repeated_hosts_are_refused(
    hosts: list[tuple[str, str, bool]], message: str, hint: str
) -> None:
    with pytest.raises(LabError) as caught:
        LabSpec.of("lab", hosts)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("lab", "lab"),
        ("Site_B.prod", "site-b-prod"),
        ("_x_", "x"),
        ("../..//a", "a"),
        ("a" * 50, "a" * 32),
    ],
)
def test_an_inventory_file_names_its_lab(stem: str, name: str) -> None:
    assert LabSpec.of(stem, FIVE).name == name


@pytest.mark.parametrize("stem", ["", "--", "日本"])
def test_a_stem_without_a_letter_or_digit_is_refused(stem: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        lab_name(stem)


@given(st.text(max_size=80).map(lambda text: f"a{text}"))
def test_every_name_is_safe_in_paths_and_stable(stem: str) -> None:
    name = lab_name(stem)
    assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name)
    assert lab_name(name) == name


def test_the_spec_is_read_back_from_the_state_file() -> None:
    spec = LabSpec.of("lab", FIVE)
    assert LabSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_the_same_hosts_in_another_order_are_the_same_lab() -> None:
    spec = LabSpec.of("lab", FIVE)
    assert spec.same_hosts(LabSpec.of("lab", FIVE[::-1]))
    assert not spec.same_hosts(LabSpec.of("lab", FIVE[:-1]))
    assert not spec.same_hosts(LabSpec.of("lab", [*FIVE[:-1], ("client", "192.168.227.100", True)]))


def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="lvs1, lvs2, web1, web2, client"):
        LabSpec.of("lab", FIVE).host("lvs3")
