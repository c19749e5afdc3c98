"""The report's page in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.drills.registry import NAMES
from provision.drills.report import write
from provision.drills.report.html import page
from provision.drills.result import DrillResult, Drills
from tests.drills.report.browser import Browser
from tests.drills.report.build import drill, drills, timeline

SCRIPT = "<script>alert(1)</script>"

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all drills: one skipped, one failed, one with a long name and two services."""
    results = [drill(name) for name in NAMES[:-2]]
    results += [
        drill(NAMES[-2], skipped="only in a lab"),
        drill(NAMES[-1], ok=False, messages=(SCRIPT, "x" * 300)),
    ]
    results[0] = drill(
        NAMES[0],
        frontend="a-front-end-with-a-name-that-is-rather-long",
        timeline=timeline(services=2),
    )
    return write(drills(*results), tmp_path_factory.mktemp("report"))[2]


@needs_browser
def test_each_drill_has_its_section_with_figures_and_lanes(browser: Browser, shown: Path) -> None:
    browser.open(shown)
    assert browser.ask(
        "[...document.querySelectorAll('#summary tbody th')].map(e => e.textContent)"
    ) == list(NAMES)
    sections = browser.ask("[...document.querySelectorAll('section.drill')].map(e => e.innerText)")
    assert len(sections) == len(NAMES) - 1, "a skipped drill has its row in the summary only"
    for name, text in zip([*NAMES[:-2], NAMES[-1]], sections, strict=True):
        assert text.startswith(name)
        assert "605 ms" in text and "722 ms" in text
    lanes = browser.ask(
        "[...document.querySelectorAll('section.drill .plot')].map(e => e.textContent)"
    )
    assert len(lanes) == 2 * len(sections), "a close-up and the whole drill"
    for text in lanes:
        for lane in (
            "requests to web",
            "192.168.227.10 held by",
            "VRRP adverts of VRID 10",
            "real servers in the tables",
        ):
            assert lane in text
    assert browser.ask(
        "document.querySelectorAll('section.drill .plot[role=img] > desc').length"
    ) == len(lanes)


@needs_browser
def test_lanes_are_drawn_at_their_place_on_the_axis(browser: Browser, shown: Path) -> None:
    """The axis is from -2 s to 10 s. lvs2's bar begins 0.6 s after the injection."""
    browser.open(shown)
    place = browser.ask(
        """(() => {
            const plot = document.querySelectorAll("#drill-1 .plot")[1];
            const outer = plot.getBoundingClientRect();
            const bar = [...plot.querySelectorAll("rect")].find(
                (e) => e.textContent.startsWith("lvs2 held"));
            return (bar.getBoundingClientRect().left - outer.left) / outer.width;
        })()"""
    )
    assert place == pytest.approx(2.6 / 12, abs=0.005)


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_fits_the_screen_loads_nothing_and_logs_nothing(
    browser: Browser, shown: Path, width: int, scheme: str
) -> None:
    browser.open(shown, width, scheme)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert (
        browser.ask(
            "Math.max(...[...document.querySelectorAll('section')].map(e => e.scrollWidth))"
        )
        <= width
    )
    assert browser.requests == [shown.as_uri()]
    assert browser.complaints == []
    dark = browser.ask(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(part => part < 128)"
    )
    assert dark is (scheme == "dark")


@needs_browser
def test_the_second_under_the_pointer_is_shown(browser: Browser, shown: Path) -> None:
    browser.open(shown)
    x, y = browser.ask(
        """(() => {
            const plot = document.querySelectorAll("#drill-1 .plot")[1];
            plot.scrollIntoView();
            const box = plot.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + 40];
        })()"""
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    read = browser.ask("document.querySelectorAll('#drill-1 .readout')[1].textContent")
    assert float(read.removesuffix(" s")) == pytest.approx(4.0, abs=0.05)


@needs_browser
def test_the_page_is_complete_without_scripts(browser: Browser, shown: Path) -> None:
    browser.open(shown, scripts=False)
    document = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    bounds = browser.call(
        "DOM.querySelectorAll", nodeId=document, selector="section.drill .plot rect.bound"
    )
    assert len(bounds["nodeIds"]) == 2 * (len(NAMES) - 1)


@needs_browser
def test_text_from_a_run_never_becomes_markup(browser: Browser, shown: Path) -> None:
    browser.open(shown)
    assert (
        browser.ask("[...document.querySelectorAll('.messages li')].map(e => e.textContent)[0]")
        == SCRIPT
    )
    assert browser.ask("document.scripts.length") == 1


def test_hostile_text_is_escaped_everywhere() -> None:
    run = drills(
        drill(SCRIPT, frontend=SCRIPT, messages=(SCRIPT,), holders=(SCRIPT,)), drill(skipped=SCRIPT)
    )
    hostile = Drills(
        SCRIPT,
        SCRIPT,
        SCRIPT,
        run.drills,
        {SCRIPT: ("director", SCRIPT)},
        (SCRIPT,),
        {SCRIPT: {SCRIPT: SCRIPT}},
        {SCRIPT: SCRIPT},
    )
    assert SCRIPT not in page(hostile)
    assert page(hostile).count("<script>") == 1


def test_the_page_links_to_nothing() -> None:
    links = set(re.findall(r"https?://[^\"'\s]*|//\w+\.\w+", page(drills())))
    assert links == {"http://www.w3.org/2000/svg"}, "the XML namespace of SVG, not a link"


def test_a_page_of_eleven_long_drills_stays_small() -> None:
    long = timeline(outage=0.6, end=100)
    assert len(long.requests) > 20_000
    assert len(page(drills(*(drill(name, timeline=long) for name in NAMES))).encode()) < 1_500_000


def test_a_drill_that_failed_before_its_fault_has_no_figures() -> None:
    failed = DrillResult(
        "hand-over", "web", ok=False, messages=("no connection could be opened",), seconds=15.8
    )
    text = page(drills(failed))
    assert "nothing was measured" in text
    assert "<dt>outage</dt>" not in text and "0 of 0" not in text
    assert "How to read the pictures" not in text


def test_a_run_without_any_drill_says_so() -> None:
    assert "No drill was run" in page(Drills("lab.yml", "", ""))
