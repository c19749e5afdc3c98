"""Drift made by hand where nothing is asked for by name: the table of virtual services, and what lies beside ours.

Pure. What is ours and was changed becomes a Change; what is not ours is named and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from provision.deploy.change import Change
from provision.desired.items import DesiredHost, File, VirtualService
from provision.formats.ipvsadm import saved_table
from provision.hosts.agent.observe import Observed
from provision.hosts.live.table import differences
from provision.hosts.protocol import folders

RULES = ("/etc/ipvsadm.rules", "/etc/sysconfig/ipvsadm")
"""Where role ipvs puts the intended table."""

KEEPALIVED = "keepalived.service"
IPVSADM = "ipvsadm.service"
"""The units of which one fills the table."""

_PACKAGED = (".sample", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".rpmnew", ".rpmsave", ".ucf-dist")
_LIMITS = re.compile(r" -[xy] \d+")

Table = Mapping[str, tuple[str, Mapping[str, str]]]


def rules(content: bytes) -> Table:
    """The table that a rules file describes."""
    return saved_table(
        line for line in content.decode(errors="replace").splitlines() if line.startswith("-")
    )


def kernel_rules(content: bytes) -> Table:
    """The same as `ipvsadm -S` shows it once it is loaded: without the limits (-x, -y), which are never saved."""
    return rules(_LIMITS.sub("", content.decode(errors="replace")).encode())


def rules_file(desired: DesiredHost) -> File | None:
    """The rules file that a director is to have."""
    found = (desired.get("file", path) for path in RULES)
    return next((item for item in found if isinstance(item, File)), None)


def installed_table(desired: DesiredHost, observed: Observed) -> Table:
    """The table by the rules file that is installed; empty where there is none, or it cannot be read."""
    item = rules_file(desired)
    was = observed.items.get(("file", item.name)) if item else None
    if item is None or was is None or was.attributes is None:
        return {}
    if was.attributes.get("sha256") == item.sha256:
        return rules(item.content)
    return rules(was.content) if was.content is not None else {}


def table_changes(desired: DesiredHost, observed: Observed) -> Iterator[Change]:
    """What somebody changed by hand in the table of a running Keepalived, or in the one that ipvsadm has loaded.

    Only what is installed *and* wanted is judged: the rest changes with the next reload anyway. A server that is not in
    its service is not where Keepalived fills it: its check took it out, as far as the table can tell (`absent`).
    """
    by_ipvsadm = filled_by_ipvsadm(desired)
    if not (_loaded(desired, observed) if by_ipvsadm else _is(observed, KEEPALIVED, "active")):
        return
    installed, live = installed_table(desired, observed), saved_table(observed.table)
    for virtual in (item for item in desired.items if isinstance(item, VirtualService)):
        if virtual.name not in installed:
            continue
        if by_ipvsadm:
            yield from _unloaded(virtual, installed[virtual.name][1], live.get(virtual.name))
            virtual = replace(virtual, weights="fixed")
        elif virtual.name not in live:
            yield restart_checker(virtual, "not in the table")
        if virtual.name in live:
            yield from _edited(virtual, installed[virtual.name], live[virtual.name], observed)


def filled_by_ipvsadm(desired: DesiredHost) -> bool:
    """Whether ipvsadm's unit fills the table, and Keepalived does not."""
    item = rules_file(desired)
    return item is not None and item.unit == IPVSADM


def _is(observed: Observed, unit: str, *wanted: str) -> bool:
    state = observed.items.get(("unit", unit))
    return state is not None and all((state.attributes or {}).get(each) == "yes" for each in wanted)


def _loaded(desired: DesiredHost, observed: Observed) -> bool:
    """Whether ipvsadm has loaded the rules as they are wanted; else its unit is about to load the whole table again."""
    item = rules_file(desired)
    was = observed.items.get(("file", item.name)) if item else None
    same = item is not None and was is not None and was.attributes == item.attributes()
    return same and _is(observed, IPVSADM, "active", "current")


def restart_checker(virtual: VirtualService, what: str, place: str = "") -> Change:
    """Something is missing that Keepalived believes to be there: the service, or the server at `place` in it."""
    told = {"verb": "checker", "entry": f"{virtual.name} -r {place}" if place else virtual.name}
    detail = f"{what}: Keepalived's checker begins anew"
    return Change("virtual", virtual.name, "create", detail, item=virtual, was=told)


def _unloaded(
    virtual: VirtualService,
    installed: Mapping[str, str],
    live: tuple[str, Mapping[str, str]] | None,
) -> Iterator[Change]:
    """What is missing of a service that ipvsadm had loaded, each to be added by itself: a reload empties the table."""
    if live is None:
        yield _edit(virtual, "-A", virtual.options, "", "not in the table")
    for text in virtual.servers:
        host, place, _ = text.split(" ", 2)
        if place in installed and (live is None or place not in live[1]):
            told = f"-r {place} {installed[place]}"
            yield _edit(virtual, "-a", told, f"-r {place}", f"{host} {installed[place]}, not in it")


def absent(desired: DesiredHost, observed: Observed) -> tuple[tuple[VirtualService, str, str], ...]:
    """The real servers that are not in the table of a running Keepalived: their service, name, and place in it.

    Not those of a service whose sorry server answers: all of its servers are out then.
    """
    if filled_by_ipvsadm(desired) or not _is(observed, KEEPALIVED, "active"):
        return ()
    installed, live = installed_table(desired, observed), saved_table(observed.table)
    found = []
    for virtual in (
        item for item in desired.items if isinstance(item, VirtualService) and item.name in live
    ):
        servers = live[virtual.name][1]
        if virtual.sorry and virtual.sorry in servers:
            continue
        for host, place, _ in (text.split(" ", 2) for text in virtual.servers):
            if place not in servers and place in installed.get(virtual.name, ("", {}))[1]:
                found.append((virtual, host, place))
    return tuple(found)


def _edited(
    virtual: VirtualService,
    installed: tuple[str, Mapping[str, str]],
    live: tuple[str, Mapping[str, str]],
    observed: Observed,
) -> Iterator[Change]:
    intended = {place: rule for _, place, rule in (text.split(" ", 2) for text in virtual.servers)}
    for difference in differences(virtual, live, observed.drained):
        if not difference.place:
            if virtual.options == installed[0]:
                yield _edit(
                    virtual,
                    "-E",
                    difference.wanted,
                    difference.live,
                    f"{difference.live} → {difference.wanted}",
                )
            continue
        old = installed[1].get(difference.place, "")
        if (
            difference.live
            and difference.wanted
            and not difference.by_check
            and _LIMITS.sub("", old) == intended[difference.place]
        ):
            limits = "".join(_LIMITS.findall(old))
            told, was = (
                f"-r {difference.place} {each}{limits}"
                for each in (difference.wanted, difference.live)
            )
            yield _edit(
                virtual,
                "-e",
                told,
                was,
                f"{difference.host} {difference.live} → {difference.wanted}",
            )


def _edit(virtual: VirtualService, verb: str, wanted: str, was: str, detail: str) -> Change:
    told = {"verb": verb, "options": wanted, "was": was}
    action = "create" if verb in ("-A", "-a") else "update"
    return Change("virtual", virtual.name, action, detail, item=virtual, was=told)


def unmanaged(desired: DesiredHost, observed: Observed) -> tuple[str, ...]:
    """What there is beside ours and is nobody's by the inventory, one line each."""
    return (
        *_files(desired, observed),
        *_services(desired, observed),
        *_addresses(desired, observed),
    )


def _owned(desired: DesiredHost, observed: Observed, kind: str) -> set[str]:
    return {item.name for item in desired.of(kind)} | {
        each.name for each in observed.ledger if each.kind == kind
    }


def _files(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    own = _owned(desired, observed, "file")
    inside = {folder for path in own for folder in _above(path)} | set(folders(desired))
    yield from (
        f"file {path}"
        for path in observed.entries
        if path not in own | inside and not path.endswith(_PACKAGED)
    )


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _services(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    wanted = {item.name: item for item in desired.items if isinstance(item, VirtualService)}
    installed = installed_table(desired, observed)
    for selector, (_, servers) in saved_table(observed.table).items():
        if selector not in wanted:
            if selector not in installed:
                yield f"IPVS service {selector}"
            continue
        known = {text.split()[1] for text in wanted[selector].servers} | {wanted[selector].sorry}
        strangers = [
            place
            for place in servers
            if place not in known and place not in installed.get(selector, ("", {}))[1]
        ]
        yield from (f"real server {place} in {selector}" for place in strangers)


def _addresses(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    """On lo all that is not ours; elsewhere host addresses, which no network's own configuration makes."""
    own = _owned(desired, observed, "address")
    vips = {item.name for item in desired.of("vip")}
    yield from (f"address {cidr} on lo" for cidr in observed.loopback if cidr not in own)
    for interface in observed.facts.interfaces:
        for cidr in interface.addresses:
            address, _, prefix = cidr.partition("/")
            if (
                prefix == ("128" if ":" in address else "32")
                and cidr not in own
                and address not in vips
            ):
                yield f"address {cidr} on {interface.name}"
