"""The screen has at most 80 columns, whatever its content, and the problems on top."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from provision.checks.status.model import GenerationStatus, HostStatus
from provision.checks.status.text_output import age, changes, status_lines
from provision.core.terminal import RED, WIDTH, YELLOW
from provision.hosts.live.state import LiveFinding
from tests.checks.status.building import SERVICE, site_status
from tests.hosts.live.test_health import TCP

WELL = """\
site.yml  2026-11-22 05:33:20 UTC  4 of 4 hosts answer  all is well

web  192.168.227.10  held by lvs1 (02:68:61:00:00:01)
  director  state   priority  for  adverts   sync
  lvs1      MASTER  100       0 s  100 sent  master backup
  lvs2      BACKUP  99        0 s  5 heard   master backup
  -t 192.168.227.10:80 rr, table of lvs1
  real server              weight  active  idle  check
  web1 192.168.227.103:80     1/1       3     7  up
  web2 192.168.227.104:80     1/1       0     1  up

host  generation  drift
lvs1  none        none
lvs2  none        none
web1  none        none
web2  none        none"""


def text(lines: list[tuple[str, str]]) -> str:
    return "\n".join(line for line, _ in lines)


def test_the_screen_of_a_healthy_site() -> None:
    assert text(status_lines(replace(site_status(), taken=1795325600))) == WELL


def test_problems_are_on_top() -> None:
    without_web1 = replace(SERVICE, servers=SERVICE.servers[1:])
    shown = status_lines(
        site_status("lvs2", lvs1={"services": (without_web1,)}, sections={"checks": TCP})
    )
    assert "NOT ALL IS KNOWN" in shown[0][0]
    assert shown[1] == ("! lvs2 could not be inspected: no route to host", RED)
    row = next(line for line, _ in shown if line.startswith("  web1 "))
    assert row.startswith(
        "  web1 192.168.227.103:80     -/1       0     0  down 90 s: TCP_CHECK failed"
    )


def test_other_holders_are_unknown_if_a_director_was_not_seen() -> None:
    line = "web  192.168.227.10  held by lvs1 (02:68:61:00:00:01); lvs2 not seen"
    assert (line, YELLOW) in status_lines(site_status("lvs2"))
    assert ("web  192.168.227.10  holder unknown: lvs1 not seen", RED) in status_lines(
        site_status("lvs1")
    )


def test_nobody_holds_the_vip() -> None:
    status = site_status()
    front = status.frontends[0]
    empty = replace(status, frontends=(replace(front, vips=(replace(front.vips[0], holders=()),)),))
    assert ("web  192.168.227.10  held by NOBODY", RED) in status_lines(empty)


def test_a_generation_is_shown() -> None:
    host = HostStatus("lvs1", GenerationStatus(12, "ops@desk", "2026-11-22T05:31:20Z", "3fa8b1"), 2)
    assert "lvs1  12  2026-11-22T05:31:20Z  ops@desk  3fa8b1  2 changes" in text(
        status_lines(replace(site_status(), hosts=(host,)))
    )


@settings(deadline=None)  # a loaded machine stalls
@given(
    st.text(alphabet=st.characters(exclude_categories=["C"]), max_size=200), st.integers(0, 10**9)
)
def test_no_line_is_wider_than_the_screen(long_text: str, number: int) -> None:
    status = site_status()
    findings = tuple(LiveFinding("table", long_text[:30], long_text, long_text) for _ in range(9))
    directors = tuple(
        replace(director, adverts_sent=number, seconds=number)
        for director in status.frontends[0].directors
    )
    front = replace(status.frontends[0], name=long_text or "x", directors=directors)
    wide = replace(status, inventory=long_text, findings=findings, frontends=(front,))
    assert max(len(line) for line, _ in status_lines(wide, (long_text,))) <= WIDTH


def test_ages() -> None:
    assert [age(seconds) for seconds in (0.4, 99, 100, 5999, 6000, 172800)] == [
        "0 s",
        "99 s",
        "2 m",
        "100 m",
        "2 h",
        "2 d",
    ]


def test_changes_are_described() -> None:
    before, now = site_status(), site_status("lvs1")
    text_of_changes = " | ".join(changes(before, now))
    assert "192.168.227.10: lvs1 → unknown" in text_of_changes
    assert "lvs1 web priority: 100 → unknown" in text_of_changes
    assert "lvs1 web: MASTER → unreachable" in text_of_changes
    assert "host lvs1: answers → does not answer" in text_of_changes
    assert changes(before, before) == []
