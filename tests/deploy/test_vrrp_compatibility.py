"""Changes of a director's configuration that make the others refuse its adverts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.facts import Facts, Interface
from provision.deploy.project import load
from provision.deploy.vrrp_compatibility import (
    CONFIG,
    Incompatibility,
    host_groups,
    incompatibilities,
    vrrp_configs,
)
from provision.desired.items import File
from tests import REPOSITORY

INVENTORY = (REPOSITORY / "inventories/lab.yml").read_text()
VRRP = "vrrp:\n          virtual_router_id: 10"


def rendered(folder: Path, *edits: tuple[str, str]) -> dict[str, str]:
    """keepalived.conf of both directors, as a deploy of the edited example would write it."""
    text = INVENTORY
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "site.yml"
    path.write_text(text)
    project = load(path)
    configs = {}
    for host, address in (("lvs1", 101), ("lvs2", 102)):
        facts = Facts(
            interfaces=(Interface("eth0", (f"192.168.227.{address}/24",)),),
            default_interface="eth0",
        )
        item = project.render(host, facts).get("file", CONFIG)
        assert isinstance(item, File)
        configs[host] = item.content.decode()
    return configs


def reasons(
    folder: Path, first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> set[str]:
    pairs = incompatibilities(rendered(folder, *first), rendered(folder, *second))
    return {pair.reason for pair in pairs}


V2 = (VRRP, f"{VRRP}\n          version: 2\n          advert_int: 1\n          auth_pass: one")
UNICAST = (VRRP, f"{VRRP}\n          unicast: {{}}")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ((), (("virtual_router_id: 10", "virtual_router_id: 20"),),
         "VI_web: virtual_router_id 10 → 20"),
        ((), (("vips: [192.168.227.10]", "vips: [192.168.227.11]"),),
         "VI_web: virtual addresses 192.168.227.10 → 192.168.227.11"),
        ((), (("vips: [192.168.227.10]", "vips: [192.168.227.10, 192.168.227.11]"),),
         "VI_web: virtual addresses 192.168.227.10 → 192.168.227.10 192.168.227.11"),
        ((), (V2,), "VI_web: version 3 → 2"),
        ((), (UNICAST,), "VI_web: multicast → unicast"),
        ((V2,), (V2, ("auth_pass: one", "auth_pass: two")), "VI_web: authentication"),
        ((V2,), (V2, ("advert_int: 1", "advert_int: 2")), "VI_web: advert_int 1 → 2"),
        ((), (("name: web\n", "name: site\n"), ("virtual_router_id: 10", "virtual_router_id: 11")),
         "VI_web: virtual_router_id 10 → 11"),
    ],
)  # fmt: skip
def test_the_other_director_would_refuse_the_adverts(
    tmp_path: Path,
    first: tuple[tuple[str, str], ...],
    second: tuple[tuple[str, str], ...],
    reason: str,
) -> None:
    assert reasons(tmp_path, first, second) == {reason}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ()),
        # Adverts carry no names.
        ((), (("name: web\n", "name: site\n"),)),
        # Version 3 takes the interval from the advert.
        ((), ((VRRP, f"{VRRP}\n          advert_int: 0.5"),)),
        ((), (("vrrp_priority: 99", "vrrp_priority: 120"),)),
        ((), (("interval: 2,", "interval: 3,"), ("scheduler: rr", "scheduler: wlc"))),
    ],
)
def test_the_other_director_would_accept_the_adverts(
    tmp_path: Path, first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> None:
    assert reasons(tmp_path, first, second) == set()


def instance(
    name: str = "VI_web",
    vrid: int = 10,
    vip: str = "10.0.0.1",
    lines: str = "",
    interface: str = "eth0",
) -> str:
    return f"""
vrrp_instance {name} {{ # a comment
    interface {interface}
    version 3
    virtual_router_id {vrid}
{lines}
    virtual_ipaddress {{
        {vip}/32
    }}
}}
"""


def test_a_third_director_is_unknown_to_the_unicast_peers() -> None:
    def peers(address: int, *others: int) -> str:
        peers = " \n".join(f"10.0.0.{other}" for other in others)
        return instance(lines=f"unicast_src_ip 10.0.0.{address}\nunicast_peer {{\n{peers}\n}}")

    old = {"a": peers(11, 12), "b": peers(12, 11)}
    new = {"a": peers(11, 12, 13), "b": peers(12, 11, 13), "c": peers(13, 11, 12)}
    pairs = incompatibilities(old, new)
    assert {(tuple(sorted(pair.hosts)), pair.reason) for pair in pairs} == {
        (("a", "c"), "VI_web: unicast peers"),
        (("b", "c"), "VI_web: unicast peers"),
    }


def test_another_interface_is_another_network() -> None:
    old = {"a": instance(), "b": instance(interface="ens3")}
    new = {"a": instance(interface="eth1"), "b": instance(interface="ens3")}
    [pair] = incompatibilities(old, new)
    assert pair.reason == "VI_web: interface eth0 → eth1"


def test_an_address_that_moves_to_another_front_end_moves_on_all_directors_at_once() -> None:
    old = instance("VI_a", 1, "10.0.0.1") + instance("VI_b", 2, "10.0.0.2")
    new = instance("VI_a", 1, "10.0.0.3") + instance("VI_b", 2, "10.0.0.1")
    pairs = incompatibilities({"a": old, "b": old}, {"a": new, "b": new})
    assert {pair.reason.partition(":")[0] for pair in pairs} == {"VI_a", "VI_b"}


def test_a_front_end_that_comes_or_goes_concerns_no_other() -> None:
    first = instance("VI_a", 1, "10.0.0.1")
    both = first + instance("VI_b", 2, "10.0.0.2")
    for old, new in ((first, both), (both, first)):
        assert incompatibilities({"a": old, "b": old}, {"a": new, "b": new}) == ()


def test_ipv4_and_ipv6_have_separate_vrids() -> None:
    ipv4, ipv6 = instance("VI_a", 1, "10.0.0.1"), instance("VI_b", 1, "fd00::1")
    assert incompatibilities({"a": ipv4, "b": ipv4}, {"a": ipv4 + ipv6, "b": ipv4 + ipv6}) == ()


def test_no_reason_contains_a_password() -> None:
    old = instance(lines="authentication {\nauth_type PASS\nauth_pass hush\n}").replace(
        "version 3", "version 2"
    )
    pairs = incompatibilities(
        {"a": old, "b": old}, {"a": old.replace("hush", "more"), "b": old.replace("hush", "more")}
    )
    assert {pair.reason for pair in pairs} == {"VI_web: authentication"}


def test_only_the_part_of_a_password_that_an_advert_carries_counts() -> None:
    old = instance(lines="authentication {\nauth_type PASS\nauth_pass 12345678\n}").replace(
        "version 3", "version 2"
    )
    new = old.replace("12345678", "123456789")
    assert incompatibilities({"a": old, "b": old}, {"a": new, "b": new}) == ()


def test_incompatible_pairs_with_a_common_host_change_together() -> None:
    pairs = [("a", "b"), ("c", "d"), ("b", "e")]
    assert set(host_groups([Incompatibility(frozenset(pair), "x") for pair in pairs])) == {
        frozenset("abe"),
        frozenset("cd"),
    }


@given(st.text(alphabet="ab {}\n#!vrrp_instance10", max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    assert incompatibilities({"a": text, "b": text}, {"a": text, "b": text}) == () or vrrp_configs(
        text
    )
