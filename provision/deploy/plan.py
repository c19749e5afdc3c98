"""The plan: what separates a host from what it must be, and the ops that close the gap.

Pure: `diff` compares a DesiredHost with an Observed and returns Changes, no-ops left out and removals included;
`operations` turns Changes into the apply agent's ops in an order that never exposes an address too early.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from provision.deploy.change import Change as Change
from provision.deploy.drift import table_changes, unmanaged
from provision.deploy.masking import _lines, _mask_place, _secret_places, mask
from provision.desired.items import (
    WATCHED,
    Address,
    DesiredHost,
    File,
    Item,
    Sysctl,
    Unit,
)
from provision.hosts.agent.generations import (
    DIFF_LINES,
    Generation,
    RecordedChange,
)
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.protocol import LedgerEntry


@dataclass(frozen=True)
class HostPlan:
    """All changes of one host, what they were derived from, and what cannot be planned."""

    host: str
    changes: tuple[Change, ...]
    desired: DesiredHost
    observed: Observed
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The files on the host that cannot be compared: this machine does not have all of their content."""
        files = (item for item in self.desired.items if isinstance(item, File) and not item.known)
        return tuple(item.name for item in files if _found(self.observed, "file", item.name))

    @property
    def left_alone(self) -> tuple[str, ...]:
        """What there is beside ours, one line each."""
        return unmanaged(self.desired, self.observed)

    def with_changes(self, *found: Change) -> HostPlan:
        """The plan with those changes behind its own."""
        return replace(self, changes=(*self.changes, *found))

    def generation(
        self, number: int, who: str, when: str, digest: str, note: str = ""
    ) -> Generation:
        """What the host keeps of this plan once it is confirmed."""
        made = (
            RecordedChange(c.kind, c.name, c.action, c.detail, c.diff[:DIFF_LINES])
            for c in self.changes
        )
        return Generation(number, who, when, digest, tuple(made), note)


def plan_host(desired: DesiredHost, observed: Observed, secrets: frozenset[str]) -> HostPlan:
    """The plan of one host; `secrets` are masked in its diffs."""
    return HostPlan(desired.host, diff(desired, observed, secrets), desired, observed, secrets)


def diff(
    desired: DesiredHost, observed: Observed, secrets: frozenset[str] = frozenset()
) -> tuple[Change, ...]:
    """The changes that make `observed` into `desired`, in the order of the roles, removals last."""
    changes = [
        _compare(item, observed, secrets)
        for item in desired.items
        if not isinstance(item, Unit) and item.kind not in WATCHED
    ]
    found = [change for change in changes if change is not None]
    swapped = {change.item.unit for change in found if isinstance(change.item, File)}
    units = [
        _compare_unit(item, observed, swapped) for item in desired.items if isinstance(item, Unit)
    ]
    found += [change for change in units if change is not None]
    return (*found, *table_changes(desired, observed), *_removals(desired, observed, secrets))


def _found(observed: Observed, kind: str, name: str) -> ObservedItem | None:
    """What was found of an item, or None where it is absent."""
    item = observed.items.get((kind, name))
    return item if item is not None and item.attributes is not None else None


def _attributes(item: ObservedItem | None) -> Mapping[str, str]:
    return (item.attributes if item else None) or {}


def _compare(item: Item, observed: Observed, secrets: frozenset[str]) -> Change | None:
    found = _found(observed, item.kind, item.name)
    if found is None:
        return Change(
            item.kind, item.name, "create", _created(item), _file_diff(item, None, secrets), item
        )
    if isinstance(item, File) and not item.known:
        return None
    was = _attributes(found)
    changed = {key: value for key, value in item.attributes().items() if was.get(key) != value}
    if not changed:
        return None
    diff = _file_diff(item, found, secrets)
    return Change(
        item.kind, item.name, "update", _updated(was, changed, _is_secret(item)), diff, item, was
    )


def _is_secret(item: Item | None) -> bool:
    """Whether nothing of the content may be shown: its role says so, whether or not a known secret is in it."""
    return isinstance(item, File) and item.secret


def _created(item: Item) -> str:
    if isinstance(item, Sysctl):
        return f"= {item.value}"
    if isinstance(item, Address):
        return f"on {item.label or item.device}"
    if isinstance(item, File):
        return f"{item.mode} {item.owner}:{item.group}{' (secret)' if item.secret else ''}"
    return ""


def _updated(was: Mapping[str, str], changed: Mapping[str, str], secret: bool) -> str:
    if was.get("type") == "other":
        return "is no regular file: the deploy will refuse it"
    return ", ".join(_said(key, was.get(key, ""), value, secret) for key, value in changed.items())


def _said(key: str, before: str, after: str, secret: bool) -> str:
    if key == "sha256":
        return "content (secret)" if secret else "content"
    return f"{before} → {after}" if key == "value" else f"{key} {before} → {after}"


def _compare_unit(unit: Unit, observed: Observed, swapped: set[str]) -> Change | None:
    state = _attributes(_found(observed, "unit", unit.name))
    verbs = _unit_verbs(unit, state, unit.name in swapped)
    if not verbs:
        return None
    fresh = state.get("enabled") != "yes" and state.get("active") != "yes"
    return Change(
        "unit", unit.name, "create" if fresh else "update", ", ".join(verbs), (), unit, state
    )


def _unit_verbs(unit: Unit, state: Mapping[str, str], swapped: bool) -> tuple[str, ...]:
    """The systemctl verbs a unit needs, from what it *runs* rather than from what this run changed."""
    verbs = []
    enabled, active = state.get("enabled") == "yes", state.get("active") == "yes"
    if enabled != unit.enabled:
        verbs.append("enable" if unit.enabled else "disable")
    if active != unit.active:
        verbs.append("start" if unit.active else "stop")
    elif active and (swapped or state.get("current") != "yes"):
        verbs.append(unit.on_change)
    return tuple(verbs)


def _removals(
    desired: DesiredHost, observed: Observed, secrets: frozenset[str]
) -> Iterable[Change]:
    """What the ledger says hactl owns, the inventory no longer names, and the host still has."""
    wanted = {(item.kind, item.name) for item in desired.items}
    for entry in observed.ledger:
        found = _found(observed, entry.kind, entry.name)
        detail = _retired(entry, _attributes(found))
        if (entry.kind, entry.name) in wanted or found is None or detail is None:
            continue
        shown = _file_diff(None, found, secrets) if entry.kind == "file" else ()
        yield Change(
            entry.kind, entry.name, "remove", detail, shown, None, _attributes(found), entry
        )


def _retired(entry: LedgerEntry, was: Mapping[str, str]) -> str | None:
    """What taking a thing away means, in words; None where nothing of ours is left."""
    match entry.kind:
        case "file":
            return ""
        case "address":
            return f"from {was.get('device', '')}"
        case "sysctl" if entry.detail and was.get("value") != entry.detail[0]:
            return f"{was.get('value', '')} → {entry.detail[0]}, as before hactl"
        case "unit":
            return ", ".join(_retire_verbs(entry, was)) or None
    return None


def _retire_verbs(entry: LedgerEntry, was: Mapping[str, str]) -> tuple[str, ...]:
    """Undo only what hactl did: a unit that ran before hactl came keeps running."""
    before = dict(zip(("enabled", "active"), entry.detail, strict=False))
    verbs = []
    if was.get("active") == "yes" and before.get("active") != "yes":
        verbs.append("stop")
    if was.get("enabled") == "yes" and before.get("enabled") != "yes":
        verbs.append("disable")
    return tuple(verbs)


def _file_diff(
    item: Item | None, was: ObservedItem | None, secrets: frozenset[str]
) -> tuple[str, ...]:
    """The unified diff of a file's content, secrets masked; empty for other kinds, secret files and equal contents."""
    if item is not None and (not isinstance(item, File) or item.secret):
        return ()
    old, new = (was.content or b"") if was else b"", item.content if item else b""
    if item is not None and _attributes(was).get("sha256") == item.sha256:
        return ()
    places = _secret_places(new, secrets)
    before, after = (
        [mask(_mask_place(line, places), secrets) for line in _lines(each)] for each in (old, new)
    )
    lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=3)
    return tuple(lines)[2:]
