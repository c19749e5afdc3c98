"""The model: its messages and their places, and the short forms that it accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.core.errors import InputError, Problem
from provision.inventory.model import Frontend, Keepalived
from provision.inventory.model.service import expand_range
from provision.inventory.reader import read_inventory
from provision.inventory.source import Node
from provision.inventory.topology import build
from provision.inventory.validation import validated
from tests.inventory.building import PLACE, frontend, service, topology

INVENTORY = """\
all:
  vars:
    frontends:
      - name: web
        vips: [192.168.227.10]
        directors: directors
        vrrp: {virtual_router_id: 10}
        services:
          - port: 80
            real_servers: web
            check: {type: tcp}
  children:
    directors:
      hosts: {lvs1: {ansible_host: 192.168.227.101}, lvs2: {ansible_host: 192.168.227.102}}
    web: {hosts: {web1: {ansible_host: 192.168.227.103}}}
"""


def problems(folder: Path, old: str, new: str) -> list[str]:
    """The problems of the inventory above with a text replaced, without the path in front."""
    assert old in INVENTORY
    path = folder / "site.yml"
    path.write_text(INVENTORY.replace(old, new))
    with pytest.raises(InputError) as caught:
        build(read_inventory(path))
    return [str(problem).replace(f"{path}:", "") for problem in caught.value.problems]


MISTAKES = {
    "unknown field": (
        "port: 80",
        "prot: 80",
        "9:13: unknown-field: unknown field `prot`; the nearest known one is `port`",
    ),
    "unknown field of a check": (
        "{type: tcp}",
        "{type: tcp, intervl: 2}",
        "11:32: unknown-field: unknown field `intervl`; the nearest known one is `interval`",
    ),
    "wrong type": (
        "port: 80",
        "port: eighty",
        "9:19: wrong-type: `port` does not fit; it is text, a whole number is needed; write a "
        "whole number",
    ),
    "yes for a number": (
        "port: 80",
        "port: yes",
        "9:19: wrong-type: `port`: a number is needed, not yes or no; write a number",
    ),
    "a number for a text": (
        "{virtual_router_id: 10}",
        "{virtual_router_id: 10, version: 2, advert_int: 1, auth_pass: 123123}",
        "7:77: wrong-type: `auth_pass` does not fit; it is a number, text is needed; put it in "
        "quotes",
    ),
    "a list for a mapping": (
        "{virtual_router_id: 10}",
        "[10]",
        "7:15: wrong-type: `vrrp` does not fit; it is a list, a mapping is needed; write a mapping",
    ),
    "out of range": (
        "virtual_router_id: 10",
        "virtual_router_id: 256",
        "7:35: out-of-range: `virtual_router_id` is 256, it must be at most 255; choose a value "
        "in this range",
    ),
    "missing field": (
        "{virtual_router_id: 10}",
        "{}",
        "7:15: missing-field: `virtual_router_id` is missing; it has no default; add "
        "`virtual_router_id:`",
    ),
    "no such scheduler": (
        "port: 80",
        "{port: 80, scheduler: wrrr, real_servers: web}\n          - port: 81",
        "9:35: wrong-value: `scheduler` cannot be `wrrr`; the nearest known one is `wrr`, of rr, "
        "wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh",
    ),
    "no such check": (
        "{type: tcp}",
        "{type: htp}",
        "11:27: wrong-value: `type` cannot be `htp`; the nearest known one is `http`, of tcp, "
        "http, ssl, dns, smtp, udp, ping, misc, file, kafka, bfd",
    ),
    "a check without type": (
        "{type: tcp}",
        "{port: 80}",
        "11:20: missing-field: `type` is missing; it has no default; add `type:`",
    ),
    "VIP not an address": (
        "[192.168.227.10]",
        "[192.168.227.1000]",
        "5:16: vip-not-an-address: `vips`: '192.168.227.1000' is not an IP address; directors add "
        "a VIP to their interface; write an IPv4 or IPv6 address",
    ),
    "VIP of a wrong kind": (
        "[192.168.227.10]",
        "[192.168.227.10, 224.0.0.18]",
        "5:32: vip-not-usable: `vips`: 224.0.0.18 cannot be a virtual address; no client can "
        "connect to it; take a free address of the directors' network",
    ),
    "no VIP": (
        "[192.168.227.10]",
        "[]",
        "5:15: empty-list: `vips` is empty; it needs at least one entry; add one",
    ),
    "fractional advert interval in version 2": (
        "{virtual_router_id: 10}",
        "{virtual_router_id: 10, version: 2, advert_int: 0.5}",
        "7:15: vrrp2-fractional-interval: `vrrp`: `advert_int` 0.5 needs VRRP version 3; version "
        "2 rounds to whole seconds, so the directors would disagree (RFC 3768 §5.3.7); set "
        "`version: 3`, or a whole number of seconds",
    ),
    "password in version 3": (
        "{virtual_router_id: 10}",
        "{virtual_router_id: 10, auth_pass: secret}",
        "7:15: vrrp3-auth: `vrrp`: `auth_pass` has no effect with VRRP version 3; version 3 has "
        "no authentication (RFC 5798 §9), so the password would protect nothing; remove it, or "
        "set `version: 2` and `advert_int: 1`",
    ),
    "password too long": (
        "{virtual_router_id: 10}",
        "{virtual_router_id: 10, version: 2, auth_pass: '123456789'}",
        "7:15: auth-pass-too-long: `vrrp`: `auth_pass` is longer than 8 characters; Keepalived "
        "uses the first 8 and ignores the rest (keepalived.conf(5)); shorten it to 8",
    ),
    "a line break in a name": (
        "name: web",
        'name: "web\\nvrrp_strict"',
        "4:15: unsafe-text: `name`: a name cannot be 'web\\nvrrp_strict'; keepalived.conf would "
        "give it another meaning; use letters, digits, `_`, `.` and `-`",
    ),
    "a service without port": (
        "port: 80",
        "scheduler: rr",
        "9:13: port-missing: `services`: a service without a `port` must be persistent; IPVS "
        "treats port 0 as every port only then (ipvsadm(8), -t); set `port`, or "
        "`persistence_timeout`",
    ),
    "braces left open": (
        "{type: tcp}",
        "{type: tcp}\n            extra: ['quorum 1 {']",
        "12:20: extra-unbalanced: the braces of `extra` do not match; the lines after it would "
        "change their meaning; close every `{` within the same `extra`",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_a_plain_message_at_its_place(name: str, tmp_path: Path) -> None:
    old, new, message = MISTAKES[name]
    assert problems(tmp_path, old, new) == [message]


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    messages = problems(
        tmp_path, "port: 80", "prot: 80\n            scheduler: foo\n            quorum: x"
    )
    assert {line.split(": ")[1] for line in messages} == {
        "unknown-field",
        "wrong-value",
        "wrong-type",
    }


def refused(**changes: Any) -> Problem:
    """The only problem of the usual front end with changes."""
    with pytest.raises(InputError) as caught:
        topology([frontend(**changes)])
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"vips": ["192.168.227.10/33"]}, "out-of-range"),
        ({"vips": [{"address": "192.168.227.10", "excluded": True}]}, "vip-all-excluded"),
        ({"vips": ["fd00::1"], "vrrp": {"virtual_router_id": 1, "version": 2}}, "vrrp2-ipv6"),
        ({"vrrp": {"virtual_router_id": 1, "advert_int": 41}}, "out-of-range"),
        ({"services": [service(fwmark=1)]}, "service-two-selectors"),
        (
            {"services": [service(virtual_server_group={"name": "a", "fwmarks": [1]})]},
            "service-two-selectors",
        ),
        (
            {"services": [service(virtual_server_group={"name": "a", "ranges": ["10.0.0.0/8"]})]},
            "wrong-value",
        ),
        ({"services": [service(quorum=2, hysteresis=2)]}, "hysteresis-too-large"),
        ({"services": [service(ops=True)]}, "ops-not-udp"),
        ({"services": [service(persistence_engine="sip")]}, "persistence-without-timeout"),
        (
            {"services": [service(persistence_timeout=5, persistence_granularity="255.0.255.0")]},
            "wrong-value",
        ),
        ({"services": [service(forward="tun", tunnel={"type": "gue"})]}, "tunnel-port"),
        (
            {"services": [service(forward="tun", tunnel={"type": "gre", "checksum": "remcsum"})]},
            "tunnel-checksum",
        ),
        ({"services": [service(check={"type": "http", "urls": []})]}, "empty-list"),
        (
            {"services": [service(check={"type": "http", "urls": [{"status_code": 99}]})]},
            "wrong-value",
        ),
        ({"services": [service(check={"type": "udp", "payload": "xyz"})]}, "wrong-value"),
        ({"services": [service(check={"type": "bfd", "idle_tx": 10})]}, "out-of-range"),
        ({"services": [service(sorry_server="nowhere")]}, "not-an-address"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(changes: dict[str, Any], rule: str) -> None:
    assert refused(**changes).rule == rule


def test_alerts_need_a_recipient_and_a_mail_server() -> None:
    with pytest.raises(InputError, match="alert-without-recipient"):
        topology([frontend()], keepalived={"smtp_alert": True})
    with pytest.raises(InputError, match="alert-without-server"):
        topology([frontend()], keepalived={"notification_email": ["ops@example.com"]})


def test_a_secret_is_in_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds for values of a wrong type and for long values, in any field."""
    monkeypatch.setenv("HACTL_TEST_SECRET", "hunter2'hunter2")
    for old, new in (
        ("{virtual_router_id: 10}", "{virtual_router_id: !env HACTL_TEST_SECRET}"),
        (
            "{virtual_router_id: 10}",
            "{virtual_router_id: 10, version: 2, auth_pass: !env HACTL_TEST_SECRET}",
        ),
        ("name: web", "name: !env HACTL_TEST_SECRET"),
        (
            "port: 80",
            "{port: 80, scheduler: !env HACTL_TEST_SECRET, real_servers: web}\n          - port: "
            "81",
        ),
    ):
        assert "hunter2" not in "\n".join(problems(tmp_path, old, new))


def test_the_text_of_a_model_shows_no_password() -> None:
    site = topology([frontend(vrrp={"virtual_router_id": 1, "version": 2, "auth_pass": "hunter2"})])
    assert "hunter2" not in repr(site)
    assert site.frontends[0].vrrp.auth_pass == "hunter2"  # noqa: S105


def test_short_forms_mean_the_long_form() -> None:
    short = frontend(
        vips=["192.168.227.10/24"],
        vrrp={
            "virtual_router_id": 1,
            "unicast": True,
            "notify": "/bin/true",
            "track_interfaces": ["eth1"],
        },
        services=[service(check={"type": "tcp"}, sorry_server="192.168.227.9")],
    )
    long = frontend(
        vips=[{"address": "192.168.227.10", "prefix": 24}],
        directors=["directors"],
        vrrp={
            "virtual_router_id": 1,
            "unicast": {},
            "notify": {"command": "/bin/true"},
            "track_interfaces": [{"interface": "eth1"}],
        },
        services=[
            service(
                check=[{"type": "tcp"}],
                real_servers=["web"],
                sorry_server={"address": "192.168.227.9"},
            ),
        ],
    )
    assert topology([short]).frontends == topology([long]).frontends


def test_the_defaults_notice_a_crash_within_a_second() -> None:
    """The backup of priority 99 waits 3 × advert_int plus (256 − 99)/256 × advert_int (RFC 5798
    §6.1)."""
    resolved = topology([frontend()]).frontends[0]
    assert resolved.vrrp.interval == 0.2
    assert resolved.crash_bound == pytest.approx(3 * 0.2 + (256 - 99) / 256 * 0.2)
    assert resolved.crash_bound < 1


def test_version_2_defaults_to_whole_seconds() -> None:
    resolved = topology([frontend(vrrp={"virtual_router_id": 1, "version": 2})]).frontends[0]
    assert resolved.vrrp.interval == 1.0


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("10.0.0.250-255", "10.0.0.250", "10.0.0.255", 6),
        ("10.0.0.250-10.0.1.4", "10.0.0.250", "10.0.1.4", 11),
        ("10.0.0.8/29", "10.0.0.8", "10.0.0.15", 8),
        ("fd00::a-f", "fd00::a", "fd00::f", 6),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", 1),
    ],
)
def test_ranges_are_written_as_keepalived_writes_them(
    text: str, first: str, last: str, count: int
) -> None:
    addresses = [str(address) for address in expand_range(text)]
    assert (addresses[0], addresses[-1], len(addresses)) == (first, last, count)


@pytest.mark.parametrize(
    "text", ["10.0.0.9-5", "10.0.0.1-fd00::1", "10.0.0.0/20", "a-b", "10.0.0.1-2-3", ""]
)
def test_an_invalid_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        expand_range(text)


def test_models_are_frozen() -> None:
    resolved = topology([frontend()]).frontends[0]
    with pytest.raises(ValueError, match="frozen"):
        resolved.vrrp.virtual_router_id = 5  # type: ignore[misc]


def test_a_wrong_type_of_the_whole_value_is_reported() -> None:
    with pytest.raises(InputError, match=r"inventory.yml:7:3: wrong-type"):
        validated(Frontend, Node.of(5, PLACE))
    assert validated(Keepalived, Node.of({}, PLACE)) == Keepalived()
