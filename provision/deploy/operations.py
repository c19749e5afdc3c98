"""The operations of a plan, in the order in which the agent carries them out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from provision.deploy.change import Change
from provision.deploy.plan import HostPlan, attributes, observed_item
from provision.desired.items import (
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
    Generation,
    write_about,
    write_desired,
)
from provision.hosts.agent.observe import Observed
from provision.hosts.agent.payload import Op
from provision.hosts.protocol import LedgerEntry, encode_ledger


def operations(
    plan: HostPlan, generation: Generation | None = None
) -> tuple[tuple[Op, ...], tuple[bytes, ...]]:
    """The ops of a plan, and the contents of the files that they stage, numbered from 1.

    The host keeps `generation`. Packages come first because validators come with them. Kernel
    parameters come before addresses, so that a real server never answers ARP for the VIP. Units
    come once all their files are in place. Removals come last, in the opposite order.
    """
    builder = _PlanBuilder(plan)
    ops = builder.ops()
    if generation is not None:
        documents = (write_about(generation), write_desired(plan.desired, plan.secrets))
        ops = (
            *ops,
            Op("generation", tuple(str(builder.carry(document)) for document in documents)),
        )
    return ops, tuple(builder.contents)


class _PlanBuilder:
    """Collects the ops of one plan and numbers the files that they carry."""

    def __init__(self, plan: HostPlan) -> None:
        self.plan = plan
        self.contents: list[bytes] = []
        self.updates = [change for change in plan.changes if change.action != "remove"]
        self.removals = [change for change in plan.changes if change.action == "remove"]

    def ops(self) -> tuple[Op, ...]:
        files = [
            (self._number(change.item), change)
            for change in self.updates
            if isinstance(change.item, File)
        ]
        return (
            *(Op("package", (change.name,)) for change in self._updates_of(Package)),
            *(
                _stage(number, change.item)
                for number, change in files
                if isinstance(change.item, File)
            ),
            *(Op("module", (change.name,)) for change in self._updates_of(Module)),
            *(
                _sysctl(change.item)
                for change in self._updates_of(Sysctl)
                if isinstance(change.item, Sysctl)
            ),
            *(
                Op("file", (str(number), change.name, _digest(change.was)))
                for number, change in files
            ),
            *(op for change in self._updates_of(Address) for op in _address(change)),
            *self._daemon_reload(self.updates),
            *(op for change in self._updates_of(Unit) for op in self._unit(change)),
            *self._table(),
            *self._removal_ops(),
            Op("ledger", (str(self._ledger()),)),
        )

    def _updates_of(self, kind: type[Item]) -> list[Change]:
        return [change for change in self.updates if isinstance(change.item, kind)]

    def carry(self, content: bytes) -> int:
        """The number under which the payload carries `content`."""
        self.contents.append(content)
        return len(self.contents)

    def _number(self, item: Item | None) -> int:
        assert isinstance(item, File)
        assert item.known, f"the content of {item.name} is not known"
        return self.carry(item.content)

    def _daemon_reload(self, changes: Sequence[Change]) -> Iterable[Op]:
        if any(
            change.kind == "file" and change.name.startswith("/etc/systemd/") for change in changes
        ):
            yield Op("unit", ("-", "daemon-reload"))

    def _unit(self, change: Change) -> Iterable[Op]:
        unit = change.item
        assert isinstance(unit, Unit)
        for verb in change.detail.split(", "):
            yield Op("unit", (unit.name, verb))
        if unit.active:
            yield Op("unit", (unit.name, "stamp", *unit_files(self.plan.desired, unit.name)))

    def _table(self) -> Iterable[Op]:
        """The IPVS table comes after the units: a reload may come first."""
        changes = [change for change in self.updates if change.kind == "virtual"]
        for change in changes:
            if change.was["verb"] != "checker":
                yield Op(
                    "table",
                    (change.was["verb"], change.name, change.was["options"], change.was["was"]),
                )
        if entries := [
            change.was["entry"] for change in changes if change.was["verb"] == "checker"
        ]:
            yield Op("checker", tuple(entries))

    def _removal_ops(self) -> Iterable[Op]:
        by_kind = {
            kind: [change for change in self.removals if change.kind == kind]
            for kind in ("unit", "address", "file", "sysctl")
        }
        for change in by_kind["unit"]:
            yield from (Op("unit", (change.name, verb)) for verb in change.detail.split(", "))
        for change in by_kind["address"]:
            place = (change.name, change.was["device"])
            yield (
                Op("stray", place) if "unless" in change.was else Op("address", ("del", *place, ""))
            )
        yield from (Op("remove", (change.name, _digest(change.was))) for change in by_kind["file"])
        yield from self._daemon_reload(by_kind["file"])
        for change in by_kind["sysctl"]:
            assert change.entry is not None
            yield Op("sysctl", (change.name, change.entry.detail[0]))

    def _ledger(self) -> int:
        return self.carry(encode_ledger(ledger(self.plan.desired, self.plan.observed)))


def unit_files(desired: DesiredHost, unit: str) -> tuple[str, ...]:
    """The files that a unit loads: the files that name it."""
    return tuple(
        item.name for item in desired.items if isinstance(item, File) and item.unit == unit
    )


def _stage(number: int, item: File) -> Op:
    return Op("stage", (str(number), item.name, item.mode, item.owner, item.group, item.validate))


def _sysctl(item: Sysctl) -> Op:
    return Op("sysctl", (item.name, item.attributes()["value"]))


def _digest(state: Mapping[str, str]) -> str:
    """The digest that the agent must still find; it refuses anything but a regular file."""
    return state.get("sha256", "other") if state else "absent"


def _address(change: Change) -> Iterable[Op]:
    item = change.item
    assert isinstance(item, Address)
    if change.was:
        yield Op("address", ("del", item.name, change.was["device"], ""))
    yield Op("address", ("add", item.name, item.device, item.label))


def ledger(desired: DesiredHost, observed: Observed) -> tuple[LedgerEntry, ...]:
    """Everything that hactl owns on this host from now on, with its state before hactl came.

    Packages and modules are not in the ledger: hactl never removes them.
    """
    known = {(entry.kind, entry.name): entry for entry in observed.ledger}
    owned = (item for item in desired.items if item.kind in {"file", "sysctl", "address", "unit"})
    return tuple(known.get((item.kind, item.name)) or _entry(item, observed) for item in owned)


def _entry(item: Item, observed: Observed) -> LedgerEntry:
    state = attributes(observed_item(observed, item.kind, item.name))
    return LedgerEntry(item.kind, item.name, _state_before(item, state))


def _state_before(item: Item, state: Mapping[str, str]) -> tuple[str, ...]:
    if isinstance(item, Sysctl):
        return (state["value"],) if "value" in state else ()
    if isinstance(item, Unit):
        return (state.get("enabled", "no"), state.get("active", "no"))
    return ()
