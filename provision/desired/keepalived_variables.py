"""What keepalived.conf of one director lists on the VRRP side: every object with its names and addresses resolved.

The objects are plain and frozen so that the template is a plain listing too. Names that hactl makes up: an instance
is `VI_<front end>`, with `_6` where the front end has both families; its hand-over file's is `hactl_<front end>`.
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
"""The folder of the files that raise a director's priority for a planned hand-over, one a front end."""

SYNC_GROUP_6 = ipaddress.IPv6Address("ff02::81")
"""Where connections are sent between directors without IPv4; the kernel's own choice is 224.0.0.81."""

Settings = Mapping[str, HostSettings]
Item = TypeVar("Item", TrackScript, TrackProcess, TrackFile, TrackBfd)


@dataclass(frozen=True)
class Instance:
    """One `vrrp_instance`: a front end's addresses of one family on this director."""

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
        """The files it tracks itself, that of the planned hand-over among them unless its group tracks that."""
        return (*self.vrrp.track_files, *(() if self.group else (handover(self.frontend),)))


@dataclass(frozen=True)
class SyncGroupVariables:
    """One `vrrp_sync_group`."""

    name: str
    members: tuple[str, ...]
    options: SyncGroup
    files: tuple[TrackFile, ...]


@dataclass(frozen=True)
class TrackedObject:
    """The definitions of everything that instances and groups of this director track, each once."""

    scripts: tuple[TrackScript, ...]
    processes: tuple[TrackProcess, ...]
    files: tuple[TrackFile, ...]
    bfd: tuple[TrackBfd, ...]


@dataclass(frozen=True)
class Sync:
    """The connection synchronisation of a director: `lvs_sync_daemon`.

    Without `instance`, the default, both the sending and the receiving daemon run all the time. Directors that are
    master of one front end and backup of another need that: there is one daemon a kernel, and bound to one instance
    it would be wrong about the other. For all others it keeps a takeover short of work: bound to an instance, the VRRP
    process of Keepalived stops and starts the kernel's threads in every transition, and 2.2.7 was once seen to wait
    for ever for the kernel's answer to that, holding the VIP, after two transitions within 0.14 s.
    """

    daemon: SyncDaemon
    interface: str
    sync_id: int
    instance: str | None
    group: IpAddress | None


def handover(frontend: str) -> TrackFile:
    """The file whose number is added to this director's priority: a planned hand-over needs no new configuration."""
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
    vrrp, several = frontend.vrrp, len(frontend.model.families) > 1
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
        name=f"VI_{frontend.name}" + ("_6" if several and family == 6 else ""),
        frontend=frontend.name,
        family=family,
        interface=vrrp.interface or interface,
        priority=frontend.priority(host),
        vrrp=vrrp,
        vips=tuple(vip for vip in vips if not vip.excluded),
        excluded=tuple(vip for vip in vips if vip.excluded),
        source=settings[host].address_of(family) if vrrp.unicast else None,
        peers=peers if vrrp.unicast else (),
        group=vrrp.sync_group or (f"SG_{frontend.name}" if several else None),
    )


def takeover_wait(found: Sequence[Instance], keepalived: Keepalived) -> float:
    """Seconds after which any other director alive has taken over what this one leaves; 0 without an instance.

    A backup waits for as many adverts as may be missed and its skew, which is less than one more (RFC 5798 §6.1).
    """
    return max((_missed(each.vrrp, keepalived) * each.vrrp.interval for each in found), default=0)


def _missed(vrrp: Vrrp, keepalived: Keepalived) -> int:
    return (vrrp.down_timer_adverts or keepalived.vrrp_down_timer_adverts or 3) + 1


def groups(found: Sequence[Instance], keepalived: Keepalived) -> tuple[SyncGroupVariables, ...]:
    """The sync groups of the instances; both families of one front end are one even when nobody asked."""
    options = {group.name: group for group in keepalived.sync_groups}
    result = []
    for name in dict.fromkeys(instance.group for instance in found if instance.group):
        members = [instance for instance in found if instance.group == name]
        own = options.get(name) or SyncGroup(name=name)
        handovers = tuple(
            handover(frontend) for frontend in dict.fromkeys(member.frontend for member in members)
        )
        result.append(
            SyncGroupVariables(
                name, tuple(member.name for member in members), own, (*own.track_files, *handovers)
            )
        )
    return tuple(result)


def tracked(
    found: Sequence[Instance], grouped: Sequence[SyncGroupVariables], settings: HostSettings
) -> TrackedObject:
    """The definitions of all that is tracked, weights left out: each use names its own."""
    users: list[Tracking] = [
        *(instance.vrrp for instance in found),
        *(group.options for group in grouped),
    ]
    files = [
        *(file for instance in found for file in instance.files),
        *(file for group in grouped for file in group.files),
    ]
    return TrackedObject(
        _once(script for user in users for script in user.track_scripts),
        _once(process for user in users for process in user.track_processes),
        _once(files),
        _once(_sourced(session, settings) for user in users for session in user.track_bfd),
    )


def _sourced(session: TrackBfd, settings: HostSettings) -> TrackBfd:
    """The session with this director's own address to speak from, which the RFC's port check needs."""
    own = settings.address_of(session.neighbor_ip.version)
    return session if session.source_ip else session.model_copy(update={"source_ip": own})


def _once(items: Iterable[Item]) -> tuple[Item, ...]:
    found: dict[str, Item] = {}
    for item in items:
        bare = definition(item)
        assert isinstance(bare, type(item))
        found.setdefault(item.name, bare)
    return tuple(found.values())


def sync(
    found: Sequence[Instance], component: Sequence[ResolvedFrontend], settings: HostSettings
) -> Sync | None:
    """The connection synchronisation of a director with these instances; `component` are the front ends that share it.

    The identifier must be the same on all directors that share connections: the VRID of their first front end.
    """
    daemon = settings.keepalived.lvs_sync_daemon
    if daemon is None or not found:
        return None
    group = daemon.group or (None if settings.address_of(4) else SYNC_GROUP_6)
    sync_id = component[0].vrrp.virtual_router_id if daemon.sync_id is None else daemon.sync_id
    return Sync(daemon, daemon.interface or found[0].interface, sync_id, daemon.instance, group)


def component(host: str, frontends: Sequence[ResolvedFrontend]) -> tuple[ResolvedFrontend, ...]:
    """The front ends that are tied to this director's, over directors they share."""
    reached, grown = {host}, True
    while grown:
        near = [frontend for frontend in frontends if reached & set(_directors(frontend))]
        wider = reached.union(*(_directors(frontend) for frontend in near))
        reached, grown = wider, wider != reached
    return tuple(frontend for frontend in frontends if reached & set(_directors(frontend)))


def _directors(frontend: ResolvedFrontend) -> Iterator[str]:
    return (director.host for director in frontend.directors)
