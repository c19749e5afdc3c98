"""The picture of a run's hosts: clients, VIPs, directors and real servers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from provision.drills.report.svg import tag, text_element, title

WIDTH, BOX, GAP, STEP = 920, 180, 60, 58
"""Pixels: width of the drawing, width of a box, gap between columns, distance of rows."""

COLUMNS = (
    ("client", "client"),
    ("vip", "virtual IP"),
    ("director", "director"),
    ("real server", "real server"),
)


def topology(hosts: Mapping[str, tuple[str, str]], vips: Sequence[str]) -> str:
    """An SVG document with columns for clients, VIPs, directors and real servers.

    Empty without hosts.
    """
    if not hosts:
        return ""
    filled = [
        (heading, column)
        for kind, heading in COLUMNS
        if (column := [("", vip) for vip in vips] if kind == "vip" else _hosts_of(hosts, kind))
    ]
    height = 30 + STEP * max(len(column) for _, column in filled)
    left = (WIDTH - len(filled) * BOX - (len(filled) - 1) * GAP) / 2
    boxes: list[str] = []
    lines: list[str] = []
    previous: list[float] = []
    for index, (heading, column) in enumerate(filled):
        x = left + index * (BOX + GAP)
        top = 30 + (height - 30 - STEP * len(column)) / 2
        boxes.extend(_column(x, top, heading, column))
        middles = [top + row * STEP + 21 for row in range(len(column))]
        lines.extend(_line(x - GAP, start, x, end) for start in previous for end in middles)
        previous = middles
    text = "; ".join(f"{name} is a {kind} at {address}" for name, (kind, address) in hosts.items())
    return tag(
        "svg",
        title("Topology"),
        tag("desc", escape(f"{text}; VIPs: {', '.join(vips)}")),
        *lines,
        *boxes,
        viewBox=f"0 0 {WIDTH} {height:g}",
        class_="topology",
        role="img",
    )


def _column(x: float, top: float, heading: str, column: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The heading of a column and its boxes."""
    text = heading + ("s" if len(column) > 1 else "")
    yield text_element(text, x=x + BOX / 2, y=14, text_anchor="middle", class_="heading")
    for row, (name, address) in enumerate(column):
        yield _box(x, top + row * STEP, name, address, kind=heading)


def _hosts_of(hosts: Mapping[str, tuple[str, str]], kind: str) -> list[tuple[str, str]]:
    return [(name, address) for name, (role, address) in hosts.items() if role == kind]


def _box(x: float, y: float, name: str, address: str, kind: str) -> str:
    frame = tag(
        "rect",
        x=x,
        y=y,
        width=BOX,
        height=42,
        rx=7,
        class_="box vip" if kind == "virtual IP" else "box",
    )
    middle, below = x + BOX / 2, y + (34 if name else 26)
    long = {"textLength": BOX - 14, "lengthAdjust": "spacingAndGlyphs"} if len(address) > 22 else {}
    shown = text_element(address, x=middle, y=below, text_anchor="middle", class_="address", **long)
    return (
        frame
        + shown
        + (
            text_element(name, x=middle, y=y + 18, text_anchor="middle", class_="host")
            if name
            else ""
        )
    )


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (x + to_x) / 2
    return tag(
        "path", d=f"M{x:g} {y:g}C{bend:g} {y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}", class_="edge"
    )
