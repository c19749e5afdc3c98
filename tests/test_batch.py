"""Who may take the addresses of a director that is to be changed; the rest of a batch is proven on real directors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from provision.batch import Batch, returns
from provision.desired import DesiredHost
from provision.facts import Facts
from provision.inventory.frontends import ResolvedFrontend
from provision.observe import Observed
from provision.plan import HostPlan
from provision.project import load
from provision.survey import Survey

INVENTORY = (Path(__file__).parents[1] / "inventories/lab.yml").read_text()


class Notes:
    """Events, kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def host(self, host: str, text: str) -> None:
        self.lines.append(f"{host}: {text}")

    def note(self, text: str) -> None:
        self.lines.append(text)


def frontend(folder: Path, more: str = "") -> ResolvedFrontend:
    path = folder / "site.yml"
    path.write_text(INVENTORY.replace("virtual_router_id: 10 ", f"virtual_router_id: 10\n          {more} "))
    return load(path).topology.frontends[0]


def successors(one: ResolvedFrontend, **drained: dict[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """Who can take over from lvs1, and what is told."""
    plans = {
        host: HostPlan(host, (), DesiredHost(host), Observed(Facts(), {}, drained=said))
        for host, said in drained.items()
    }
    notes = Notes()
    batch = Batch(Survey(plans=plans), cast(Any, None), notes, {})
    return batch._successors(one, "lvs1"), notes.lines


def test_the_backup_takes_over(tmp_path: Path) -> None:
    assert successors(frontend(tmp_path), lvs2={}) == (("lvs2",), [])
    assert successors(frontend(tmp_path)) == (("lvs2",), []), "one that is not looked at may be well"
    assert successors(frontend(tmp_path), lvs2={"web1": "kim, today"}) == (("lvs2",), [])


def test_a_drained_director_is_not_asked_to(tmp_path: Path) -> None:
    said = ["lvs1 changes while it holds web, without a hand-over: every other director is drained"]
    assert successors(frontend(tmp_path), lvs2={".": "kim, today"}) == ((), said)


def test_with_nopreempt_a_lower_priority_gives_nothing_away(tmp_path: Path) -> None:
    one = frontend(tmp_path, "nopreempt: true")
    assert successors(one, lvs2={}) == ((), ["lvs1 changes while it holds web, without a hand-over: `nopreempt`"])


@pytest.mark.parametrize(("more", "host", "expected"), [
    ("", "lvs1", True), ("", "lvs2", False), ("preempt_delay: 30", "lvs1", False),
])  # fmt: skip
def test_who_takes_its_addresses_back_at_once(tmp_path: Path, more: str, host: str, expected: bool) -> None:
    assert returns(frontend(tmp_path, more), host) is expected
