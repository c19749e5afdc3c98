"""The plan: what separates a host from what it must be, and the ops that close the gap.

Pure: `diff` compares a DesiredHost with an Observed and returns Changes, no-ops left out and removals included;
`operations` turns Changes into the apply agent's ops in an order that never exposes an address too early.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from provision.deploy.change import Change as Change
from provision.deploy.drift import left_alone, table_changes
from provision.desired.items import (
    WATCHED,
    Address,
    DesiredHost,
    File,
    Item,
    Module,
    Package,
    Sysctl,
    Unit,
)
from provision.hosts.agent.generations import (
    DIFF_LINES,
    Generation,
    Made,
    write_about,
    write_desired,
)
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.agent.transaction import Op
from provision.hosts.protocol import LedgerEntry, encode_ledger

MASK = "********"
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n).*?(\n-----END)", re.DOTALL)
_PASSWORDS = ("auth_pass ", "password ")
"""What stands before a password in keepalived.conf(5), wherever it comes from."""

SHORT = 4


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
        return left_alone(self.desired, self.observed)

    def with_changes(self, *found: Change) -> HostPlan:
        """The plan with those changes behind its own."""
        return replace(self, changes=(*self.changes, *found))

    def generation(self, number: int, who: str, when: str, digest: str, note: str = "") -> Generation:
        """What the host keeps of this plan once it is confirmed."""
        made = (Made(c.kind, c.name, c.action, c.detail, c.diff[:DIFF_LINES]) for c in self.changes)
        return Generation(number, who, when, digest, tuple(made), note)


def plan_host(desired: DesiredHost, observed: Observed, secrets: frozenset[str]) -> HostPlan:
    """The plan of one host; `secrets` are masked in its diffs."""
    return HostPlan(desired.host, diff(desired, observed, secrets), desired, observed, secrets)


def diff(desired: DesiredHost, observed: Observed, secrets: frozenset[str] = frozenset()) -> tuple[Change, ...]:
    """The changes that make `observed` into `desired`, in the order of the roles, removals last."""
    changes = [
        _compare(item, observed, secrets)
        for item in desired.items
        if not isinstance(item, Unit) and item.kind not in WATCHED
    ]
    found = [change for change in changes if change is not None]
    swapped = {change.item.unit for change in found if isinstance(change.item, File)}
    units = [_compare_unit(item, observed, swapped) for item in desired.items if isinstance(item, Unit)]
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
        return Change(item.kind, item.name, "create", _created(item), _file_diff(item, None, secrets), item)
    if isinstance(item, File) and not item.known:
        return None
    was = _attributes(found)
    changed = {key: value for key, value in item.attributes().items() if was.get(key) != value}
    if not changed:
        return None
    diff = _file_diff(item, found, secrets)
    return Change(item.kind, item.name, "update", _updated(was, changed, _is_secret(item)), diff, item, was)


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
    return Change("unit", unit.name, "create" if fresh else "update", ", ".join(verbs), (), unit, state)


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


def _removals(desired: DesiredHost, observed: Observed, secrets: frozenset[str]) -> Iterable[Change]:
    """What the ledger says hactl owns, the inventory no longer names, and the host still has."""
    wanted = {(item.kind, item.name) for item in desired.items}
    for entry in observed.ledger:
        found = _found(observed, entry.kind, entry.name)
        detail = _retired(entry, _attributes(found))
        if (entry.kind, entry.name) in wanted or found is None or detail is None:
            continue
        shown = _file_diff(None, found, secrets) if entry.kind == "file" else ()
        yield Change(entry.kind, entry.name, "remove", detail, shown, None, _attributes(found), entry)


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


def _file_diff(item: Item | None, was: ObservedItem | None, secrets: frozenset[str]) -> tuple[str, ...]:
    """The unified diff of a file's content, secrets masked; empty for other kinds, secret files and equal contents."""
    if item is not None and (not isinstance(item, File) or item.secret):
        return ()
    old, new = (was.content or b"") if was else b"", item.content if item else b""
    if item is not None and _attributes(was).get("sha256") == item.sha256:
        return ()
    places = _secret_places(new, secrets)
    before, after = ([mask(_mask_place(line, places), secrets) for line in _lines(each)] for each in (old, new))
    lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=3)
    return tuple(lines)[2:]


def without_keys(text: str) -> str:
    """`text` with the private keys in it (PEM, RFC 7468) masked: no inventory names them as secrets."""
    return _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)


def _lines(content: bytes) -> list[str]:
    try:
        return without_keys(content.decode()).splitlines()
    except UnicodeDecodeError:
        return [f"(binary, {len(content)} bytes)"]


def _secret_places(content: bytes, secrets: frozenset[str]) -> frozenset[str]:
    """What stands before a secret in its line: there the old file has the old secret, which nobody knows any more."""
    found = set(_PASSWORDS)
    for line in _lines(content):
        for secret in secrets:
            before, held, _ = line.partition(secret)
            if held and before.strip():
                found.add(before.lstrip())
    return frozenset(found)


def _mask_place(line: str, places: frozenset[str]) -> str:
    text = line.lstrip()
    place = max((place for place in places if text.startswith(place)), key=len, default="")
    if not place:
        return line
    value = rf"[^{place[-1]}]*" if place[-1] in "\"'" else r"\S*"
    return line[: len(line) - len(text)] + place + MASK + re.sub(value, "", text[len(place) :], count=1)


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced; longest first, so that a part of one does not show the rest.

    A secret shorter than four characters is replaced only where it stands alone: `1` is everywhere.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < SHORT:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return text


def operations(plan: HostPlan, generation: Generation | None = None) -> tuple[tuple[Op, ...], tuple[bytes, ...]]:
    """The ops of a plan and the contents of the files they stage, numbered from 1; the host keeps `generation`.

    Packages come first because validators come with them; kernel parameters come before addresses, so that a real
    server never answers ARP for the VIP; units come when all their files are in place; what is taken away goes
    in the opposite order.
    """
    builder = _Builder(plan)
    ops = builder.ops()
    if generation is not None:
        documents = (write_about(generation), write_desired(plan.desired, plan.secrets))
        ops = (*ops, Op("generation", tuple(str(builder.carry(document)) for document in documents)))
    return ops, tuple(builder.contents)


class _Builder:
    """Collects the ops of one plan, numbering the files they carry."""

    def __init__(self, plan: HostPlan) -> None:
        self.plan = plan
        self.contents: list[bytes] = []
        self.made = [change for change in plan.changes if change.action != "remove"]
        self.removed = [change for change in plan.changes if change.action == "remove"]

    def ops(self) -> tuple[Op, ...]:
        files = [(self._number(change.item), change) for change in self.made if isinstance(change.item, File)]
        return (
            *(Op("package", (change.name,)) for change in self._made(Package)),
            *(_stage(number, change.item) for number, change in files if isinstance(change.item, File)),
            *(Op("module", (change.name,)) for change in self._made(Module)),
            *(_sysctl(change.item) for change in self._made(Sysctl) if isinstance(change.item, Sysctl)),
            *(Op("file", (str(number), change.name, _digest(change.was))) for number, change in files),
            *(op for change in self._made(Address) for op in _address(change)),
            *self._daemon_reload(self.made),
            *(op for change in self._made(Unit) for op in self._unit(change)),
            *self._table(),
            *self._take_away(),
            Op("ledger", (str(self._ledger()),)),
        )

    def _made(self, kind: type[Item]) -> list[Change]:
        return [change for change in self.made if isinstance(change.item, kind)]

    def carry(self, content: bytes) -> int:
        """The number under which the payload carries `content`."""
        self.contents.append(content)
        return len(self.contents)

    def _number(self, item: Item | None) -> int:
        assert isinstance(item, File)
        assert item.known, f"{item.name} is not whole"
        return self.carry(item.content)

    def _daemon_reload(self, changes: Sequence[Change]) -> Iterable[Op]:
        if any(change.kind == "file" and change.name.startswith("/etc/systemd/") for change in changes):
            yield Op("unit", ("-", "daemon-reload"))

    def _unit(self, change: Change) -> Iterable[Op]:
        unit = change.item
        assert isinstance(unit, Unit)
        for verb in change.detail.split(", "):
            yield Op("unit", (unit.name, verb))
        if unit.active:
            yield Op("unit", (unit.name, "stamp", *unit_files(self.plan.desired, unit.name)))

    def _table(self) -> Iterable[Op]:
        """Behind the units: a reload may come first."""
        changes = [change for change in self.made if change.kind == "virtual"]
        for change in changes:
            if change.was["verb"] != "checker":
                yield Op("table", (change.was["verb"], change.name, change.was["options"], change.was["was"]))
        if missing := [change.was["entry"] for change in changes if change.was["verb"] == "checker"]:
            yield Op("checker", tuple(missing))

    def _take_away(self) -> Iterable[Op]:
        by_kind = {kind: [c for c in self.removed if c.kind == kind] for kind in ("unit", "address", "file", "sysctl")}
        for change in by_kind["unit"]:
            yield from (Op("unit", (change.name, verb)) for verb in change.detail.split(", "))
        for change in by_kind["address"]:
            place = (change.name, change.was["device"])
            yield Op("stray", place) if "unless" in change.was else Op("address", ("del", *place, ""))
        yield from (Op("remove", (change.name, _digest(change.was))) for change in by_kind["file"])
        yield from self._daemon_reload(by_kind["file"])
        for change in by_kind["sysctl"]:
            assert change.entry is not None
            yield Op("sysctl", (change.name, change.entry.detail[0]))

    def _ledger(self) -> int:
        return self.carry(encode_ledger(ledger(self.plan.desired, self.plan.observed)))


def unit_files(desired: DesiredHost, unit: str) -> tuple[str, ...]:
    """The files that a unit loads: those that name it."""
    return tuple(item.name for item in desired.items if isinstance(item, File) and item.unit == unit)


def _stage(number: int, item: File) -> Op:
    return Op("stage", (str(number), item.name, item.mode, item.owner, item.group, item.validate))


def _sysctl(item: Sysctl) -> Op:
    return Op("sysctl", (item.name, item.attributes()["value"]))


def _digest(was: Mapping[str, str]) -> str:
    """What the agent must still find in a file's place; it refuses what is no regular file."""
    return was.get("sha256", "other") if was else "absent"


def _address(change: Change) -> Iterable[Op]:
    item = change.item
    assert isinstance(item, Address)
    if change.was:
        yield Op("address", ("del", item.name, change.was["device"], ""))
    yield Op("address", ("add", item.name, item.device, item.label))


def ledger(desired: DesiredHost, observed: Observed) -> tuple[LedgerEntry, ...]:
    """Everything hactl answers for on this host from now on, with what was there before it came.

    Packages and modules are not in it: they are never taken away again.
    """
    known = {(entry.kind, entry.name): entry for entry in observed.ledger}
    owned = (item for item in desired.items if item.kind in {"file", "sysctl", "address", "unit"})
    return tuple(known.get((item.kind, item.name)) or _entry(item, observed) for item in owned)


def _entry(item: Item, observed: Observed) -> LedgerEntry:
    was = _attributes(_found(observed, item.kind, item.name))
    return LedgerEntry(item.kind, item.name, _before(item, was))


def _before(item: Item, state: Mapping[str, str]) -> tuple[str, ...]:
    if isinstance(item, Sysctl):
        return (state["value"],) if "value" in state else ()
    if isinstance(item, Unit):
        return (state.get("enabled", "no"), state.get("active", "no"))
    return ()
