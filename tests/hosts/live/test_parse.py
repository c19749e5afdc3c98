"""The tools' output read into values: real lines, and whatever hypothesis can think of."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.formats.ipvsadm import saved_table
from provision.hosts.live.parse import LookError, live_host
from provision.hosts.live.state import LiveHost, LiveServer, LiveService, LiveSyncDaemon

IPVS = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.227.10:80 wlc persistent 50
  -> 192.168.227.103:80           Route   1      12         345
  -> 192.168.227.104:80           Masq    0      0          0
UDP  [fd00:227::10]:53 rr ops
  -> [fd00:227::103]:53           Tunnel  100    0          1
FWM  7 rr
FWM  7 IPv6 mh
  -> [fd00:227::103]:0            Local   1      0          0
""".splitlines()

ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet 192.168.227.10/32 scope global lo:0\\       valid_lft forever preferred_lft forever
2: eth0    inet 192.168.227.101/24 brd 192.168.227.255 scope global dynamic eth0\\  \
     valid_lft 8s preferred_lft 8s
2: eth0    inet 192.168.227.11/32 scope global eth0:vip\\  \
     valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
3: vrrp.10@eth0    inet6 fd00::10/128 scope global nodad \\  \
     valid_lft forever preferred_lft forever
4: ppp0    inet 10.0.0.1 peer 10.0.0.2/32 scope global ppp0\\  \
     valid_lft forever preferred_lft forever
""".splitlines()


def read(sections: Mapping[str, Sequence[str]]) -> LiveHost:
    return live_host("lvs1", {"clock": ["1000.25"], **sections}, 1000.0, 0.5, 0.7)


def test_the_clock_and_how_well_it_is_known() -> None:
    live = read({})
    assert (live.host, live.clock, live.round_trip, live.seconds) == ("lvs1", 0.25, 0.5, 0.7)


def test_a_clock_of_whole_seconds_is_known_worse() -> None:
    live = read({"clock": ["1000"]})
    assert (live.clock, live.round_trip) == (0.5, 1.5)


def test_the_table() -> None:
    assert read({"ipvs": IPVS}).services == (
        LiveService(
            "-t 192.168.227.10:80",
            "wlc",
            (
                LiveServer("192.168.227.103", 80, "dr", 1, 12, 345),
                LiveServer("192.168.227.104", 80, "nat", 0, 0, 0),
            ),
        ),
        LiveService(
            "-u [fd00:227::10]:53", "rr", (LiveServer("fd00:227::103", 53, "tun", 100, 0, 1),)
        ),
        LiveService("-f 7", "rr", ()),
        LiveService("-f 7 -6", "mh", (LiveServer("fd00:227::103", 0, "local", 1, 0, 0),)),
    )


def test_addresses() -> None:
    addresses = [
        (entry.interface, f"{entry.address}/{entry.prefix}", entry.label)
        for entry in read({"addresses": ADDRESSES}).addresses
    ]
    assert addresses == [
        ("lo", "127.0.0.1/8", "lo"),
        ("lo", "192.168.227.10/32", "lo:0"),
        ("eth0", "192.168.227.101/24", "eth0"),
        ("eth0", "192.168.227.11/32", "eth0:vip"),
        ("eth0", "fe80::1/64", "eth0"),
        ("vrrp.10", "fd00::10/128", "vrrp.10"),
        ("ppp0", "10.0.0.1/32", "ppp0"),
    ]


def test_a_vip_is_held_on_any_interface_but_the_loopback() -> None:
    live = read({"addresses": ADDRESSES})
    assert live.holds("192.168.227.11")
    assert live.holds("fd00::10")
    assert not live.holds("192.168.227.10")


def test_sync_daemons() -> None:
    line = (
        "master sync daemon (mcast=eth0.7, syncid=10, maxlen=1472, "
        "group=224.0.0.81, port=8848, ttl=1)"
    )
    assert read({"sync": [line]}).sync == (LiveSyncDaemon("master", "eth0.7", 10),)


def test_interfaces_with_awkward_names() -> None:
    """An alias has a colon, a VLAN a dot, and sysctl's name for it a slash."""
    files = [
        "sys/class/net/eth0.7/address:02:68:61:00:00:01",
        "sys/class/net/eth0.7/carrier:0",
        "proc/sys/net/ipv4/conf/eth0.7/arp_ignore:1",
        "proc/sys/net/ipv4/tcp_rmem:4096\t131072\t6291456",
    ]
    live = read({"files": files})
    assert live.macs == {"eth0.7": "02:68:61:00:00:01"}
    assert live.carriers == {"eth0.7": False}
    assert live.sysctls == {
        "net.ipv4.conf.eth0/7.arp_ignore": "1",
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
    }


def test_a_vip_with_its_prefix_and_device() -> None:
    data = {
        "iname": "VI_web_6",
        "ifp_ifname": "vrrp.10",
        "vrid": 10,
        "effective_priority": 254,
        "adver_int": 1,
        "state": 97,
        "vips": ["fd00::10/64 dev eth0 scope global"],
        "evips": ["fd00::11 dev eth0"],
    }
    stats = {
        "advert_rcvd": 1,
        "advert_sent": 2,
        "become_master": 3,
        "release_master": 4,
        "addr_list_err": 5,
    }
    entry = read({"vrrp": [json.dumps([{"data": data, "stats": stats}])]}).vrrp[0]
    assert (entry.state, entry.vips, entry.errors, entry.released_master) == (
        "STOP",
        ("fd00::10", "fd00::11"),
        5,
        4,
    )


@pytest.mark.parametrize(
    "sections",
    [
        {"clock": ["soon"]},
        {"clock": []},
        {"vrrp": ["[{"]},
        {"vrrp": ['[{"data": {}}]']},
        {"ipvs": ["TCP  10.0.0.1:80 rr", "  -> 10.0.0.2:80 Route"]},
        {"listeners": ["tcp LISTEN 0 128 0.0.0.0:ssh 0.0.0.0:*"]},
    ],
)
def test_what_cannot_be_read_is_said(sections: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(LookError):
        read(sections)


NAMES = ("addresses", "listeners", "units", "vrrp", "ipvs", "ipvs_saved", "sync", "files")


@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.lists(st.text(alphabet=st.characters(exclude_characters="\n")))
    )
)
def test_nothing_but_its_own_error_comes_of_any_text(sections: dict[str, list[str]]) -> None:
    try:
        assert read(sections).host == "lvs1"
    except LookError as error:
        assert str(error)


ANY_ADDRESS = st.ip_addresses().map(str)
SERVERS = st.lists(
    st.tuples(ANY_ADDRESS, st.integers(0, 65535), st.integers(0, 65535)),
    max_size=4,
    unique_by=lambda s: s[:2],
)


def at(address: str, port: int) -> str:
    return (
        f"[{address}]:{port}" if ipaddress.ip_address(address).version == 6 else f"{address}:{port}"
    )


@given(
    st.lists(
        st.tuples(ANY_ADDRESS, st.integers(1, 65535), SERVERS),
        max_size=4,
        unique_by=lambda s: s[:2],
    )
)
def test_a_table_survives_being_printed(
    table: list[tuple[str, int, list[tuple[str, int, int]]]],
) -> None:
    """As ipvsadm(8) lists and saves it."""
    listed, saved = [], []
    for address, port, servers in table:
        listed.append(f"TCP  {at(address, port)} rr")
        saved.append(f"-A -t {at(address, port)} -s rr")
        listed += [f"  -> {at(*server[:2])}   Route   {server[2]}   0   0" for server in servers]
        saved += [
            f"-a -t {at(address, port)} -r {at(*server[:2])} -g -w {server[2]}"
            for server in servers
        ]
    live = read({"ipvs": listed, "ipvs_saved": saved})
    expected = {f"-t {at(address, port)}": servers for address, port, servers in table}
    assert {
        service.selector: [(entry.address, entry.port, entry.weight) for entry in service.servers]
        for service in live.services
    } == expected
    assert {
        selector: {place: int(rule.split()[-1]) for place, rule in servers.items()}
        for selector, (_, servers) in saved_table(live.ipvs_saved).items()
    } == {
        selector: {at(*entry[:2]): entry[2] for entry in servers}
        for selector, servers in expected.items()
    }
