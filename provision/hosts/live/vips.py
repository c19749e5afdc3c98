"""Where the virtual addresses are, and whether that is where they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost
from provision.inventory.frontends import ResolvedFrontend


def holders(
    frontend: ResolvedFrontend, lives: Mapping[str, LiveHost]
) -> dict[str, tuple[str, ...]]:
    """For each VIP of a front end, the hosts that have it on an interface other than the loopback.

    Any host counts: a VIP added by hand to a real server is as much a second holder as a second master.
    """
    return {
        str(vip.address): tuple(
            host for host, live in lives.items() if live.holds(str(vip.address))
        )
        for vip in frontend.vips
    }


def one_holder(seen: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """Every VIP is on exactly one host, and that is a director of its front end (RFC 5798 §1.1)."""
    known = {director.host for director in frontend.directors}
    unseen = seen.unseen(frontend)
    for vip, hosts in holders(frontend, seen.lives).items():
        who = ", ".join(f"{host} on {_interface(seen.lives[host], vip)}" for host in hosts)
        if not hosts:
            if not unseen:  # else it may be on one of these
                fix = "look at `journalctl -u keepalived` of the directors; is one in FAULT?"
                yield LiveFinding(
                    "one_holder", "", f"nobody holds {vip}", _states(seen, frontend), fix
                )
        elif len(hosts) > 1:
            what = (
                f"{' and '.join(hosts)} both hold {vip}"
                if len(hosts) == 2
                else f"{len(hosts)} hosts hold {vip}"
            )
            yield LiveFinding(
                "one_holder",
                "",
                what,
                f"{who}; {_states(seen, frontend)}",
                _second_holder(seen, hosts, vip),
            )
        elif hosts[0] not in known:
            fix = f"take it off there: `ip address del {vip} dev {_interface(seen.lives[hosts[0]], vip)}`"
            yield LiveFinding(
                "one_holder",
                hosts[0],
                f"holds {vip} and is no director of {frontend.name}",
                who,
                fix,
            )


def _second_holder(seen: Snapshot, hosts: tuple[str, ...], vip: str) -> str:
    """What to do about several holders: it depends on whether each is master by its own account."""
    masters = [host for host in hosts if _is_master(seen.lives[host], vip)]
    idle = [host for host in hosts if host not in masters]
    if idle and len(masters) == 1:
        at = f"`ip address del {vip} dev {_interface(seen.lives[idle[0]], vip)}` on {idle[0]}"
        return f"only {masters[0]} is master: {at}, which is none"
    if not masters:
        return "no Keepalived there says it is master: `systemctl restart keepalived`, one host after the other"
    return "they do not hear each other's adverts: look for a filter on protocol 112, and for settings that differ"


def _is_master(live: LiveHost, vip: str) -> bool:
    return any(instance.state == "MASTER" and vip in instance.vips for instance in live.vrrp)


def _interface(live: LiveHost, vip: str) -> str:
    return next(
        (own.interface for own in live.addresses if own.address == vip and own.interface != "lo"),
        "",
    )


def _states(seen: Snapshot, frontend: ResolvedFrontend) -> str:
    """What every director says it is: `lvs1 is MASTER (100), lvs2 is BACKUP (99)`."""
    told = [
        f"{live.host} is {own.state} ({own.priority})"
        if own
        else f"{live.host}'s Keepalived says nothing"
        for live, _, own in seen.instances(frontend)
    ]
    return ", ".join(dict.fromkeys(told))


def holder_is_master(seen: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """Whoever holds a VIP is master of its VRRP instance: else nothing would take it away when it should go."""
    for live, instance, own in seen.instances(frontend):
        held = [
            str(vip.address)
            for vip in (*instance.vips, *instance.excluded)
            if live.holds(str(vip.address))
        ]
        if held and (own is None or own.state != "MASTER"):
            state = f"its {instance.name} is {own.state}" if own else "no Keepalived answers there"
            fix = "`systemctl restart keepalived` there takes away what an earlier one left behind"
            yield LiveFinding(
                "holder_is_master",
                live.host,
                f"holds {', '.join(held)} without being master",
                state,
                fix,
            )
        elif (
            own and own.state == "MASTER" and len(held) < len((*instance.vips, *instance.excluded))
        ):
            missing = [
                str(vip.address)
                for vip in (*instance.vips, *instance.excluded)
                if str(vip.address) not in held
            ]
            what = f"is master of {instance.name} and does not have {', '.join(missing)}"
            fix = "somebody took it off; `systemctl reload keepalived`, or hand over and back"
            yield LiveFinding("holder_is_master", live.host, what, f"on {own.interface}: none", fix)


def best_is_master(seen: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """The director of the highest effective priority is the master (RFC 5798 §6.4.2).

    Not judged with `nopreempt` or `preempt_delay`: then a better one that came back waits.
    """
    if frontend.vrrp.nopreempt or frontend.vrrp.preempt_delay:
        return
    told = [(live, own) for live, _, own in seen.instances(frontend) if own]
    for family in dict.fromkeys(own.name for _, own in told):
        able = [
            (live, own)
            for live, own in told
            if own.name == family and own.state in ("MASTER", "BACKUP")
        ]
        masters = [live.host for live, own in able if own.state == "MASTER"]
        best = max(able, key=lambda each: each[1].priority, default=None)
        if best and len(masters) == 1 and best[0].host != masters[0]:
            other = next(own for live, own in able if live.host == masters[0])
            if other.priority < best[1].priority:
                what = f"is master of {family}, and {best[0].host} has the higher priority"
                evidence = f"{masters[0]} {other.priority}, {best[0].host} {best[1].priority}"
                fix = "do the adverts reach each other? look at `journalctl -u keepalived` of both"
                yield LiveFinding("best_is_master", masters[0], what, evidence, fix)


def lo_vips(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server has the VIPs on its loopback, as host addresses: else it drops what a director sends it.

    Direct routing leaves the destination as it is (LVS-HOWTO, LVS-DR): the black hole that a check of the server's
    own address does not see.
    """
    for vip in seen.wanted(host).lo_vips:
        address, _, prefix = vip.cidr.partition("/")
        found = [
            own
            for own in seen.lives[host].addresses
            if own.address == address and own.interface == vip.device
        ]
        if not found:
            what = f"does not have {address} on {vip.device}"
            why = "it drops what the directors send it, and their checks do not see that"
            yield LiveFinding(
                "lo_vips", host, what, why, "`systemctl restart hactl-lo-vip` there, or deploy"
            )
        elif found[0].prefix != int(prefix):
            what = f"has {address}/{found[0].prefix} on {vip.device} in place of /{prefix}"
            why = "a wider prefix on lo makes a whole network local: it answers nobody there"
            fix = f"`ip address del {address}/{found[0].prefix} dev {vip.device}`, then deploy"
            yield LiveFinding("lo_vips", host, what, why, fix)


def stray_lo_vips(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Nobody has a VIP on the loopback but the real servers that are to: a director there would answer it itself."""
    wanted = {vip.cidr.partition("/")[0] for vip in seen.wanted(host).lo_vips}
    vips = seen.vips()
    for own in seen.lives[host].addresses:
        if own.interface == "lo" and own.address in vips and own.address not in wanted:
            what, why = (
                f"has {own.address} on lo and is no real server of it",
                "it keeps the connections to itself",
            )
            fix = f"`ip address del {own.address}/{own.prefix} dev lo` there; what adds it at boot?"
            yield LiveFinding("stray_lo_vips", host, what, why, fix)
