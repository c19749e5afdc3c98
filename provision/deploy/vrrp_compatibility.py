"""Whether directors understand each other's adverts while some have a new configuration and others still the old one.

Two VRRP routers that refuse each other's adverts are both master (RFC 5798 §7.1 drops what does not fit; so does
Keepalived's check of the address list). A rollout that changes one director after the other passes through such a state
whenever the old adverts do not fit the new configuration. Pure: texts in, reasons out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

CONFIG = "/etc/keepalived/keepalived.conf"
"""The file that says how a director speaks."""

PASSWORD = 8
"""Characters of a password that VRRP version 2 carries (RFC 2338 §5.3.6)."""

Block: TypeAlias = "list[tuple[tuple[str, ...], Block]]"


@dataclass(frozen=True)
class VrrpConfig:
    """One `vrrp_instance`, by what its adverts are made of and what it must find in another's.

    `interval` is only compared in version 2: in version 3 a backup takes it from the advert (RFC 5798 §6.4.2). `peers`
    are empty with multicast, `source` then, too.
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
    def six(self) -> bool:
        """Whether its addresses are IPv6: the families count their VRIDs apart (RFC 5798 §5.2.3)."""
        return any(":" in vip for vip in self.vips)

    def is_also(self, other: VrrpConfig) -> bool:
        """Whether both are the same router to the operator: the same name, the same VRID, or an address in common."""
        router = (self.vrid, self.six) == (other.vrid, other.six)
        return self.name == other.name or router or bool(self.vips & other.vips)


@dataclass(frozen=True)
class Incompatibility:
    """Two hosts that must change at the same moment, and why: `VI_web: virtual_router_id 10 → 20`."""

    hosts: frozenset[str]
    why: str


def speakers(text: str) -> tuple[VrrpConfig, ...]:
    """The instances of a keepalived.conf, in order; a file that is not one has none."""
    blocks = _parse(text)
    names = {"vrrp_mcast_group4": "", "vrrp_mcast_group6": ""}
    for words, inner in blocks:
        if words[:1] == ("global_defs",):
            names.update({name: _value(inner, name) for name in names})
    return tuple(
        _speaker(" ".join(words[1:2]), inner, names)
        for words, inner in blocks
        if words[:1] == ("vrrp_instance",)
    )


def _speaker(name: str, block: Block, groups: Mapping[str, str]) -> VrrpConfig:
    vips = frozenset(words[0].partition("/")[0] for words, _ in _inner(block, "virtual_ipaddress"))
    six = any(":" in vip for vip in vips)
    version = int(_value(block, "version") or 2)
    secret = _inner(block, "authentication") if version == 2 else []
    peers = frozenset(words[0] for words, _ in _inner(block, "unicast_peer"))
    return VrrpConfig(
        name=name,
        interface=_value(block, "interface"),
        vrid=int(_value(block, "virtual_router_id") or 0),
        version=version,
        interval=_value(block, "advert_int") if version == 2 else "",
        authentication=(
            _value(secret, "auth_type"),
            _value(secret, "auth_pass").strip('"')[:PASSWORD],
        ),
        group=_value(block, "mcast_dst_ip")
        or groups["vrrp_mcast_group6" if six else "vrrp_mcast_group4"],
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
        inner: Block = []
        opens = words[-1] == "{"
        open_blocks[-1].append((words[:-1] if opens else words, inner))
        if opens:
            open_blocks.append(inner)
    return top


def _inner(block: Block, name: str) -> Block:
    return next((inner for words, inner in block if words[:1] == (name,)), [])


def _value(block: Block, name: str) -> str:
    return next((words[1] for words, _ in block if words[0] == name and len(words) > 1), "")


def clashes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Incompatibility, ...]:
    """Every pair of directors of which one, still with its `old` file, would refuse the other with its `new` one.

    Both map hosts that share a front end to the text of CONFIG; a host without an old one is in `new` alone.
    """
    before = {host: speakers(text) for host, text in old.items()}
    after = {host: speakers(text) for host, text in new.items()}
    found = []
    for late, early in itertools.permutations(new, 2):
        for mine in before.get(late, ()):
            for other in (each for each in after[early] if each.is_also(mine)):
                moved = next(
                    (own.interface for own in after[late] if own.name == mine.name), mine.interface
                )
                whys = [*_differences(mine, other), *_change("interface", mine.interface, moved)]
                found += (
                    [Incompatibility(frozenset((late, early)), f"{mine.name}: {', '.join(whys)}")]
                    if whys
                    else []
                )
    return tuple(dict.fromkeys(found))


def _differences(old: VrrpConfig, new: VrrpConfig) -> Iterator[str]:
    """Why an instance refuses the adverts of its counterpart."""
    yield from _change("virtual_router_id", old.vrid, new.vrid)
    yield from _change("version", old.version, new.version)
    if old.version == new.version:
        yield from _change("advert_int", old.interval, new.interval)
        if old.authentication != new.authentication:
            yield "authentication"
    yield from _change("multicast group", old.group, new.group)
    if bool(old.peers) != bool(new.peers):
        yield f"{_way(old)} → {_way(new)}"
    elif old.peers and (old.source not in new.peers or new.source not in old.peers):
        yield "unicast peers"
    if old.vips != new.vips:
        yield f"virtual addresses {' '.join(sorted(old.vips))} → {' '.join(sorted(new.vips))}"


def _change(what: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{what} {old or 'none'} → {new or 'none'}"


def _way(speaker: VrrpConfig) -> str:
    return "unicast" if speaker.peers else "multicast"


def host_groups(found: Sequence[Incompatibility]) -> tuple[frozenset[str], ...]:
    """The hosts that must change at the same moment, each group once: clashes that share a host are one."""
    groups: list[frozenset[str]] = []
    for clash in found:
        touching = [group for group in groups if group & clash.hosts]
        groups = [group for group in groups if not group & clash.hosts]
        groups.append(clash.hosts.union(*touching))
    return tuple(groups)
