"""Whether directors accept each other's adverts while only some of them have the new configuration.

Two VRRP routers that refuse each other's adverts both become master: RFC 5798 §7.1 drops adverts
that do not fit, and so does Keepalived's check of the address list. A rollout that changes
directors one after the other can cause this, if the old adverts do not fit the new configuration.
Pure: file contents in, reasons out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

CONFIG = "/etc/keepalived/keepalived.conf"
"""The configuration file of a director's Keepalived."""

MAX_PASSWORD_LENGTH = 8
"""The characters of a password that VRRP version 2 carries (RFC 2338 §5.3.6)."""

Block: TypeAlias = "list[tuple[tuple[str, ...], Block]]"


@dataclass(frozen=True)
class VrrpConfig:
    """One `vrrp_instance`: the fields that it sends or checks in adverts.

    `interval` is only compared in version 2: in version 3 a backup takes it from the advert
    (RFC 5798 §6.4.2). `peers` and `source` are empty with multicast.
    """

    name: str
    interface: str
    vrid: int
    version: int
    interval: str
    authentication: tuple[str, str]
    group: str
    source: str
    peers: frozenset[str]
    vips: frozenset[str]

    @property
    def is_ipv6(self) -> bool:
        """Whether its addresses are IPv6: each family has its own VRIDs (RFC 5798 §5.2.3)."""
        return any(":" in vip for vip in self.vips)

    @property
    def addressing(self) -> str:
        """How it sends its adverts: `unicast` or `multicast`."""
        return "unicast" if self.peers else "multicast"

    def is_same_router(self, other: VrrpConfig) -> bool:
        """Whether both are one virtual router: the same name, the same VRID or a common address."""
        same_vrid = (self.vrid, self.is_ipv6) == (other.vrid, other.is_ipv6)
        return self.name == other.name or same_vrid or bool(self.vips & other.vips)


@dataclass(frozen=True)
class Incompatibility:
    """Two hosts that must change together; a reason is `VI_web: virtual_router_id 10 → 20`."""

    hosts: frozenset[str]
    reason: str


def vrrp_configs(text: str) -> tuple[VrrpConfig, ...]:
    """The instances of a keepalived.conf, in order; none if the file is not a keepalived.conf."""
    blocks = _parse(text)
    groups = {"vrrp_mcast_group4": "", "vrrp_mcast_group6": ""}
    for words, block in blocks:
        if words[:1] == ("global_defs",):
            groups.update({name: _value(block, name) for name in groups})
    return tuple(
        _vrrp_config(" ".join(words[1:2]), block, groups)
        for words, block in blocks
        if words[:1] == ("vrrp_instance",)
    )


def _vrrp_config(name: str, block: Block, groups: Mapping[str, str]) -> VrrpConfig:
    vips = frozenset(
        words[0].partition("/")[0] for words, _ in _inner_block(block, "virtual_ipaddress")
    )
    is_ipv6 = any(":" in vip for vip in vips)
    version = int(_value(block, "version") or 2)
    secret = _inner_block(block, "authentication") if version == 2 else []
    peers = frozenset(words[0] for words, _ in _inner_block(block, "unicast_peer"))
    return VrrpConfig(
        name=name,
        interface=_value(block, "interface"),
        vrid=int(_value(block, "virtual_router_id") or 0),
        version=version,
        interval=_value(block, "advert_int") if version == 2 else "",
        authentication=(
            _value(secret, "auth_type"),
            _value(secret, "auth_pass").strip('"')[:MAX_PASSWORD_LENGTH],
        ),
        group=_value(block, "mcast_dst_ip")
        or groups["vrrp_mcast_group6" if is_ipv6 else "vrrp_mcast_group4"],
        source=_value(block, "unicast_src_ip"),
        peers=peers,
        vips=vips,
    )


def _parse(text: str) -> Block:
    """The file as nested blocks of words; comments begin with `#` or `!` (keepalived.conf(5))."""
    top: Block = []
    open_blocks = [top]
    for line in text.splitlines():
        words = tuple(itertools.takewhile(lambda word: word[0] not in "#!", line.split()))
        if words == ("}",):
            if len(open_blocks) > 1:
                open_blocks.pop()
            continue
        if not words:
            continue
        block: Block = []
        opens = words[-1] == "{"
        open_blocks[-1].append((words[:-1] if opens else words, block))
        if opens:
            open_blocks.append(block)
    return top


def _inner_block(block: Block, name: str) -> Block:
    return next((inner for words, inner in block if words[:1] == (name,)), [])


def _value(block: Block, name: str) -> str:
    return next((words[1] for words, _ in block if words[0] == name and len(words) > 1), "")


def incompatibilities(
    old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[Incompatibility, ...]:
    """The pairs of directors of which one, with its `old` file, refuses the other's `new` file.

    Both map the hosts of one front end to the text of CONFIG. A host without an old file is in
    `new` alone.
    """
    before = {host: vrrp_configs(text) for host, text in old.items()}
    after = {host: vrrp_configs(text) for host, text in new.items()}
    pairs = []
    for late, early in itertools.permutations(new, 2):
        for config in before.get(late, ()):
            interface = next(
                (other.interface for other in after[late] if other.name == config.name),
                config.interface,
            )
            for peer in (peer for peer in after[early] if peer.is_same_router(config)):
                reasons = [
                    *_differences(config, peer),
                    *_difference("interface", config.interface, interface),
                ]
                if reasons:
                    reason = f"{config.name}: {', '.join(reasons)}"
                    pairs.append(Incompatibility(frozenset((late, early)), reason))
    return tuple(dict.fromkeys(pairs))


def _differences(old: VrrpConfig, new: VrrpConfig) -> Iterator[str]:
    """The reasons why an instance refuses the adverts of its peer."""
    yield from _difference("virtual_router_id", old.vrid, new.vrid)
    yield from _difference("version", old.version, new.version)
    if old.version == new.version:
        yield from _difference("advert_int", old.interval, new.interval)
        if old.authentication != new.authentication:
            yield "authentication"
    yield from _difference("multicast group", old.group, new.group)
    if bool(old.peers) != bool(new.peers):
        yield f"{old.addressing} → {new.addressing}"
    elif old.peers and (old.source not in new.peers or new.source not in old.peers):
        yield "unicast peers"
    if old.vips != new.vips:
        yield f"virtual addresses {' '.join(sorted(old.vips))} → {' '.join(sorted(new.vips))}"


def _difference(name: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{name} {old or 'none'} → {new or 'none'}"


def host_groups(pairs: Sequence[Incompatibility]) -> tuple[frozenset[str], ...]:
    """The groups of hosts that must change together; pairs with a common host are one group."""
    groups: list[frozenset[str]] = []
    for pair in pairs:
        joined = [group for group in groups if group & pair.hosts]
        groups = [group for group in groups if not group & pair.hosts]
        groups.append(pair.hosts.union(*joined))
    return tuple(groups)
