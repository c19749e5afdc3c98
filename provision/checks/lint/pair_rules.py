"""Rules about directors that must agree: their configurations are valid alone, but not together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from provision.checks.lint.registry import Hit, rule
from provision.desired.keepalived_variables import component, instances
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology


def _differing_directors(
    topology: Topology, frontend: ResolvedFrontend, path: Sequence[str]
) -> tuple[str, str] | None:
    """Return the first two directors of a front end whose `keepalived` differs at `path`."""
    values: list[tuple[str, Any]] = []
    for director in frontend.directors:
        value: Any = topology.hosts[director.host].keepalived
        for name in path:
            value = getattr(value, name, None)
        values.append((director.host, value))
    first_host, first_value = values[0]
    return next(((first_host, host) for host, value in values if value != first_value), None)


@rule(
    "adverts-not-heard",
    "error",
    "The directors of a front end use different multicast groups",
    "no director receives an advert and all become master: the VIP is on all of them",
    "keepalived.conf(5), vrrp_mcast_group4, vrrp_mcast_group6",
)
def adverts_not_heard(topology: Topology) -> Iterator[Hit]:
    """Multicast groups may be set by host.

    Front ends with unicast or with their own group do not use them.
    """
    for frontend in topology.frontends:
        if frontend.vrrp.unicast or frontend.vrrp.mcast_dst_ip:
            continue
        for family in frontend.model.families:
            name = f"vrrp_mcast_group{family}"
            hosts = _differing_directors(topology, frontend, (name,))
            if hosts:
                message = (
                    f"`{name}` differs between {hosts[0]} and {hosts[1]}, "
                    f"both directors of `{frontend.name}`"
                )
                yield frontend.node.at("directors"), message, "set it alike for all directors"


@rule(
    "down-timers-differ",
    "error",
    "The directors of a front end use different master-down timers",
    "the director with the shorter timer takes over while the master is still alive",
    "keepalived.conf(5), down_timer_adverts: all routers of an instance must use the same value",
)
def down_timers_differ(topology: Topology) -> Iterator[Hit]:
    """The default may be set by host. A setting of the front end overrides it on all directors."""
    for frontend in topology.frontends:
        hosts = _differing_directors(topology, frontend, ("vrrp_down_timer_adverts",))
        if hosts and frontend.vrrp.down_timer_adverts is None:
            message = f"`vrrp_down_timer_adverts` differs between {hosts[0]} and {hosts[1]}"
            yield (
                frontend.node.at("directors"),
                message,
                "set `down_timer_adverts` of the front end instead",
            )


@rule(
    "connections-not-heard",
    "error",
    "The directors of a front end have different connection-sync settings",
    "the backup knows no connection, and all of them break in a failover",
    "keepalived.conf(5), lvs_sync_daemon",
)
def connections_not_heard(topology: Topology) -> Iterator[Hit]:
    """All directors need the same identifier, port and group, and sync on or off on all."""
    for frontend in topology.frontends:
        for name in ("sync_id", "port", "group", ""):
            path = ("lvs_sync_daemon", name) if name else ("lvs_sync_daemon",)
            hosts = _differing_directors(topology, frontend, path)
            switched_off = hosts and {
                topology.hosts[host].keepalived.lvs_sync_daemon is None for host in hosts
            }
            if hosts and (name or switched_off == {True, False}):
                field = f"`lvs_sync_daemon: {{{name}: …}}`" if name else "`lvs_sync_daemon`"
                message = (
                    f"{field} differs between {hosts[0]} and {hosts[1]}, "
                    f"both directors of `{frontend.name}`"
                )
                yield frontend.node.at("directors"), message, "set it alike for all directors"
                break


@rule(
    "sync-instance-unknown",
    "error",
    "Connection sync follows an instance that does not exist",
    "Keepalived accepts the name silently, and the daemon never becomes the sending one",
    "keepalived.conf(5), lvs_sync_daemon; `keepalived -t` passes it",
)
def sync_instance_unknown(topology: Topology) -> Iterator[Hit]:
    """Only the names of the director's own instances count."""
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        names = [
            instance.name
            for instance in instances(host, topology.directed_by(host), topology.hosts, "eth0")
        ]
        if daemon and daemon.instance and daemon.instance not in names:
            message = f"{host} has no VRRP instance `{daemon.instance}`"
            place = topology.directed_by(host)[0].node.at("directors")
            yield place, message, f"remove `instance`, or use one of {', '.join(names)}"


@rule(
    "sync-follows-one-of-several",
    "warning",
    "Connection sync follows only one of several front ends",
    "a director that is master of another front end does not send its connections, "
    "and they break in a failover",
    "keepalived.conf(5), lvs_sync_daemon: one sending and one receiving daemon a kernel",
)
def sync_follows_one_of_several(topology: Topology) -> Iterator[Hit]:
    """By default, hactl binds the daemon to an instance only if all instances move together."""
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        groups = {
            instance.group or instance.name
            for instance in instances(host, topology.directed_by(host), topology.hosts, "eth0")
        }
        if daemon and daemon.instance and len(groups) > 1:
            message = (
                f"{host} has several front ends, "
                f"and connection sync follows only `{daemon.instance}`"
            )
            yield topology.directed_by(host)[0].node.at("directors"), message, "remove `instance`"


@rule(
    "unicast-peer-is-director",
    "warning",
    "A director of the front end is listed as an extra unicast peer",
    "the directors already are peers; a director that sends to itself "
    "takes its own adverts for another director's",
    "keepalived.conf(5), unicast_peer; `keepalived -t` passes it",
)
def unicast_peer_is_director(topology: Topology) -> Iterator[Hit]:
    """`unicast: {peers: …}` is for routers that are not in the inventory."""
    for frontend in topology.frontends:
        director_addresses = {
            address
            for director in frontend.directors
            for address in topology.hosts[director.host].address
        }
        for index, peer in enumerate(frontend.vrrp.unicast.peers if frontend.vrrp.unicast else ()):
            if peer in director_addresses:
                place = frontend.node.at("vrrp", "unicast", "peers", index)
                yield place, f"the peer {peer} is a director of `{frontend.name}`", "remove it"


@rule(
    "track-weight-too-small",
    "warning",
    "A tracked object changes the priority too little",
    "the master stays master after a failure, since it still has the highest priority",
    "keepalived.conf(5), track_script",
)
def track_weight_too_small(topology: Topology) -> Iterator[Hit]:
    """Compares a weight with the distance between the master and its first backup.

    Weight 0 means FAULT and always has an effect.
    """
    for frontend in topology.frontends:
        if len(frontend.directors) < 2:
            continue
        distance = frontend.directors[0].priority - frontend.directors[1].priority
        for field in ("track_interfaces", "track_scripts", "track_processes", "track_bfd"):
            for index, tracked in enumerate(getattr(frontend.vrrp, field)):
                if tracked.weight and abs(tracked.weight) <= distance:
                    message = (
                        f"weight {tracked.weight} does not exceed "
                        f"the distance of {distance} between the priorities"
                    )
                    place = frontend.node.at("vrrp", field, index, "weight")
                    yield (
                        place,
                        message,
                        f"use more than {distance}, or remove the weight to make it a fault",
                    )


@rule(
    "hand-over-impossible",
    "warning",
    "nopreempt prevents a planned hand-over",
    "a backup with a higher priority does not take over, "
    "so only stopping the master moves the VIP, with an outage",
    "RFC 5798 §6.1, Preempt_Mode",
)
def hand_over_impossible(topology: Topology) -> Iterator[Hit]:
    """A `preempt_delay` has no effect with it."""
    for frontend in topology.frontends:
        if frontend.vrrp.nopreempt:
            message = f"`{frontend.name}` does not preempt"
            if frontend.vrrp.preempt_delay:
                message += ", and its `preempt_delay` has no effect"
            fix = "use only `preempt_delay`, so that a director settles first"
            yield frontend.node.at("vrrp", "nopreempt"), message, fix


@rule(
    "sync-group-split",
    "error",
    "Front ends of one sync group have different masters",
    "the directors take the whole group from each other, without end",
    "keepalived.conf(5), vrrp_sync_group: members must have the same order of priorities",
)
def sync_group_split(topology: Topology) -> Iterator[Hit]:
    """All front ends of a group need the same directors in the same order."""
    groups: dict[str, ResolvedFrontend] = {}
    for frontend in topology.frontends:
        name = frontend.vrrp.sync_group
        if name is None:
            continue
        first = groups.setdefault(name, frontend)
        if _director_hosts(first) != _director_hosts(frontend):
            message = (
                f"`{first.name}` and `{frontend.name}` are in the sync group `{name}` "
                "with different directors"
            )
            yield (
                frontend.node.at("directors"),
                message,
                "list the same directors in the same order",
            )


def _director_hosts(frontend: ResolvedFrontend) -> list[str]:
    return [director.host for director in frontend.directors]


@rule(
    "sync-id-clash",
    "error",
    "Two separate groups of directors synchronise under one identifier",
    "the directors of a group store the connections of the other group",
    "ipvsadm(8), --syncid",
)
def sync_id_clash(topology: Topology) -> Iterator[Hit]:
    """Only identifiers in the inventory can clash: the default is the VRID, which is unique."""
    owners: dict[int, tuple[str, ...]] = {}
    for host in topology.directors():
        daemon = topology.hosts[host].keepalived.lvs_sync_daemon
        if daemon is None or daemon.sync_id is None:
            continue
        group = tuple(frontend.name for frontend in component(host, topology.frontends))
        owner = owners.setdefault(daemon.sync_id, group)
        if owner != group:
            message = (
                f"`{owner[0]}` and `{group[0]}` share no director "
                f"and both use sync_id {daemon.sync_id}"
            )
            yield topology.directed_by(host)[0].node.at("directors"), message, "remove `sync_id`"
