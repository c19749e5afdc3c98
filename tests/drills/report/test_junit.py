"""JUnit XML can be parsed again, whatever the messages contain."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from provision.drills.report.junit import junit
from tests.drills.report.build import drill, drills


def test_each_drill_is_a_test_case_with_its_figures() -> None:
    root = ElementTree.fromstring(
        junit(drills(drill(), drill("failback", ok=False, messages=("too slow", "by far"))))
    )
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    passed, failed = suite.findall("testcase")
    assert (passed.get("classname"), passed.get("name"), passed.get("time")) == (
        "web",
        "power-cut",
        "14.2",
    )
    figures = {item.get("name"): item.get("value") for item in passed.iter("property")}
    assert figures["outage_ms"] == "605.0"
    assert figures["connections.survived"] == "200"
    assert figures["noise.p99_ms"] == "4.1"
    assert passed.find("failure") is None
    failure = failed.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("too slow", "too slow\nby far")


def test_a_skipped_drill_is_a_skipped_test_case_with_its_reason() -> None:
    root = ElementTree.fromstring(junit(drills(drill(skipped="one director only"))))
    skipped = root.find("testsuite/testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "one director only"


@settings(deadline=None)
@given(st.text())
def test_no_message_breaks_the_document(message: str) -> None:
    root = ElementTree.fromstring(junit(drills(drill(ok=False, messages=(message,)))))
    assert root.find("testsuite/testcase/failure") is not None
