"""The output of a verify run: counts of each host, each failure once, at most 80 columns."""

from __future__ import annotations

from provision.checks.verify.result import Check, Verification
from provision.commands.verify import lines
from provision.deploy.project import load
from tests import REPOSITORY

TOPOLOGY = load(REPOSITORY / "inventories/lab.yml").topology
LONG = 3 * (
    "web1 is missing from -t 192.168.227.10:80; "
    "192.168.227.103:80 is not in the table: its check fails, or "
)


def check(
    name: str, host: str = "", *, message: str = "", ok: bool = True, skipped: str | None = None
) -> Check:
    return Check(name, host, ok, skipped, 0.0, message)


def shown(*checks: Check) -> list[str]:
    return [text for text, _ in lines(Verification(checks, seconds=2.34), TOPOLOGY)]


def test_counts_by_host_in_the_inventorys_order() -> None:
    assert shown(
        check("one_holder web"),
        check("listeners", "web1"),
        check("table", "lvs1"),
        check("clock", "client"),
        check("tests/test_own.py::test_it"),
        check("arp", "web1"),
    ) == [
        "lvs1    director       1 ok",
        "web1    real server    2 ok",
        "client  client         1 ok",
        "front ends             1 ok",
        "your own tests         1 ok",
        "Verify: 6 checks passed, 0 failed, 0 skipped in 2.3 s.",
    ]


def test_a_failure_with_its_reason() -> None:
    text = shown(check("table", "lvs1", message=LONG, ok=False), check("clock", "lvs1"))
    assert text[0] == "lvs1    director    1 ok, 1 failed"
    assert text[2] == "lvs1: table"
    assert " ".join(" ".join(text[3:-1]).split()) == LONG.strip()
    assert max(map(len, text)) <= 80
    assert text[-1].startswith("Verify: 1 checks passed, 1 failed, 0 skipped")


def test_a_message_of_many_checks_is_shown_once() -> None:
    unreachable = "web2: no route to host\n  is it up?"
    text = shown(
        *(
            check(name, "web2", message=unreachable, ok=False)
            for name in ("arp", "clock", "lo_vips")
        ),
        check("a"),
    )
    assert text.count("web2: 3 checks") == 1
    assert sum("no route to host" in line for line in text) == 1


def test_the_reasons_of_skipped_checks_and_the_remarks_of_passed_checks() -> None:
    text = shown(
        check("serves_vip 192.168.227.10:80", "web1", skipped="no client"),
        check("serves_vip 192.168.227.10:80", "web2", skipped="no client"),
        check("own_vrids web", skipped="no client"),
        check(
            "foreign_services",
            "lvs1",
            message="lvs1 has services that are not in the inventory: -f 7",
        ),
    )
    assert "serves_vip, own_vrids: no client" in text
    assert "foreign_services: lvs1 has services that are not in the inventory: -f 7" in text
    assert text[-1] == "Verify: 1 checks passed, 0 failed, 3 skipped in 2.3 s."


def test_a_run_without_a_passed_check_proves_nothing() -> None:
    assert shown(check("own_vrids web", skipped="no client"))[-1].endswith("Nothing was proved.")
