"""Who may take the addresses of a director that is to be changed; the rest of a batch is proven on real directors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from provision.core.facts import Facts
from provision.deploy.batch import Batch, preempts_at_once
from provision.deploy.external.client_view import ClientView
from provision.deploy.external.observation import Observation
from provision.deploy.external_check import Outside
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.project import load
from provision.desired.items import DesiredHost
from provision.hosts.agent.observe import Observed
from provision.inventory.frontends import ResolvedFrontend
from tests import REPOSITORY
from tests.hosts.told import Told

INVENTORY_FILE = REPOSITORY / "inventories/lab.yml"
INVENTORY = INVENTORY_FILE.read_text()


def frontend(folder: Path, more: str = "") -> ResolvedFrontend:
    path = folder / "site.yml"
    path.write_text(
        INVENTORY.replace("virtual_router_id: 10 ", f"virtual_router_id: 10\n          {more} ")
    )
    return load(path).topology.frontends[0]


def successors(
    one: ResolvedFrontend, *macs: str, **drained: dict[str, str]
) -> tuple[tuple[str, ...], list[str]]:
    """Who can take over from lvs1, and what is told; `macs` answered for the VIP."""
    plans = {
        host: HostPlan(host, (), DesiredHost(host), Observed(Facts(), {}, drained=said))
        for host, said in drained.items()
    }
    notes = Told()
    outside = Outside(load(INVENTORY_FILE).topology, {}, cast(Any, None))
    outside._before = Observation(ClientView({str(one.vips[0].address): macs}))
    batch = Batch(Inspection(plans=plans), outside, notes, {})
    return batch._successors(one, "lvs1"), notes.lines


def test_the_backup_takes_over(tmp_path: Path) -> None:
    assert successors(frontend(tmp_path), lvs2={}) == (("lvs2",), [])
    assert successors(frontend(tmp_path)) == (("lvs2",), []), (
        "one that is not looked at may be well"
    )
    assert successors(frontend(tmp_path), lvs2={"web1": "kim, today"}) == (("lvs2",), [])


def test_a_drained_director_is_not_asked_to(tmp_path: Path) -> None:
    said = ["lvs1 changes while it holds web, without a hand-over: every other director is drained"]
    assert successors(frontend(tmp_path), lvs2={".": "kim, today"}) == ((), said)


def test_two_holders_are_not_asked_to_hand_over(tmp_path: Path) -> None:
    """One that is deaf, behind a filter say, would keep what it has; the change may be what opens its ears."""
    said = ["lvs1 changes while it holds web, without a hand-over: two directors hold it already"]
    assert successors(frontend(tmp_path), "02:00:00:00:00:01", "02:00:00:00:00:02", lvs2={}) == (
        (),
        said,
    )
    assert successors(frontend(tmp_path), "02:00:00:00:00:01", lvs2={}) == (("lvs2",), [])


def test_with_nopreempt_a_lower_priority_gives_nothing_away(tmp_path: Path) -> None:
    one = frontend(tmp_path, "nopreempt: true")
    assert successors(one, lvs2={}) == (
        (),
        ["lvs1 changes while it holds web, without a hand-over: `nopreempt`"],
    )


@pytest.mark.parametrize(("more", "host", "expected"), [
    ("", "lvs1", True), ("", "lvs2", False), ("preempt_delay: 30", "lvs1", False),
])  # fmt: skip
def test_who_takes_its_addresses_back_at_once(
    tmp_path: Path, more: str, host: str, expected: bool
) -> None:
    assert preempts_at_once(frontend(tmp_path, more), host) is expected
