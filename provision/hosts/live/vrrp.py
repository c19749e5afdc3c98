"""Checks of VRRP: the states that the directors' Keepalived report, beside the inventory."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.keepalived_variables import Instance
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, VrrpInstance
from provision.inventory.frontends import ResolvedFrontend

UNIT = "keepalived.service"


def keepalived_runs(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Keepalived runs, starts at boot, and reports its state."""
    live = snapshot.lives[host]
    unit = live.units.get(UNIT)
    if unit is None or unit.active not in ("active", "reloading"):
        state = f"{UNIT} is {unit.active if unit else 'not there'}"
        fix = "`systemctl start keepalived` there; `journalctl -u keepalived` says why it ended"
        yield LiveFinding("keepalived_runs", host, "Keepalived does not run", state, fix)
        return
    if unit.enabled not in ("enabled", "static", "alias", "indirect", "generated"):
        yield LiveFinding(
            "keepalived_runs",
            host,
            "Keepalived does not start at boot",
            f"{UNIT} is {unit.enabled}: after a reboot this director does nothing",
            "deploy, which enables it",
        )
    if not live.vrrp and snapshot.expected(host).instances:
        yield LiveFinding(
            "keepalived_runs",
            host,
            "Keepalived does not report its state",
            "it does not answer SIGJSON: its VRRP process hangs, "
            "or this build has no JSON (`keepalived --version`)",
            "`ps -eo pid,stat,wchan,args | grep keepalived` shows where it hangs; "
            "`systemctl restart keepalived` ends it",
        )


def instances(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The running instances match the inventory: names, VRID, advert interval and addresses.

    If two directors differ in one of these, both hold the VIP.
    """
    live = snapshot.lives[host]
    if not live.vrrp:
        return  # `keepalived_runs` reports it
    running = {vrrp.name: vrrp for vrrp in live.vrrp}
    expected = {instance.name: instance for instance in snapshot.expected(host).instances}
    fix = "deploy; did somebody edit keepalived.conf?"
    for name in [*expected, *(name for name in running if name not in expected)]:
        if name not in running:
            yield LiveFinding(
                "instances", host, f"runs no {name}", f"it runs {', '.join(running)}", fix
            )
        elif name not in expected:
            yield LiveFinding(
                "instances", host, f"runs {name}, which is not in the inventory", "", fix
            )
        else:
            differences = ", ".join(_differences(running[name], expected[name]))
            if differences:
                yield LiveFinding(
                    "instances", host, f"{name} differs from the inventory", differences, fix
                )


def _differences(running: VrrpInstance, expected: Instance) -> Iterator[str]:
    vips = {str(vip.address) for vip in (*expected.vips, *expected.excluded)}
    if running.vrid != expected.vrrp.virtual_router_id:
        yield f"its VRID is {running.vrid}, not {expected.vrrp.virtual_router_id}"
    if abs(running.advert_int - expected.vrrp.interval) > 0.001:
        yield f"its advert interval is {running.advert_int:g} s, not {expected.vrrp.interval:g}"
    if set(running.vips) != vips:
        missing, additional = sorted(vips - set(running.vips)), sorted(set(running.vips) - vips)
        yield "; ".join(
            f"{verb} {', '.join(addresses)}"
            for verb, addresses in (("lacks", missing), ("has", additional))
            if addresses
        )
    if not expected.vrrp.use_vmac and running.interface != expected.interface:
        yield f"it is on {running.interface}, not {expected.interface}"


def no_fault(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """No instance is in a state such as FAULT, in which it would not take over."""
    live = snapshot.lives[host]
    for vrrp in live.vrrp:
        if vrrp.state not in ("MASTER", "BACKUP"):
            has_carrier = live.carriers.get(vrrp.interface, True)
            yield LiveFinding(
                "no_fault",
                host,
                f"{vrrp.name} is in the {vrrp.state} state: it takes nothing over",
                "" if has_carrier else f"{vrrp.interface} has no carrier",
                "repair the interface, or the tracked object that `journalctl -u keepalived` names",
            )


def heard(snapshot: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """A backup has received at least one advert of its master since its start."""
    for live, instance, running in snapshot.instances(frontend):
        if running and running.state == "BACKUP" and not running.adverts_received:
            yield LiveFinding(
                "heard",
                live.host,
                f"has heard no advert of VRID {running.vrid}",
                f"received 0 since its start, and yet it is backup of {instance.name}",
                "look for a filter on protocol 112, and at the switch",
            )


def adverts(frontend: ResolvedFrontend, before: Snapshot, after: Snapshot) -> Iterator[LiveFinding]:
    """Between two looks the master sends adverts, backups receive them, and none is refused.

    The looks must be at least one advert interval apart.
    """
    earlier = {(live.host, vrrp.name): vrrp for live, _, vrrp in before.instances(frontend) if vrrp}
    for live, _, now in after.instances(frontend):
        then = earlier.get((live.host, now.name)) if now else None
        if (
            now and then and now.adverts_sent >= then.adverts_sent
        ):  # else the process is another one
            yield from _advert_problems(live.host, then, now)


def _advert_problems(host: str, then: VrrpInstance, now: VrrpInstance) -> Iterator[LiveFinding]:
    if now.errors > then.errors:
        yield LiveFinding(
            "adverts",
            host,
            f"refused {now.errors - then.errors} adverts of VRID {now.vrid}",
            "wrong TTL, length, addresses, interval or authentication",
            "another router uses this VRID here, or the directors' settings differ; "
            "`journalctl -u keepalived`",
        )
    if now.state == then.state == "MASTER" and now.adverts_sent == then.adverts_sent:
        yield LiveFinding(
            "adverts",
            host,
            f"is master of {now.name} and sends no adverts",
            f"{now.adverts_sent} sent, as before",
            "`systemctl restart keepalived` there",
        )
    if now.state == then.state == "BACKUP" and now.adverts_received == then.adverts_received:
        yield LiveFinding(
            "adverts",
            host,
            f"heard no advert of VRID {now.vrid}",
            f"{now.adverts_received} received, as before",
            "look for a filter on protocol 112",
        )
