"""Checks of virtual addresses: the hosts that have them, beside the hosts that must have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost
from provision.inventory.frontends import ResolvedFrontend


def holders(
    frontend: ResolvedFrontend, lives: Mapping[str, LiveHost]
) -> dict[str, tuple[str, ...]]:
    """Return, by VIP of a front end, the hosts that have it on an interface but the loopback.

    Real servers count as well: a VIP that somebody added there is held twice.
    """
    return {
        str(vip.address): tuple(
            host for host, live in lives.items() if live.holds(str(vip.address))
        )
        for vip in frontend.vips
    }


def one_holder(snapshot: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """Exactly one host holds a VIP, and it is a director of the front end (RFC 5798 §1.1)."""
    directors = {director.host for director in frontend.directors}
    unseen = snapshot.unseen(frontend)
    for vip, hosts in holders(frontend, snapshot.lives).items():
        places = ", ".join(f"{host} on {_interface(snapshot.lives[host], vip)}" for host in hosts)
        if not hosts:
            if not unseen:  # else a director without a look may hold it
                fix = "look at `journalctl -u keepalived` of the directors; is one in FAULT?"
                yield LiveFinding(
                    "one_holder", "", f"nobody holds {vip}", _states(snapshot, frontend), fix
                )
        elif len(hosts) > 1:
            problem = (
                f"{' and '.join(hosts)} both hold {vip}"
                if len(hosts) == 2
                else f"{len(hosts)} hosts hold {vip}"
            )
            yield LiveFinding(
                "one_holder",
                "",
                problem,
                f"{places}; {_states(snapshot, frontend)}",
                _second_holder(snapshot, hosts, vip),
            )
        elif hosts[0] not in directors:
            interface = _interface(snapshot.lives[hosts[0]], vip)
            yield LiveFinding(
                "one_holder",
                hosts[0],
                f"holds {vip} and is no director of {frontend.name}",
                places,
                f"remove it there: `ip address del {vip} dev {interface}`",
            )


def _second_holder(snapshot: Snapshot, hosts: tuple[str, ...], vip: str) -> str:
    """Return the fix for several holders. It depends on which of them say that they are master."""
    masters = [host for host in hosts if _is_master(snapshot.lives[host], vip)]
    idle = [host for host in hosts if host not in masters]
    if idle and len(masters) == 1:
        interface = _interface(snapshot.lives[idle[0]], vip)
        return f"only {masters[0]} is master: `ip address del {vip} dev {interface}` on {idle[0]}"
    if not masters:
        return (
            "no Keepalived there says that it is master: "
            "`systemctl restart keepalived`, one host after the other"
        )
    return (
        "they do not hear each other's adverts: "
        "look for a filter on protocol 112, and for settings that differ"
    )


def _is_master(live: LiveHost, vip: str) -> bool:
    return any(instance.state == "MASTER" and vip in instance.vips for instance in live.vrrp)


def _interface(live: LiveHost, vip: str) -> str:
    entries = (entry for entry in live.addresses if entry.interface != "lo")
    return next((entry.interface for entry in entries if entry.address == vip), "")


def _states(snapshot: Snapshot, frontend: ResolvedFrontend) -> str:
    """Return the states that the directors report: `lvs1 is MASTER (100), lvs2 is BACKUP (99)`."""
    states = [
        f"{live.host} is {running.state} ({running.priority})"
        if running
        else f"{live.host}'s Keepalived does not answer"
        for live, _, running in snapshot.instances(frontend)
    ]
    return ", ".join(dict.fromkeys(states))


def holder_is_master(snapshot: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """The holder of a VIP is master of its VRRP instance, which removes the VIP in a failover."""
    for live, instance, running in snapshot.instances(frontend):
        vips = [str(vip.address) for vip in (*instance.vips, *instance.excluded)]
        held = [vip for vip in vips if live.holds(vip)]
        missing = [vip for vip in vips if vip not in held]
        if held and (running is None or running.state != "MASTER"):
            yield LiveFinding(
                "holder_is_master",
                live.host,
                f"holds {', '.join(held)} without being master",
                f"its {instance.name} is {running.state}"
                if running
                else "no Keepalived answers there",
                "`systemctl restart keepalived` there removes addresses that an earlier "
                "Keepalived left behind",
            )
        elif running and running.state == "MASTER" and missing:
            yield LiveFinding(
                "holder_is_master",
                live.host,
                f"is master of {instance.name} and does not have {', '.join(missing)}",
                f"on {running.interface}: none",
                "somebody removed it; `systemctl reload keepalived`, or hand over and back",
            )


def best_is_master(snapshot: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """The director with the highest effective priority is the master (RFC 5798 §6.4.2).

    There is no check with `nopreempt` or `preempt_delay`: then a better director waits.
    """
    if frontend.vrrp.nopreempt or frontend.vrrp.preempt_delay:
        return
    running = [(live, vrrp) for live, _, vrrp in snapshot.instances(frontend) if vrrp]
    for name in dict.fromkeys(vrrp.name for _, vrrp in running):
        able = {
            live.host: vrrp
            for live, vrrp in running
            if vrrp.name == name and vrrp.state in ("MASTER", "BACKUP")
        }
        masters = [host for host, vrrp in able.items() if vrrp.state == "MASTER"]
        best = max(able, key=lambda host: able[host].priority, default="")
        if len(masters) == 1 and able[masters[0]].priority < able[best].priority:
            master = masters[0]
            yield LiveFinding(
                "best_is_master",
                master,
                f"is master of {name}, and {best} has the higher priority",
                f"{master} {able[master].priority}, {best} {able[best].priority}",
                "do the adverts reach the other director? "
                "look at `journalctl -u keepalived` of both",
            )


def lo_vips(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server has the VIPs on its loopback, as host addresses.

    Without them it drops the directors' packets: direct routing does not change the destination
    (LVS-HOWTO, LVS-DR). A health check of the server's own address does not notice that.
    """
    for vip in snapshot.expected(host).lo_vips:
        address, _, prefix = vip.cidr.partition("/")
        prefixes = [
            entry.prefix
            for entry in snapshot.lives[host].addresses
            if entry.address == address and entry.interface == vip.device
        ]
        if not prefixes:
            yield LiveFinding(
                "lo_vips",
                host,
                f"does not have {address} on {vip.device}",
                "it drops the directors' packets, and their checks do not notice that",
                "`systemctl restart hactl-lo-vip` there, or deploy",
            )
        elif prefixes[0] != int(prefix):
            yield LiveFinding(
                "lo_vips",
                host,
                f"has {address}/{prefixes[0]} on {vip.device} in place of /{prefix}",
                "a wider prefix on lo makes a whole network local: it answers nobody there",
                f"`ip address del {address}/{prefixes[0]} dev {vip.device}`, then deploy",
            )


def stray_lo_vips(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Only real servers have a VIP on the loopback. A director with it would answer the clients."""
    expected = {vip.cidr.partition("/")[0] for vip in snapshot.expected(host).lo_vips}
    strays = snapshot.vips().keys() - expected
    for entry in snapshot.lives[host].addresses:
        if entry.interface == "lo" and entry.address in strays:
            cidr = f"{entry.address}/{entry.prefix}"
            yield LiveFinding(
                "stray_lo_vips",
                host,
                f"has {entry.address} on lo and is no real server of it",
                "it keeps the connections to itself",
                f"`ip address del {cidr} dev lo` there; what adds it at boot?",
            )
