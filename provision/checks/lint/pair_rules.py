"""Rules about directors that must agree with each other: each one's configuration is sound, the pair is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from provision.checks.lint.registry import Hit, rule
from provision.desired.keepalived_variables import component, instances
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology


def _differing(
    topology: Topology, frontend: ResolvedFrontend, path: Sequence[str]
) -> tuple[str, str] | None:
    """The first two directors of a front end whose `keepalived` differs at `path`."""
    seen: list[tuple[str, Any]] = []
    for director in frontend.directors:
        value: Any = topology.hosts[director.host].keepalived
        for name in path:
            value = getattr(value, name, None)
        seen.append((director.host, value))
    first = seen[0]
    return next(((first[0], host) for host, value in seen if value != first[1]), None)


@rule(
    "adverts-not-heard",
    "error",
    "The directors of a front end talk past each other",
    "each hears nothing and becomes master: the VIP is on both",
    "keepalived.conf(5), vrrp_mcast_group4, vrrp_mcast_group6",
)
def adverts_not_heard(topology: Topology) -> Iterator[Hit]:
    """Multicast groups may be set by host; a front end with a group of its own, or unicast, does not use them."""
    for frontend in topology.frontends:
        if frontend.vrrp.unicast or frontend.vrrp.mcast_dst_ip:
            continue
        for family in frontend.model.families:
            name = f"vrrp_mcast_group{family}"
            hosts = _differing(topology, frontend, (name,))
            if hosts:
                what = f"`{name}` differs between {hosts[0]} and {hosts[1]}, both directors of `{frontend.name}`"
                yield frontend.node.at("directors"), what, "set it alike for all directors"


@rule(
    "down-timers-differ",
    "error",
    "The directors of a front end wait differently long",
    "the one that waits shorter takes over while the master still lives",
    "keepalived.conf(5), down_timer_adverts: all routers of an instance must use the same value",
)
def down_timers_differ(topology: Topology) -> Iterator[Hit]:
    """The global default may be set by host; the front end's own setting overrules it on all of them."""
    for frontend in topology.frontends:
        hosts = _differing(topology, frontend, ("vrrp_down_timer_adverts",))
        if hosts and frontend.vrrp.down_timer_adverts is None:
            what = f"`vrrp_down_timer_adverts` differs between {hosts[0]} and {hosts[1]}"
            yield (
                frontend.node.at("directors"),
                what,
                "set `down_timer_adverts` of the front end instead",
            )


@rule(
    "connections-not-heard",
    "error",
    "The directors of a front end synchronise connections past each other",
    "the backup knows no connection, and all of them break in a failover",
    "keepalived.conf(5), lvs_sync_daemon",
)
def connections_not_heard(topology: Topology) -> Iterator[Hit]:
    """Identifier, port and group must be the same; so must it be on at all."""
    for frontend in topology.frontends:
        for name in ("sync_id", "port", "group", ""):
            hosts = _differing(
                topology, frontend, ("lvs_sync_daemon", name) if name else ("lvs_sync_daemon",)
            )
            switched = hosts and {
                topology.hosts[host].keepalived.lvs_sync_daemon is None for host in hosts
            }
            if hosts and (name or switched == {True, False}):
                field = f"`lvs_sync_daemon: {{{name}: …}}`" if name else "`lvs_sync_daemon`"
                what = f"{field} differs between {hosts[0]} and {hosts[1]}, both directors of `{frontend.name}`"
                yield frontend.node.at("directors"), what, "set it alike for all directors"
                break


@rule(
    "sync-instance-unknown",
    "error",
    "Connection sync follows an instance that is not there",
    "Keepalived takes the name without a word, and the daemon never becomes the sending one",
    "keepalived.conf(5), lvs_sync_daemon; `keepalived -t` passes it",
)
def sync_instance_unknown(topology: Topology) -> Iterator[Hit]:
    """The names of the instances on the director itself count."""
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        known = [
            each.name
            for each in instances(host, topology.directed_by(host), topology.hosts, "eth0")
        ]
        if daemon and daemon.instance and daemon.instance not in known:
            what = f"{host} has no VRRP instance `{daemon.instance}`"
            place = topology.directed_by(host)[0].node.at("directors")
            yield place, what, f"leave `instance` out, or use one of {', '.join(known)}"


@rule(
    "sync-follows-one-of-several",
    "warning",
    "Connection sync follows one front end of several",
    "a director that is master of another one does not send that one's connections, and they break in a failover",
    "keepalived.conf(5), lvs_sync_daemon: one sending and one receiving daemon a kernel",
)
def sync_follows_one_of_several(topology: Topology) -> Iterator[Hit]:
    """Left to itself, hactl binds the daemon to an instance only where all of them move together."""
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        found = instances(host, topology.directed_by(host), topology.hosts, "eth0")
        if daemon and daemon.instance and len({each.group or each.name for each in found}) > 1:
            what = f"{host} has several front ends, and connection sync follows `{daemon.instance}` only"
            yield topology.directed_by(host)[0].node.at("directors"), what, "leave `instance` out"


@rule(
    "unicast-peer-is-director",
    "warning",
    "A director of the front end is listed as a further unicast peer",
    "the directors are each other's peers already; a director that sends to itself takes its own adverts for another's",
    "keepalived.conf(5), unicast_peer; `keepalived -t` passes it",
)
def unicast_peer_is_director(topology: Topology) -> Iterator[Hit]:
    """`unicast: {peers: …}` is for routers that are not in the inventory."""
    for frontend in topology.frontends:
        own = {
            address
            for director in frontend.directors
            for address in topology.hosts[director.host].address
        }
        for index, peer in enumerate(frontend.vrrp.unicast.peers if frontend.vrrp.unicast else ()):
            if peer in own:
                place = frontend.node.at("vrrp", "unicast", "peers", index)
                yield place, f"the peer {peer} is a director of `{frontend.name}`", "leave it out"


@rule(
    "track-weight-too-small",
    "warning",
    "What is tracked changes too little",
    "the master stays master whatever it finds, since it still has the highest priority",
    "keepalived.conf(5), track_script",
)
def track_weight_too_small(topology: Topology) -> Iterator[Hit]:
    """Compares a weight with the distance between the master and its first backup. 0 means FAULT and always counts."""
    for frontend in topology.frontends:
        if len(frontend.directors) < 2:
            continue
        distance = frontend.directors[0].priority - frontend.directors[1].priority
        for field in ("track_interfaces", "track_scripts", "track_processes", "track_bfd"):
            for index, tracked in enumerate(getattr(frontend.vrrp, field)):
                if tracked.weight and abs(tracked.weight) <= distance:
                    what = f"weight {tracked.weight} does not make up for the {distance} between the priorities"
                    place = frontend.node.at("vrrp", field, index, "weight")
                    yield (
                        place,
                        what,
                        f"use more than {distance}, or leave the weight out to make it a fault",
                    )


@rule(
    "hand-over-impossible",
    "warning",
    "nopreempt leaves no planned hand-over",
    "a backup with a higher priority does not take over, so only stopping the master moves the VIP, with a gap",
    "RFC 5798 §6.1, Preempt_Mode",
)
def hand_over_impossible(topology: Topology) -> Iterator[Hit]:
    """And a preempt_delay beside it does nothing."""
    for frontend in topology.frontends:
        if frontend.vrrp.nopreempt:
            what = f"`{frontend.name}` does not preempt"
            if frontend.vrrp.preempt_delay:
                what += ", and its `preempt_delay` has no effect"
            fix = "use `preempt_delay` alone, so that a director settles first"
            yield frontend.node.at("vrrp", "nopreempt"), what, fix


@rule(
    "sync-group-split",
    "error",
    "Front ends of one sync group have different masters",
    "each director drags the whole group over in turn, without end",
    "keepalived.conf(5), vrrp_sync_group: members must have the same order of priorities",
)
def sync_group_split(topology: Topology) -> Iterator[Hit]:
    """The order of the directors must be the same in all of them."""
    groups: dict[str, ResolvedFrontend] = {}
    for frontend in topology.frontends:
        name = frontend.vrrp.sync_group
        if name is None:
            continue
        first = groups.setdefault(name, frontend)
        if [each.host for each in first.directors] != [each.host for each in frontend.directors]:
            what = f"`{first.name}` and `{frontend.name}` are in the sync group `{name}` with different directors"
            yield frontend.node.at("directors"), what, "list the same directors in the same order"


@rule(
    "sync-id-clash",
    "error",
    "Two separate groups of directors synchronise under one identifier",
    "each takes in the other's connections",
    "ipvsadm(8), --syncid",
)
def sync_id_clash(topology: Topology) -> Iterator[Hit]:
    """Only identifiers set by hand can clash: the others follow the VRID, which is unique."""
    owners: dict[int, tuple[str, ...]] = {}
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        if daemon is None or daemon.sync_id is None:
            continue
        tied = tuple(frontend.name for frontend in component(host, topology.frontends))
        first = owners.setdefault(daemon.sync_id, tied)
        if first != tied:
            what = f"`{first[0]}` and `{tied[0]}` share no director and both use sync_id {daemon.sync_id}"
            yield topology.directed_by(host)[0].node.at("directors"), what, "leave `sync_id` out"
