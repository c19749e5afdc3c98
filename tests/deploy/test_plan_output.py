"""The plan and the results as text (grouped, counted, at most 80 columns) and as JSON."""

from __future__ import annotations

import io

import pytest

from provision.core.coverage import Coverage
from provision.core.facts import Facts
from provision.core.terminal import Screen
from provision.deploy.plan import HostPlan, plan_host
from provision.deploy.plan_output import (
    DIFF_LINES,
    plan_json,
    plan_lines,
    results_json,
    results_lines,
)
from provision.deploy.results import HostResult
from provision.desired.items import DesiredHost, File, Item, Sysctl, Unit
from provision.hosts.agent.observe import Observed, ObservedItem
from tests.streams import TerminalStream

QUIET = Sysctl("net.ipv4.conf.all.arp_ignore", "1")


def plan(host: str, *items: Item, was: tuple[ObservedItem, ...] = ()) -> HostPlan:
    observed = Observed(Facts(), {(item.kind, item.name): item for item in was})
    return plan_host(DesiredHost(host, items), observed, frozenset())


def text(plans: dict[str, HostPlan], coverage: Coverage | None = None) -> str:
    return "\n".join(line for line, _ in plan_lines(plans, coverage or Coverage(tuple(plans))))


def test_hosts_with_the_same_change_are_named_once_together() -> None:
    page = File("/index.html", b"web1\n")
    plans = {"web1": plan("web1", QUIET, page), "web2": plan("web2", QUIET)}
    assert text(plans) == (
        "web1, web2\n"
        "  + sysctl   net.ipv4.conf.all.arp_ignore  = 1\n"
        "\n"
        "web1\n"
        "  + file     /index.html  0644 root:root\n"
        "      +web1\n"
        "\n"
        "Plan: 3 to create on 2 hosts."
    )


def test_counts_come_last_and_unchanged_hosts_are_counted() -> None:
    plans = {"web1": plan("web1", QUIET), "web2": plan("web2")}
    assert text(plans).splitlines()[-1] == "Plan: 1 to create on 1 host; 1 host unchanged."


def test_a_plan_without_changes_says_so() -> None:
    assert text({"web1": plan("web1"), "web2": plan("web2")}) == "Plan: nothing to do on 2 hosts."


def test_an_update_shows_the_old_and_the_new_value() -> None:
    was = ObservedItem("sysctl", QUIET.name, {"value": "0"})
    assert "  ~ sysctl   net.ipv4.conf.all.arp_ignore  0 → 1" in text(
        {"web1": plan("web1", QUIET, was=(was,))}
    )


def test_a_long_diff_is_cut_and_names_the_command_that_shows_the_file() -> None:
    shown = text({"web1": plan("web1", File("/long", b"line\n" * 200))})
    assert f"… {200 - DIFF_LINES} more lines; `hactl render` shows the whole file" in shown


def test_tables_fit_80_columns() -> None:
    hosts = [f"a-rather-long-host-name-{number}" for number in range(12)]
    plans = {host: plan(host, QUIET, Unit("keepalived.service")) for host in hosts}
    assert max(map(len, text(plans).splitlines())) <= 80


def test_plan_json_has_kind_name_and_action() -> None:
    assert plan_json({"web1": plan("web1", QUIET)}, Coverage(("web1",))) == {
        "changes": 1,
        "hosts": {"web1": [{"kind": "sysctl", "name": QUIET.name, "action": "create"}]},
        "hosts_seen": 1,
        "hosts_total": 1,
        "unseen": {},
    }


def test_a_plan_with_unseen_hosts_is_never_empty() -> None:
    some = Coverage(("web1", "web2"), {"web2": "web2: cannot connect\n  is it on?"})
    assert text({"web1": plan("web1")}, some) == "Plan: nothing to do on 1 host; unknown on 1 host."
    quiet, busy = (plan_json({"web1": plan("web1", *items)}, some) for items in ((), (QUIET,)))
    assert (quiet["changes"], quiet["unseen"]) == (None, {"web2": "cannot connect; is it on?"})
    assert (busy["changes"], busy["hosts_seen"], busy["hosts_total"]) == (1, 1, 2)
    none = Coverage(("web1",), {"web1": "off"})
    assert text({}, none) == "Plan: unknown: 0 of 1 host could be inspected."


RESULTS = [
    HostResult("lvs1", "skipped", execs=1, seconds=0.5, message="not touched: as it was"),
    HostResult("web1", "changed", 3, 2, 1.25),
]


def test_results_name_the_state_of_each_host_and_the_counts() -> None:
    assert [line for line, _ in results_lines(RESULTS)] == [
        "lvs1  skipped       0 changes  1 execs    0.50 s",
        "      not touched: as it was",
        "web1  changed       3 changes  2 execs    1.25 s",
        "Deploy: 1 skipped, 1 changed. 3 changes made.",
    ]


def test_results_json_has_the_documented_keys() -> None:
    assert results_json(True, RESULTS[1:]) == {
        "ok": True,
        "hosts": {"web1": {"outcome": "changed", "changes": 3, "execs": 2, "seconds": 1.25}},
    }


def test_only_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, plain = TerminalStream(), io.StringIO()
    for stream in (terminal, plain):
        Screen(stream).show([("changed", "33")])
    assert terminal.getvalue() == "\x1b[33mchanged\x1b[0m\n"
    assert plain.getvalue() == "changed\n"
