"""The plan: the differences between a host and its desired state.

Pure: `diff` compares a DesiredHost with an Observed and returns the changes, removals included.
`operations` (in its own module) turns changes into the operations of the agent.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from provision.deploy.change import Change as Change
from provision.deploy.drift import table_changes, unmanaged
from provision.deploy.masking import mask, mask_after, masked_lines, secret_prefixes
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
    """All changes of one host, the two states that they come from, and the secrets to mask."""

    host: str
    changes: tuple[Change, ...]
    desired: DesiredHost
    observed: Observed
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The files that cannot be compared: this machine does not have all of their content."""
        files = (item for item in self.desired.items if isinstance(item, File) and not item.known)
        return tuple(item.name for item in files if observed_item(self.observed, "file", item.name))

    @property
    def left_alone(self) -> tuple[str, ...]:
        """The things on the host that the inventory does not mention, one line for each."""
        return unmanaged(self.desired, self.observed)

    def with_changes(self, *changes: Change) -> HostPlan:
        """The plan with more changes at its end."""
        return replace(self, changes=(*self.changes, *changes))

    def generation(
        self, number: int, operator: str, time: str, digest: str, note: str = ""
    ) -> Generation:
        """The generation that the host keeps once this plan is confirmed."""
        changes = (
            RecordedChange(c.kind, c.name, c.action, c.detail, c.diff[:DIFF_LINES])
            for c in self.changes
        )
        return Generation(number, operator, time, digest, tuple(changes), note)


def plan_host(desired: DesiredHost, observed: Observed, secrets: frozenset[str]) -> HostPlan:
    """The plan of one host; `secrets` are masked in its diffs."""
    return HostPlan(desired.host, diff(desired, observed, secrets), desired, observed, secrets)


def diff(
    desired: DesiredHost, observed: Observed, secrets: frozenset[str] = frozenset()
) -> tuple[Change, ...]:
    """The changes that turn `observed` into `desired`, in the order of the roles, removals last."""
    candidates = [
        _compare(item, observed, secrets)
        for item in desired.items
        if not isinstance(item, Unit) and item.kind not in WATCHED
    ]
    changes = [change for change in candidates if change is not None]
    reloaded = {change.item.unit for change in changes if isinstance(change.item, File)}
    units = [
        _compare_unit(item, observed, reloaded) for item in desired.items if isinstance(item, Unit)
    ]
    changes += [change for change in units if change is not None]
    return (*changes, *table_changes(desired, observed), *_removals(desired, observed, secrets))


def observed_item(observed: Observed, kind: str, name: str) -> ObservedItem | None:
    """The observed state of an item; None if the item is absent."""
    item = observed.items.get((kind, name))
    return item if item is not None and item.attributes is not None else None


def attributes(item: ObservedItem | None) -> Mapping[str, str]:
    """The attributes of an observed item; empty if it is absent."""
    return (item.attributes if item else None) or {}


def _compare(item: Item, observed: Observed, secrets: frozenset[str]) -> Change | None:
    old_item = observed_item(observed, item.kind, item.name)
    if old_item is None:
        return Change(
            item.kind,
            item.name,
            "create",
            _creation_detail(item),
            _file_diff(item, None, secrets),
            item,
        )
    if isinstance(item, File) and not item.known:
        return None
    old = attributes(old_item)
    changed = {key: value for key, value in item.attributes().items() if old.get(key) != value}
    if not changed:
        return None
    diff = _file_diff(item, old_item, secrets)
    detail = _update_detail(old, changed, _is_secret(item))
    return Change(item.kind, item.name, "update", detail, diff, item, old)


def _is_secret(item: Item | None) -> bool:
    """Whether the role marks the file as secret: then none of its content is shown."""
    return isinstance(item, File) and item.secret


def _creation_detail(item: Item) -> str:
    if isinstance(item, Sysctl):
        return f"= {item.value}"
    if isinstance(item, Address):
        return f"on {item.label or item.device}"
    if isinstance(item, File):
        return f"{item.mode} {item.owner}:{item.group}{' (secret)' if item.secret else ''}"
    return ""


def _update_detail(old: Mapping[str, str], changed: Mapping[str, str], secret: bool) -> str:
    if old.get("type") == "other":
        return "is not a regular file: the deploy will refuse it"
    return ", ".join(
        _attribute_change(key, old.get(key, ""), value, secret) for key, value in changed.items()
    )


def _attribute_change(key: str, before: str, after: str, secret: bool) -> str:
    if key == "sha256":
        return "content (secret)" if secret else "content"
    return f"{before} → {after}" if key == "value" else f"{key} {before} → {after}"


def _compare_unit(unit: Unit, observed: Observed, reloaded: set[str]) -> Change | None:
    state = attributes(observed_item(observed, "unit", unit.name))
    verbs = _unit_verbs(unit, state, unit.name in reloaded)
    if not verbs:
        return None
    is_new = state.get("enabled") != "yes" and state.get("active") != "yes"
    return Change(
        "unit", unit.name, "create" if is_new else "update", ", ".join(verbs), (), unit, state
    )


def _unit_verbs(unit: Unit, state: Mapping[str, str], files_change: bool) -> tuple[str, ...]:
    """The systemctl verbs that a unit needs.

    They follow from the unit's state on the host, not only from the changes of this run.
    """
    verbs = []
    enabled, active = state.get("enabled") == "yes", state.get("active") == "yes"
    if enabled != unit.enabled:
        verbs.append("enable" if unit.enabled else "disable")
    if active != unit.active:
        verbs.append("start" if unit.active else "stop")
    elif active and (files_change or state.get("current") != "yes"):
        verbs.append(unit.on_change)
    return tuple(verbs)


def _removals(
    desired: DesiredHost, observed: Observed, secrets: frozenset[str]
) -> Iterable[Change]:
    """The items of the ledger that the inventory no longer names and the host still has."""
    desired_keys = {(item.kind, item.name) for item in desired.items}
    for entry in observed.ledger:
        item = observed_item(observed, entry.kind, entry.name)
        detail = _removal_detail(entry, attributes(item))
        if (entry.kind, entry.name) in desired_keys or item is None or detail is None:
            continue
        diff = _file_diff(None, item, secrets) if entry.kind == "file" else ()
        yield Change(entry.kind, entry.name, "remove", detail, diff, None, attributes(item), entry)


def _removal_detail(entry: LedgerEntry, state: Mapping[str, str]) -> str | None:
    """What the removal does, in words; None if nothing is left to remove."""
    match entry.kind:
        case "file":
            return ""
        case "address":
            return f"from {state.get('device', '')}"
        case "sysctl" if entry.detail and state.get("value") != entry.detail[0]:
            return f"{state.get('value', '')} → {entry.detail[0]}, as before hactl"
        case "unit":
            return ", ".join(_removal_verbs(entry, state)) or None
    return None


def _removal_verbs(entry: LedgerEntry, state: Mapping[str, str]) -> tuple[str, ...]:
    """Undo only the changes of hactl: a unit that ran before hactl came keeps running."""
    before = dict(zip(("enabled", "active"), entry.detail, strict=False))
    verbs = []
    if state.get("active") == "yes" and before.get("active") != "yes":
        verbs.append("stop")
    if state.get("enabled") == "yes" and before.get("enabled") != "yes":
        verbs.append("disable")
    return tuple(verbs)


def _file_diff(
    item: Item | None, old_item: ObservedItem | None, secrets: frozenset[str]
) -> tuple[str, ...]:
    """The unified diff of a file's content, secrets masked.

    Empty for other kinds, for secret files and for equal contents.
    """
    if item is not None and (not isinstance(item, File) or item.secret):
        return ()
    old, new = (old_item.content or b"") if old_item else b"", item.content if item else b""
    if item is not None and attributes(old_item).get("sha256") == item.sha256:
        return ()
    prefixes = secret_prefixes(new, secrets)
    before, after = (
        [mask(mask_after(line, prefixes), secrets) for line in masked_lines(content)]
        for content in (old, new)
    )
    lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=3)
    return tuple(lines)[2:]
