"""Which changes of a director's configuration make the others refuse its adverts; read from what is rendered."""

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
    clashes,
    host_groups,
    speakers,
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
    found = {}
    for host, address in (("lvs1", 101), ("lvs2", 102)):
        facts = Facts(
            interfaces=(Interface("eth0", (f"192.168.227.{address}/24",)),),
            default_interface="eth0",
        )
        item = project.render(host, facts).get("file", CONFIG)
        assert isinstance(item, File)
        found[host] = item.content.decode()
    return found


def whys(
    folder: Path, first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> set[str]:
    return {clash.why for clash in clashes(rendered(folder, *first), rendered(folder, *second))}


V2 = (VRRP, f"{VRRP}\n          version: 2\n          advert_int: 1\n          auth_pass: one")
UNICAST = (VRRP, f"{VRRP}\n          unicast: {{}}")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ((), (("virtual_router_id: 10", "virtual_router_id: 20"),), "VI_web: virtual_router_id 10 → 20"),
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
def test_what_the_other_director_would_refuse(
    tmp_path: Path,
    first: tuple[tuple[str, str], ...],
    second: tuple[tuple[str, str], ...],
    why: str,
) -> None:
    assert whys(tmp_path, first, second) == {why}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ()),
        ((), (("name: web\n", "name: site\n"),)),  # adverts carry no names
        (
            (),
            ((VRRP, f"{VRRP}\n          advert_int: 0.5"),),
        ),  # version 3 takes the interval from the advert
        ((), (("vrrp_priority: 99", "vrrp_priority: 120"),)),
        ((), (("interval: 2,", "interval: 3,"), ("scheduler: rr", "scheduler: wlc"))),
    ],
)
def test_what_may_change_one_director_after_the_other(
    tmp_path: Path, first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> None:
    assert whys(tmp_path, first, second) == set()


def instance(
    name: str = "VI_web",
    vrid: int = 10,
    vip: str = "10.0.0.1",
    more: str = "",
    interface: str = "eth0",
) -> str:
    return f"""
vrrp_instance {name} {{ # a comment
    interface {interface}
    version 3
    virtual_router_id {vrid}
{more}
    virtual_ipaddress {{
        {vip}/32
    }}
}}
"""


def test_a_third_director_is_unknown_to_the_unicast_peers() -> None:
    def peers(own: int, *others: int) -> str:
        lines = " \n".join(f"10.0.0.{other}" for other in others)
        return instance(more=f"unicast_src_ip 10.0.0.{own}\nunicast_peer {{\n{lines}\n}}")

    old = {"a": peers(11, 12), "b": peers(12, 11)}
    new = {"a": peers(11, 12, 13), "b": peers(12, 11, 13), "c": peers(13, 11, 12)}
    assert {(tuple(sorted(clash.hosts)), clash.why) for clash in clashes(old, new)} == {
        (("a", "c"), "VI_web: unicast peers"),
        (("b", "c"), "VI_web: unicast peers"),
    }


def test_another_interface_is_another_network() -> None:
    old = {"a": instance(), "b": instance(interface="ens3")}
    new = {"a": instance(interface="eth1"), "b": instance(interface="ens3")}
    assert [clash.why for clash in clashes(old, new)] == ["VI_web: interface eth0 → eth1"]


def test_an_address_that_moves_to_another_front_end_moves_on_all_directors_at_once() -> None:
    old = instance("VI_a", 1, "10.0.0.1") + instance("VI_b", 2, "10.0.0.2")
    new = instance("VI_a", 1, "10.0.0.3") + instance("VI_b", 2, "10.0.0.1")
    assert {
        clash.why.partition(":")[0] for clash in clashes({"a": old, "b": old}, {"a": new, "b": new})
    } == {
        "VI_a",
        "VI_b",
    }


def test_a_front_end_that_comes_or_goes_concerns_no_other() -> None:
    one, both = (
        instance("VI_a", 1, "10.0.0.1"),
        instance("VI_a", 1, "10.0.0.1") + instance("VI_b", 2, "10.0.0.2"),
    )
    for old, new in ((one, both), (both, one)):
        assert clashes({"a": old, "b": old}, {"a": new, "b": new}) == ()


def test_the_families_count_their_vrids_apart() -> None:
    four, six = instance("VI_a", 1, "10.0.0.1"), instance("VI_b", 1, "fd00::1")
    assert clashes({"a": four, "b": four}, {"a": four + six, "b": four + six}) == ()


def test_no_reason_tells_a_password() -> None:
    old = instance(more="authentication {\nauth_type PASS\nauth_pass hush\n}").replace(
        "version 3", "version 2"
    )
    found = clashes(
        {"a": old, "b": old}, {"a": old.replace("hush", "more"), "b": old.replace("hush", "more")}
    )
    assert [clash.why for clash in found] == ["VI_web: authentication"] * len(found) and found


def test_only_what_an_advert_carries_of_a_password_counts() -> None:
    old = instance(more="authentication {\nauth_type PASS\nauth_pass 12345678\n}").replace(
        "version 3", "version 2"
    )
    new = old.replace("12345678", "123456789")
    assert clashes({"a": old, "b": old}, {"a": new, "b": new}) == ()


def test_hosts_of_clashes_that_share_one_change_together() -> None:
    pairs = [("a", "b"), ("c", "d"), ("b", "e")]
    assert set(host_groups([Incompatibility(frozenset(pair), "x") for pair in pairs])) == {
        frozenset("abe"),
        frozenset("cd"),
    }


@given(st.text(alphabet="ab {}\n#!vrrp_instance10", max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    assert clashes({"a": text, "b": text}, {"a": text, "b": text}) == () or speakers(text)
