"""The variables of keepalived.conf's VRRP part, with all names and addresses resolved.

The objects are frozen, so that the template only lists them. hactl chooses these names: an instance
is `VI_<front end>`, with `_6` for IPv6 if the front end has both families, and its hand-over file
is `hactl_<front end>`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.model.frontend import Vip
from provision.inventory.model.globals import Keepalived, SyncDaemon
from provision.inventory.model.text import IpAddress
from provision.inventory.model.vrrp import (
    SyncGroup,
    TrackBfd,
    TrackFile,
    Tracking,
    TrackProcess,
    TrackScript,
    Vrrp,
)
from provision.inventory.settings import HostSettings
from provision.inventory.shared_names import definition

HANDOVER = "/var/lib/hactl/handover"
"""The folder of the hand-over files, one for each front end, which change a director's priority."""

SYNC_GROUP_6 = ipaddress.IPv6Address("ff02::81")
"""The group for connection synchronisation without IPv4; the kernel's default is 224.0.0.81."""

Settings = Mapping[str, HostSettings]
Item = TypeVar("Item", TrackScript, TrackProcess, TrackFile, TrackBfd)


@dataclass(frozen=True)
class Instance:
    """A `vrrp_instance`: a front end's addresses of one family on this director."""

    name: str
    frontend: str
    family: int
    interface: str
    priority: int
    vrrp: Vrrp
    vips: tuple[Vip, ...]
    excluded: tuple[Vip, ...]
    source: IpAddress | None
    peers: tuple[IpAddress, ...]
    group: str | None

    @property
    def files(self) -> tuple[TrackFile, ...]:
        """The files that it tracks; its sync group, if any, tracks the hand-over file."""
        return (*self.vrrp.track_files, *(() if self.group else (handover(self.frontend),)))


@dataclass(frozen=True)
class SyncGroupVariables:
    """A `vrrp_sync_group`."""

    name: str
    members: tuple[str, ...]
    options: SyncGroup
    files: tuple[TrackFile, ...]


@dataclass(frozen=True)
class TrackedObject:
    """The objects that instances and groups of this director track, without repetition."""

    scripts: tuple[TrackScript, ...]
    processes: tuple[TrackProcess, ...]
    files: tuple[TrackFile, ...]
    bfd: tuple[TrackBfd, ...]


@dataclass(frozen=True)
class Sync:
    """The connection synchronisation of a director: `lvs_sync_daemon`.

    Without `instance`, the default, the sending and the receiving daemon run all the time. A
    director that is master of one front end and backup of another needs both: a kernel has one
    daemon, and the state of one instance would be wrong for the other. The default also keeps a
    takeover short. Bound to an instance, Keepalived's VRRP process stops and starts the kernel's
    threads at every transition. After two transitions within 0.14 s, version 2.2.7 once waited for
    ever for the kernel, while it held the VIP.
    """

    daemon: SyncDaemon
    interface: str
    sync_id: int
    instance: str | None
    group: IpAddress | None


def handover(frontend: str) -> TrackFile:
    """The hand-over file: its number is added to the priority, without a new configuration."""
    return TrackFile(name=f"hactl_{frontend}", file=f"{HANDOVER}/{frontend}", weight=1, init=0)


def instances(
    host: str, frontends: Sequence[ResolvedFrontend], settings: Settings, interface: str
) -> tuple[Instance, ...]:
    """The VRRP instances of a director, in the order of the inventory."""
    return tuple(
        _instance(host, frontend, family, settings, interface)
        for frontend in frontends
        for family in frontend.model.families
    )


def _instance(
    host: str, frontend: ResolvedFrontend, family: int, settings: Settings, interface: str
) -> Instance:
    vrrp, dual_stack = frontend.vrrp, len(frontend.model.families) > 1
    vips = [vip for vip in frontend.vips if vip.family == family]
    others = (
        settings[director.host].address_of(family)
        for director in frontend.directors
        if director.host != host
    )
    extra = vrrp.unicast.peers if vrrp.unicast else ()
    peers = (
        *(peer for peer in others if peer),
        *(peer for peer in extra if peer.version == family),
    )
    return Instance(
        name=f"VI_{frontend.name}" + ("_6" if dual_stack and family == 6 else ""),
        frontend=frontend.name,
        family=family,
        interface=vrrp.interface or interface,
        priority=frontend.priority(host),
        vrrp=vrrp,
        vips=tuple(vip for vip in vips if not vip.excluded),
        excluded=tuple(vip for vip in vips if vip.excluded),
        source=settings[host].address_of(family) if vrrp.unicast else None,
        peers=peers if vrrp.unicast else (),
        group=vrrp.sync_group or (f"SG_{frontend.name}" if dual_stack else None),
    )


def takeover_wait(instances: Sequence[Instance], keepalived: Keepalived) -> float:
    """Seconds until another director has taken over all instances; 0 without instances.

    A backup waits for the adverts that may be missed, and for its skew, which is shorter than one
    advert interval (RFC 5798 §6.1).
    """
    times = (_down_adverts(item.vrrp, keepalived) * item.vrrp.interval for item in instances)
    return max(times, default=0)


def _down_adverts(vrrp: Vrrp, keepalived: Keepalived) -> int:
    """Adverts that a backup misses before it takes over; the last stands for its skew."""
    return (vrrp.down_timer_adverts or keepalived.vrrp_down_timer_adverts or 3) + 1


def groups(instances: Sequence[Instance], keepalived: Keepalived) -> tuple[SyncGroupVariables, ...]:
    """The sync groups of the instances; both families of a front end are always in one group."""
    configured = {group.name: group for group in keepalived.sync_groups}
    result = []
    for name in dict.fromkeys(instance.group for instance in instances if instance.group):
        members = [instance for instance in instances if instance.group == name]
        group = configured.get(name) or SyncGroup(name=name)
        handovers = tuple(
            handover(frontend) for frontend in dict.fromkeys(member.frontend for member in members)
        )
        result.append(
            SyncGroupVariables(
                name,
                tuple(member.name for member in members),
                group,
                (*group.track_files, *handovers),
            )
        )
    return tuple(result)


def tracked(
    instances: Sequence[Instance], groups: Sequence[SyncGroupVariables], settings: HostSettings
) -> TrackedObject:
    """The definitions of all tracked objects, without weights, which every use sets itself."""
    users: list[Tracking] = [
        *(instance.vrrp for instance in instances),
        *(group.options for group in groups),
    ]
    files = [
        *(file for instance in instances for file in instance.files),
        *(file for group in groups for file in group.files),
    ]
    return TrackedObject(
        _unique(script for user in users for script in user.track_scripts),
        _unique(process for user in users for process in user.track_processes),
        _unique(files),
        _unique(_with_source(session, settings) for user in users for session in user.track_bfd),
    )


def _with_source(session: TrackBfd, settings: HostSettings) -> TrackBfd:
    """The session with this director's address as source, which the port check of the RFC needs."""
    source = settings.address_of(session.neighbor_ip.version)
    return session if session.source_ip else session.model_copy(update={"source_ip": source})


def _unique(items: Iterable[Item]) -> tuple[Item, ...]:
    definitions: dict[str, Item] = {}
    for item in items:
        item_definition = definition(item)
        assert isinstance(item_definition, type(item))
        definitions.setdefault(item.name, item_definition)
    return tuple(definitions.values())


def sync(
    instances: Sequence[Instance], component: Sequence[ResolvedFrontend], settings: HostSettings
) -> Sync | None:
    """The connection synchronisation of a director; the front ends of `component` share it.

    Its identifier must be equal on all directors that share connections: it is the VRID of their
    first front end.
    """
    daemon = settings.keepalived.lvs_sync_daemon
    if daemon is None or not instances:
        return None
    group = daemon.group or (None if settings.address_of(4) else SYNC_GROUP_6)
    sync_id = component[0].vrrp.virtual_router_id if daemon.sync_id is None else daemon.sync_id
    return Sync(daemon, daemon.interface or instances[0].interface, sync_id, daemon.instance, group)


def component(host: str, frontends: Sequence[ResolvedFrontend]) -> tuple[ResolvedFrontend, ...]:
    """The front ends that this director's are connected with, through shared directors."""
    reached, grown = {host}, True
    while grown:
        connected = [frontend for frontend in frontends if reached & set(_directors(frontend))]
        extended = reached.union(*(_directors(frontend) for frontend in connected))
        reached, grown = extended, extended != reached
    return tuple(frontend for frontend in frontends if reached & set(_directors(frontend)))


def _directors(frontend: ResolvedFrontend) -> Iterator[str]:
    return (director.host for director in frontend.directors)
