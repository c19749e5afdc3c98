"""Which director may take over before another changes; real directors test the rest of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from provision.core.facts import Facts
from provision.deploy.batch import Batch, preempts_at_once
from provision.deploy.external.client_view import ClientView
from provision.deploy.external.observation import Observation
from provision.deploy.external_check import ExternalCheck
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
NOTE = "lvs1 changes while it holds the addresses of web, without a hand-over: "


def frontend(folder: Path, vrrp_line: str = "") -> ResolvedFrontend:
    """The front end of the example, with one more line below `vrrp`."""
    path = folder / "site.yml"
    path.write_text(
        INVENTORY.replace(
            "virtual_router_id: 10 ", f"virtual_router_id: 10\n          {vrrp_line} "
        )
    )
    return load(path).topology.frontends[0]


def successors(
    web: ResolvedFrontend, *macs: str, **drains: dict[str, str]
) -> tuple[tuple[str, ...], list[str]]:
    """The directors that can take over from lvs1, and the notes; `macs` answered for the VIP."""
    plans = {
        host: HostPlan(host, (), DesiredHost(host), Observed(Facts(), {}, drained=drained))
        for host, drained in drains.items()
    }
    events = Told()
    external_check = ExternalCheck(load(INVENTORY_FILE).topology, {}, cast(Any, None))
    external_check._before = Observation(ClientView({str(web.vips[0].address): macs}))
    batch = Batch(Inspection(plans=plans), external_check, events, {})
    return batch._successors(web, "lvs1"), events.lines


def test_the_backup_takes_over(tmp_path: Path) -> None:
    assert successors(frontend(tmp_path), lvs2={}) == (("lvs2",), [])
    assert successors(frontend(tmp_path)) == (("lvs2",), []), (
        "a director that was not inspected may be healthy"
    )
    assert successors(frontend(tmp_path), lvs2={"web1": "kim, today"}) == (("lvs2",), [])


def test_a_drained_director_does_not_take_over(tmp_path: Path) -> None:
    notes = [f"{NOTE}every other director is drained"]
    assert successors(frontend(tmp_path), lvs2={".": "kim, today"}) == ((), notes)


def test_two_holders_do_not_hand_over(tmp_path: Path) -> None:
    """A director that receives no adverts, behind a filter say, would keep the addresses.

    The change may be the one that removes the filter.
    """
    notes = [f"{NOTE}two directors hold them already"]
    web = frontend(tmp_path)
    assert successors(web, "02:00:00:00:00:01", "02:00:00:00:00:02", lvs2={}) == ((), notes)
    assert successors(web, "02:00:00:00:00:01", lvs2={}) == (("lvs2",), [])


def test_with_nopreempt_nobody_takes_over_from_a_lower_priority(tmp_path: Path) -> None:
    web = frontend(tmp_path, "nopreempt: true")
    assert successors(web, lvs2={}) == ((), [f"{NOTE}`nopreempt` is set"])


@pytest.mark.parametrize(
    ("vrrp_line", "host", "expected"),
    [("", "lvs1", True), ("", "lvs2", False), ("preempt_delay: 30", "lvs1", False)],
)
def test_only_a_master_without_a_preempt_delay_takes_its_addresses_back_at_once(
    tmp_path: Path, vrrp_line: str, host: str, expected: bool
) -> None:
    assert preempts_at_once(frontend(tmp_path, vrrp_line), host) is expected
