"""What the directors' Keepalived say they are, beside what the inventory says."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.keepalived_variables import Instance
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, VrrpInstance
from provision.inventory.frontends import ResolvedFrontend

UNIT = "keepalived.service"


def keepalived_runs(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Keepalived runs, starts at boot, and says what it is."""
    live = seen.lives[host]
    unit = live.units.get(UNIT)
    if unit is None or unit.active not in ("active", "reloading"):
        state = f"{UNIT} is {unit.active if unit else 'not there'}"
        fix = "`systemctl start keepalived` there; `journalctl -u keepalived` says why it ended"
        yield LiveFinding("keepalived_runs", host, "Keepalived does not run", state, fix)
        return
    if unit.enabled not in ("enabled", "static", "alias", "indirect", "generated"):
        why = f"{UNIT} is {unit.enabled}: after a reboot this director does nothing"
        yield LiveFinding(
            "keepalived_runs",
            host,
            "Keepalived does not start at boot",
            why,
            "deploy, which enables it",
        )
    if not live.vrrp and seen.wanted(host).instances:
        why = "it does not answer SIGJSON: its VRRP process hangs, or this build has no JSON (`keepalived --version`)"
        fix = "`ps -eo pid,stat,wchan,args | grep keepalived` shows where; `systemctl restart keepalived` ends it"
        yield LiveFinding(
            "keepalived_runs", host, "Keepalived does not say what state it is in", why, fix
        )


def instances(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The running instances are those of the inventory: names, VRID, advert interval and addresses.

    Two directors that differ in one of these put the VIP on both.
    """
    live = seen.lives[host]
    if not live.vrrp:
        return  # `keepalived_runs` says so
    running = {own.name: own for own in live.vrrp}
    wanted = {instance.name: instance for instance in seen.wanted(host).instances}
    fix = "deploy; had somebody edited keepalived.conf?"
    for name in [*wanted, *(name for name in running if name not in wanted)]:
        if name not in running:
            yield LiveFinding(
                "instances", host, f"runs no {name}", f"it runs {', '.join(running)}", fix
            )
        elif name not in wanted:
            yield LiveFinding(
                "instances", host, f"runs {name}, which is not in the inventory", "", fix
            )
        else:
            differs = ", ".join(_differences(running[name], wanted[name]))
            if differs:
                yield LiveFinding(
                    "instances", host, f"{name} is not what the inventory says", differs, fix
                )


def _differences(own: VrrpInstance, wanted: Instance) -> Iterator[str]:
    vips = {str(vip.address) for vip in (*wanted.vips, *wanted.excluded)}
    if own.vrid != wanted.vrrp.virtual_router_id:
        yield f"its VRID is {own.vrid}, not {wanted.vrrp.virtual_router_id}"
    if abs(own.advert_int - wanted.vrrp.interval) > 0.001:
        yield f"its advert interval is {own.advert_int:g} s, not {wanted.vrrp.interval:g}"
    if set(own.vips) != vips:
        missing, more = sorted(vips - set(own.vips)), sorted(set(own.vips) - vips)
        yield "; ".join(
            f"{words} {', '.join(addresses)}"
            for words, addresses in (("lacks", missing), ("has", more))
            if addresses
        )
    if not wanted.vrrp.use_vmac and own.interface != wanted.interface:
        yield f"it is on {own.interface}, not {wanted.interface}"


def no_fault(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """No instance is in the FAULT state: it would not take over."""
    live = seen.lives[host]
    for own in live.vrrp:
        if own.state not in ("MASTER", "BACKUP"):
            down = (
                "" if live.carriers.get(own.interface, True) else f"{own.interface} has no carrier"
            )
            fix = "mend the interface, or what it tracks; `journalctl -u keepalived` names it"
            yield LiveFinding(
                "no_fault",
                host,
                f"{own.name} is in the {own.state} state: it takes nothing over",
                down,
                fix,
            )


def heard(seen: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """A backup has heard its master: since its start there was at least one advert, unless it is alone."""
    for live, instance, own in seen.instances(frontend):
        if own and own.state == "BACKUP" and not own.adverts_received:
            what = f"has heard no advert of VRID {own.vrid}"
            why = f"received 0 since its start, and yet it is backup of {instance.name}"
            yield LiveFinding(
                "heard",
                live.host,
                what,
                why,
                "look for a filter on protocol 112, and at the switch",
            )


def adverts(frontend: ResolvedFrontend, before: Snapshot, after: Snapshot) -> Iterator[LiveFinding]:
    """Between two looks, at least one advert interval apart: the master sends, backups receive, nothing is refused."""
    earlier = {(live.host, own.name): own for live, _, own in before.instances(frontend) if own}
    for live, _, own in after.instances(frontend):
        was = earlier.get((live.host, own.name)) if own else None
        if not own or not was or own.adverts_sent < was.adverts_sent:
            continue  # not the same process any more
        if own.errors > was.errors:
            what = f"refused {own.errors - was.errors} adverts of VRID {own.vrid}"
            why = "wrong TTL, length, addresses, interval or authentication"
            fix = "somebody else uses this VRID here, or the directors' settings differ; `journalctl -u keepalived`"
            yield LiveFinding("adverts", live.host, what, why, fix)
        if own.state == was.state == "MASTER" and own.adverts_sent == was.adverts_sent:
            what, fix = (
                f"is master of {own.name} and sends no adverts",
                "`systemctl restart keepalived` there",
            )
            yield LiveFinding(
                "adverts", live.host, what, f"{own.adverts_sent} sent, as before", fix
            )
        if own.state == was.state == "BACKUP" and own.adverts_received == was.adverts_received:
            what, fix = f"heard no advert of VRID {own.vrid}", "look for a filter on protocol 112"
            yield LiveFinding(
                "adverts", live.host, what, f"{own.adverts_received} received, as before", fix
            )
