"""Manual changes that one host's state does not show: removed real servers and added VIPs."""

from __future__ import annotations

from collections.abc import Mapping

from provision.core.facts import Facts, Interface
from provision.deploy.batch import removes_vip_of
from provision.deploy.change import Change
from provision.deploy.manual_edits import (
    manually_added_vips,
    manually_removed_servers,
    needs_check_log,
    needs_vrrp_state,
)
from provision.deploy.operations import operations
from provision.deploy.plan import HostPlan
from provision.desired.items import VipItem
from provision.formats.ip_addr import LiveAddress
from provision.hosts.agent.payload import Op
from provision.hosts.live.health import Health, health
from provision.hosts.live.state import LiveHost, VrrpInstance
from tests.deploy.building import (
    KEEPALIVED,
    LIVE,
    VIP,
    WEB,
    details,
    installed,
    plan,
    table_ops,
)
from tests.inventory.building import frontend, topology

WITHOUT_WEB2 = LIVE[:2]
WEB2_IS_HEALTHY = "TCP connection to [10.0.0.2]:tcp:80 success."
WEB2_REMOVED = "Removing service [10.0.0.2]:tcp:80 from VS [192.168.227.10]:tcp:80"


def log(*messages: str) -> Mapping[str, Health]:
    """The state of the checks after these messages, which come a second apart."""
    return health(
        f"{second}.5 lvs1 Keepalived_healthcheckers[7]: {message}"
        for second, message in enumerate(messages)
    )


def test_a_server_that_its_check_removed_is_no_drift() -> None:
    lacking = plan(table=WITHOUT_WEB2)
    assert lacking.changes == ()
    assert needs_check_log({"lvs1": lacking, "lvs2": plan()}) == ("lvs1",)
    assert list(manually_removed_servers(lacking, log(WEB2_REMOVED), WITHOUT_WEB2)) == []
    assert list(manually_removed_servers(lacking, {}, WITHOUT_WEB2)) == [], (
        "without a message the state is unknown"
    )


def test_a_server_that_came_back_before_the_log_was_read_is_no_drift() -> None:
    lacking = plan(table=WITHOUT_WEB2)
    assert needs_check_log({"lvs1": lacking}) == ("lvs1",)
    assert list(manually_removed_servers(lacking, log(WEB2_IS_HEALTHY), LIVE)) == []


def test_a_missing_server_whose_check_succeeds_was_removed_by_hand() -> None:
    lacking = plan(table=WITHOUT_WEB2)
    repaired = lacking.with_changes(
        *manually_removed_servers(lacking, log(WEB2_IS_HEALTHY), WITHOUT_WEB2)
    )
    assert details(repaired) == [
        ("create", "web2 is missing, its check succeeds: restart Keepalived's checker")
    ]
    assert table_ops(repaired) == [Op("checker", (f"{WEB} -r 10.0.0.2:80",))]


def test_a_check_of_another_service_says_nothing_about_this_service() -> None:
    results = log(
        WEB2_REMOVED,
        WEB2_IS_HEALTHY,
        "Adding service [10.0.0.2]:tcp:80 to VS [192.168.227.11]:tcp:80",
    )
    lacking = plan(table=WITHOUT_WEB2)
    assert list(manually_removed_servers(lacking, results, WITHOUT_WEB2)) == []


def holder(host: str, *addresses: str, director: bool = True) -> HostPlan:
    """The plan of a host with these addresses on eth0."""
    facts = Facts(interfaces=(Interface("eth0", addresses),))
    return plan(
        *([VipItem(VIP)] if director else [KEEPALIVED]),
        was=(installed(KEEPALIVED),),
        host=host,
        facts=facts,
    )


def live(host: str, state: str, held: bool = True) -> LiveHost:
    """A director in this VRRP state that holds the VIP, or does not."""
    instance = VrrpInstance("VI_web", "eth0", 10, state, 100, (VIP,), 0.2)
    addresses = (LiveAddress("eth0", VIP, 32, "eth0", "global"),) if held else ()
    return LiveHost(host, 0.0, 0.01, "", 0.1, addresses=addresses, vrrp=(instance,))


def added_vips(plans: Mapping[str, HostPlan], *lives: LiveHost) -> list[tuple[str, Change]]:
    return list(manually_added_vips(plans, {host.host: host for host in lives}))


def with_changes(
    plans: Mapping[str, HostPlan], changes: list[tuple[str, Change]]
) -> dict[str, HostPlan]:
    return {
        host: plan.with_changes(*(change for name, change in changes if name == host))
        for host, plan in plans.items()
    }


TWO_HOLDERS = {"lvs1": holder("lvs1", f"{VIP}/32"), "lvs2": holder("lvs2", f"{VIP}/24")}
ONE_HOLDER = {"lvs1": holder("lvs1", f"{VIP}/32"), "lvs2": holder("lvs2")}


def test_a_vip_with_one_holder_needs_no_question() -> None:
    assert needs_vrrp_state(ONE_HOLDER) == () and added_vips(ONE_HOLDER) == []


def test_a_vip_added_by_hand_is_removed_from_the_backup() -> None:
    assert needs_vrrp_state(TWO_HOLDERS) == ("lvs1", "lvs2")
    changes = added_vips(TWO_HOLDERS, live("lvs1", "MASTER"), live("lvs2", "BACKUP"))
    assert [(host, change.name, change.action) for host, change in changes] == [
        ("lvs2", f"{VIP}/24", "remove")
    ]
    plans = with_changes(TWO_HOLDERS, changes)
    assert plans["lvs1"].changes == ()
    assert Op("stray", (f"{VIP}/24", "eth0")) in operations(plans["lvs2"])[0], (
        "the agent asks for the VRRP state again"
    )


def test_a_director_with_a_vip_added_by_hand_has_nothing_to_hand_over() -> None:
    web = topology([frontend()]).frontends[0]
    changes = added_vips(TWO_HOLDERS, live("lvs1", "MASTER"), live("lvs2", "BACKUP"))
    plans = with_changes(TWO_HOLDERS, changes)
    assert (removes_vip_of(plans["lvs1"], web), removes_vip_of(plans["lvs2"], web)) == (False, True)


def test_a_hand_over_in_progress_is_no_drift() -> None:
    backup = live("lvs2", "BACKUP", held=False)
    assert added_vips(TWO_HOLDERS, live("lvs1", "MASTER"), backup) == []


def test_a_split_brain_is_no_manual_change() -> None:
    assert added_vips(TWO_HOLDERS, live("lvs1", "MASTER"), live("lvs2", "MASTER")) == []
    assert added_vips(TWO_HOLDERS) == [], "no director answered"


def test_a_vip_on_the_interface_of_a_real_server_is_removed() -> None:
    plans = {**ONE_HOLDER, "web1": holder("web1", f"{VIP}/32", director=False)}
    assert needs_vrrp_state(plans) == ("lvs1",)
    changes = added_vips(plans, live("lvs1", "MASTER"))
    assert [host for host, _ in changes] == ["web1"]
    removal = Op("address", ("del", f"{VIP}/32", "eth0", ""))
    assert removal in operations(with_changes(plans, changes)["web1"])[0], (
        "no Keepalived on web1 can be asked"
    )
