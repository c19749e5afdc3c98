"""The report as one HTML page that loads nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provision.drills.report.axis import close_up, whole
from provision.drills.report.events import events, summary
from provision.drills.report.format import (
    count_verdicts,
    counted,
    format_ms,
    frontends,
    noise_floor,
    passed,
)
from provision.drills.report.svg import tag, title
from provision.drills.report.timeline import names_of, picture
from provision.drills.report.topology import topology
from provision.drills.result import DrillResult, Drills

FOLDER = Path(__file__).parent / "page"
VERDICTS = {True: ("pass", "✓ pass"), False: ("fail", "✗ failed"), None: ("skip", "– skipped")}


@dataclass(frozen=True)
class Section:
    """The template's data of one drill; each of `pictures` is a caption, the names and the plot."""

    id: str
    drill: DrillResult
    kind: str
    verdict: str
    bar: str
    figures: Mapping[str, str]
    pictures: Sequence[tuple[str, str, str]]
    events: Sequence[tuple[float, str]]


def page(drills: Drills) -> str:
    """The page as HTML5, complete without scripts; the template escapes text from the run."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=format_ms)
    hover = (FOLDER / "hover.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        run=drills,
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        hover=hover,
        hover_digest=base64.b64encode(hashlib.sha256(hover.encode()).digest()).decode(),
        headline=_headline(drills),
        tally=count_verdicts(drills.drills),
        floor=noise_floor(drills.drills),
        minutes=f"{sum(drill.seconds for drill in drills.drills) / 60:.1f}",
        several=len(frontends(drills)) > 1,
        topology=topology(drills.topology, drills.vips),
        sections=[_section(index, drill, drills) for index, drill in enumerate(drills.drills)],
    )


def _headline(drills: Drills) -> str:
    failed = sum(passed(drill) is False for drill in drills.drills)
    if failed:
        return f"{failed} of {counted(len(drills.drills), 'drill')} failed"
    return "every drill passed" if drills.ok else "no drill was run"


def _section(index: int, drill: DrillResult, drills: Drills) -> Section:
    kind, verdict = VERDICTS[passed(drill)]
    timeline = drill.timeline
    pictures: list[tuple[str, str, str]] = []
    if timeline is not None and drill.skipped is None:
        known = [name for name, (role, _) in drills.topology.items() if role == "director"]
        directors = names_of(timeline.spans, timeline, known)
        close, full = close_up(drill, timeline), whole(timeline)
        axes = [("Around the fault", close)] if close else []
        for caption, axis in [*axes, ("The whole drill", full)]:
            pictures.append((caption, *picture(drill, timeline, axis, directors, summary(drill))))
    return Section(
        id=f"drill-{index}",
        drill=drill,
        kind=kind,
        verdict=verdict,
        bar=bar(drill),
        figures=_figures(drill),
        pictures=pictures,
        events=events(timeline) if timeline else (),
    )


def _figures(drill: DrillResult) -> dict[str, str]:
    """The figures by name; a drill that failed before its fault has only the time it took."""
    noise, kept = drill.noise, drill.connections
    if not drill.requests:
        return {"took": f"{drill.seconds:.0f} s"}
    figures = {
        "outage": format_ms(drill.outage_ms),
        "bound": format_ms(drill.bound_ms),
        "requests": str(drill.requests),
        "failed": str(drill.failed_requests),
        "slowest answer": format_ms(drill.slowest_ms),
        "connections kept": f"{kept.survived} of {kept.established}",
        "held the VIP": ", ".join(drill.holders) or "nobody",
        "took": f"{drill.seconds:.0f} s",
    }
    if noise:
        figures["noise floor"] = (
            f"median {format_ms(noise.median_ms)}, p99 {format_ms(noise.p99_ms)}, "
            f"slowest {format_ms(noise.slowest_ms)}"
        )
    return figures


def bar(drill: DrillResult) -> str:
    """The outage as a bar over its bound, which takes two thirds of the width.

    Empty without a bound.
    """
    if drill.skipped is not None or not drill.bound_ms or drill.outage_ms is None:
        return ""
    share = min(100.0, drill.outage_ms / drill.bound_ms * 66.7)
    over = " over" if drill.outage_ms > drill.bound_ms else ""
    return tag(
        "svg",
        title(f"outage {format_ms(drill.outage_ms)} of {format_ms(drill.bound_ms)} allowed"),
        tag("rect", width="66.7%", height=14, y=1, class_="allowed"),
        tag("rect", width=f"{max(share, 0.6):.1f}%", height=6, y=5, class_=f"used{over}"),
        tag("rect", x="66.7%", width=2, height=16, class_="limit"),
        width="100%",
        height=16,
        role="img",
        class_="bar",
    )
