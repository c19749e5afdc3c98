"""Drift made by hand where nothing is asked for by name: the table that Keepalived fills, and what lies beside ours.

Pure. What is ours and was changed becomes a Change; what is not ours is named and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provision.change import Change
from provision.desired import DesiredHost, File, Virtual
from provision.live.table import saved_table
from provision.observe import Observed
from provision.remote.protocol import folders

RULES = ("/etc/ipvsadm.rules", "/etc/sysconfig/ipvsadm")
"""Where role ipvs puts the intended table."""

KEEPALIVED = ("unit", "keepalived.service")
_PACKAGED = (".sample", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".rpmnew", ".rpmsave", ".ucf-dist")
_WEIGHT = re.compile(r"-w \d+")
_LIMITS = re.compile(r" -[xy] \d+")

Table = Mapping[str, tuple[str, Mapping[str, str]]]


def rules(content: bytes) -> Table:
    """The table that a rules file describes."""
    return saved_table(line for line in content.decode(errors="replace").splitlines() if line.startswith("-"))


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
    """What somebody changed by hand in the table of a running Keepalived.

    Only what is installed *and* wanted is judged: the rest changes with Keepalived's next reload anyway. A server that
    is not in its service is not: its check took it out.
    """
    state = observed.items.get(KEEPALIVED)
    if state is None or (state.attributes or {}).get("active") != "yes":
        return
    installed, live = installed_table(desired, observed), saved_table(observed.table)
    for virtual in (item for item in desired.items if isinstance(item, Virtual)):
        if virtual.name not in installed:
            continue
        if virtual.name not in live:
            detail = "not in the table: Keepalived's checker begins anew"
            yield Change("virtual", virtual.name, "create", detail, item=virtual)
            continue
        yield from _edited(virtual, installed[virtual.name], live[virtual.name], observed)


def _edited(
    virtual: Virtual, installed: tuple[str, Mapping[str, str]], live: tuple[str, Mapping[str, str]], observed: Observed
) -> Iterator[Change]:
    options, servers = live
    if options != virtual.options == installed[0]:
        yield _edit(virtual, "-E", virtual.options, options, f"{options} → {virtual.options}")
    for text in virtual.servers:
        host, place, wanted = text.split(" ", 2)
        if place not in servers or _LIMITS.sub("", installed[1].get(place, "")) != wanted:
            continue
        if host in observed.drained:
            wanted = _WEIGHT.sub("-w 0", wanted)
        if servers[place] != wanted and not _by_a_check(virtual, servers[place], wanted):
            limits = "".join(_LIMITS.findall(installed[1][place]))
            told, was = (f"-r {place} {each}{limits}" for each in (wanted, servers[place]))
            yield _edit(virtual, "-e", told, was, f"{host} {servers[place]} → {wanted}")


def _by_a_check(virtual: Virtual, live: str, wanted: str) -> bool:
    """Whether the two differ in a weight that a check may have set."""
    if _WEIGHT.sub("", live) != _WEIGHT.sub("", wanted):
        return False
    return virtual.weights == "any" or (virtual.weights == "zero" and "-w 0" in live.split("  ")[0])


def _edit(virtual: Virtual, verb: str, wanted: str, was: str, detail: str) -> Change:
    told = {"verb": verb, "options": wanted, "was": was}
    return Change("virtual", virtual.name, "update", detail, item=virtual, was=told)


def left_alone(desired: DesiredHost, observed: Observed) -> tuple[str, ...]:
    """What there is beside ours and is nobody's by the inventory, one line each."""
    return (*_files(desired, observed), *_services(desired, observed), *_addresses(desired, observed))


def _owned(desired: DesiredHost, observed: Observed, kind: str) -> set[str]:
    return {item.name for item in desired.of(kind)} | {each.name for each in observed.ledger if each.kind == kind}


def _files(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    own = _owned(desired, observed, "file")
    inside = {folder for path in own for folder in _above(path)} | set(folders(desired))
    yield from (
        f"file {path}" for path in observed.entries if path not in own | inside and not path.endswith(_PACKAGED)
    )


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _services(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    wanted = {item.name: item for item in desired.items if isinstance(item, Virtual)}
    installed = installed_table(desired, observed)
    if rules_file(desired) and not wanted:
        return  # ipvsadm's own table, which its unit loads as a whole
    for selector, (_, servers) in saved_table(observed.table).items():
        if selector not in wanted:
            if selector not in installed:
                yield f"IPVS service {selector}"
            continue
        known = {text.split()[1] for text in wanted[selector].servers} | {wanted[selector].sorry}
        strangers = [
            place for place in servers if place not in known and place not in installed.get(selector, ("", {}))[1]
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
            if prefix == ("128" if ":" in address else "32") and cidr not in own and address not in vips:
                yield f"address {cidr} on {interface.name}"
