"""Manual changes that no item of the desired state covers: the IPVS table, and unmanaged items.

Pure. A manual change to something that hactl owns becomes a Change. Items that the inventory does
not mention are named and left alone.
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
"""The files in which role ipvs keeps the intended table."""

KEEPALIVED = "keepalived.service"
IPVSADM = "ipvsadm.service"
"""The two units that can fill the table; a director uses one of them."""

_PACKAGED = (".sample", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".rpmnew", ".rpmsave", ".ucf-dist")
_LIMITS = re.compile(r" -[xy] \d+")

Table = Mapping[str, tuple[str, Mapping[str, str]]]


def rules(content: bytes) -> Table:
    """The table that a rules file describes."""
    return saved_table(
        line for line in content.decode(errors="replace").splitlines() if line.startswith("-")
    )


def kernel_rules(content: bytes) -> Table:
    """The table as `ipvsadm -S` prints it after loading: it never prints the limits (-x, -y)."""
    return rules(_LIMITS.sub("", content.decode(errors="replace")).encode())


def rules_file(desired: DesiredHost) -> File | None:
    """The rules file of a director's desired state."""
    items = (desired.get("file", path) for path in RULES)
    return next((item for item in items if isinstance(item, File)), None)


def installed_table(desired: DesiredHost, observed: Observed) -> Table:
    """The table of the installed rules file; empty if the file is absent or cannot be read."""
    item = rules_file(desired)
    installed = observed.items.get(("file", item.name)) if item else None
    if item is None or installed is None or installed.attributes is None:
        return {}
    if installed.attributes.get("sha256") == item.sha256:
        return rules(item.content)
    return rules(installed.content) if installed.content is not None else {}


def table_changes(desired: DesiredHost, observed: Observed) -> Iterator[Change]:
    """The manual changes to the table of a running Keepalived, or to the table that ipvsadm loaded.

    Only rules that are both installed and desired are compared: the next reload changes the others
    anyway. If Keepalived fills the table, a missing server is no change here: as far as the table
    can tell, its check removed it (`absent_servers`).
    """
    by_ipvsadm = filled_by_ipvsadm(desired)
    if not (_is_loaded(desired, observed) if by_ipvsadm else _is(observed, KEEPALIVED, "active")):
        return
    installed, live = installed_table(desired, observed), saved_table(observed.table)
    for virtual in (item for item in desired.items if isinstance(item, VirtualService)):
        if virtual.name not in installed:
            continue
        if by_ipvsadm:
            yield from _additions(virtual, installed[virtual.name][1], live.get(virtual.name))
            virtual = replace(virtual, weights="fixed")
        elif virtual.name not in live:
            yield restart_checker(virtual, "not in the table")
        if virtual.name in live:
            yield from _edits(virtual, installed[virtual.name], live[virtual.name], observed)


def filled_by_ipvsadm(desired: DesiredHost) -> bool:
    """Whether ipvsadm's unit fills the table, and Keepalived does not."""
    item = rules_file(desired)
    return item is not None and item.unit == IPVSADM


def _is(observed: Observed, unit: str, *attributes: str) -> bool:
    state = observed.items.get(("unit", unit))
    return state is not None and all(
        (state.attributes or {}).get(attribute) == "yes" for attribute in attributes
    )


def _is_loaded(desired: DesiredHost, observed: Observed) -> bool:
    """Whether ipvsadm has loaded the desired rules; if not, its unit will load the whole table."""
    item = rules_file(desired)
    installed = observed.items.get(("file", item.name)) if item else None
    same = item is not None and installed is not None and installed.attributes == item.attributes()
    return same and _is(observed, IPVSADM, "active", "current")


def restart_checker(virtual: VirtualService, reason: str, place: str = "") -> Change:
    """Restart Keepalived's checker: the table lacks a service, or its server at `place`.

    Keepalived believes that the service or server is in the table.
    """
    was = {"verb": "checker", "entry": f"{virtual.name} -r {place}" if place else virtual.name}
    detail = f"{reason}: restart Keepalived's checker"
    return Change("virtual", virtual.name, "create", detail, item=virtual, was=was)


def _additions(
    virtual: VirtualService,
    installed: Mapping[str, str],
    live: tuple[str, Mapping[str, str]] | None,
) -> Iterator[Change]:
    """The missing entries of a service that ipvsadm had loaded.

    Each entry is added separately, because a reload empties the whole table first.
    """
    if live is None:
        yield _edit(virtual, "-A", virtual.options, "", "not in the table")
    for text in virtual.servers:
        host, place, _ = text.split(" ", 2)
        if place in installed and (live is None or place not in live[1]):
            rule = f"-r {place} {installed[place]}"
            yield _edit(virtual, "-a", rule, f"-r {place}", f"{host} {installed[place]}, missing")


def absent_servers(
    desired: DesiredHost, observed: Observed
) -> tuple[tuple[VirtualService, str, str], ...]:
    """The real servers that the table of a running Keepalived lacks: service, host and place.

    A service whose sorry server answers is left out: all of its real servers are down then.
    """
    if filled_by_ipvsadm(desired) or not _is(observed, KEEPALIVED, "active"):
        return ()
    installed, live = installed_table(desired, observed), saved_table(observed.table)
    absent = []
    for virtual in (
        item for item in desired.items if isinstance(item, VirtualService) and item.name in live
    ):
        servers = live[virtual.name][1]
        if virtual.sorry and virtual.sorry in servers:
            continue
        for host, place, _ in (text.split(" ", 2) for text in virtual.servers):
            if place not in servers and place in installed.get(virtual.name, ("", {}))[1]:
                absent.append((virtual, host, place))
    return tuple(absent)


def _edits(
    virtual: VirtualService,
    installed: tuple[str, Mapping[str, str]],
    live: tuple[str, Mapping[str, str]],
    observed: Observed,
) -> Iterator[Change]:
    """The options, weights and methods that differ from the installed and desired ones."""
    options, servers = installed
    intended = {place: rule for _, place, rule in (text.split(" ", 2) for text in virtual.servers)}
    for difference in differences(virtual, live, observed.drained):
        place, detail = difference.place, f"{difference.live} → {difference.wanted}"
        if not place:
            if virtual.options == options:
                yield _edit(virtual, "-E", difference.wanted, difference.live, detail)
        elif (
            difference.live
            and difference.wanted
            and not difference.by_check
            and _LIMITS.sub("", servers.get(place, "")) == intended[place]
        ):
            limits = "".join(_LIMITS.findall(servers.get(place, "")))
            wanted, was = (
                f"-r {place} {rule}{limits}" for rule in (difference.wanted, difference.live)
            )
            yield _edit(virtual, "-e", wanted, was, f"{difference.host} {detail}")


def _edit(virtual: VirtualService, verb: str, options: str, was: str, detail: str) -> Change:
    command = {"verb": verb, "options": options, "was": was}
    action = "create" if verb in ("-A", "-a") else "update"
    return Change("virtual", virtual.name, action, detail, item=virtual, was=command)


def unmanaged(desired: DesiredHost, observed: Observed) -> tuple[str, ...]:
    """The items on the host that the inventory does not mention, one line for each."""
    return (
        *_unmanaged_files(desired, observed),
        *_unmanaged_services(desired, observed),
        *_unmanaged_addresses(desired, observed),
    )


def _owned_names(desired: DesiredHost, observed: Observed, kind: str) -> set[str]:
    return {item.name for item in desired.of(kind)} | {
        entry.name for entry in observed.ledger if entry.kind == kind
    }


def _unmanaged_files(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    owned = _owned_names(desired, observed, "file")
    parents = {folder for path in owned for folder in _parents(path)} | set(folders(desired))
    yield from (
        f"file {path}"
        for path in observed.entries
        if path not in owned | parents and not path.endswith(_PACKAGED)
    )


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _unmanaged_services(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    virtuals = {item.name: item for item in desired.items if isinstance(item, VirtualService)}
    installed = installed_table(desired, observed)
    for selector, (_, servers) in saved_table(observed.table).items():
        if selector not in virtuals:
            if selector not in installed:
                yield f"IPVS service {selector}"
            continue
        virtual = virtuals[selector]
        known = {text.split()[1] for text in virtual.servers} | {virtual.sorry}
        known |= set(installed.get(selector, ("", {}))[1])
        yield from (f"real server {place} in {selector}" for place in servers if place not in known)


def _unmanaged_addresses(desired: DesiredHost, observed: Observed) -> Iterator[str]:
    """Addresses on lo that hactl does not own, and host addresses on other interfaces.

    No network configuration of a host makes host addresses (/32, /128).
    """
    owned = _owned_names(desired, observed, "address")
    vips = {item.name for item in desired.of("vip")}
    yield from (f"address {cidr} on lo" for cidr in observed.loopback if cidr not in owned)
    for interface in observed.facts.interfaces:
        for cidr in interface.addresses:
            address, _, prefix = cidr.partition("/")
            if (
                prefix == ("128" if ":" in address else "32")
                and cidr not in owned
                and address not in vips
            ):
                yield f"address {cidr} on {interface.name}"
