"""The drills as JUnit XML for CI systems: a test case for each drill, its figures as properties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from provision.drills.result import DrillResult, Drills

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(drills: Drills) -> bytes:
    """The document in UTF-8. The test case of a failed drill contains the drill's messages."""
    suite = ElementTree.Element(
        "testsuite",
        name="hactl failover-test",
        tests=str(len(drills.drills)),
        failures=str(sum(not drill.ok for drill in drills.drills)),
        errors="0",
        skipped=str(sum(drill.skipped is not None for drill in drills.drills)),
        time=f"{sum(drill.seconds for drill in drills.drills):.1f}",
    )
    _properties(
        suite,
        (("inventory", drills.inventory), ("digest", drills.digest), ("started", drills.started)),
    )
    for drill in drills.drills:
        suite.append(_case(drill))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(drill: DrillResult) -> ElementTree.Element:
    attributes = {
        "classname": legal(drill.frontend),
        "name": legal(drill.name),
        "time": f"{drill.seconds:.1f}",
    }
    case = ElementTree.Element("testcase", attributes)
    _properties(case, _figures(drill))
    text = legal("\n".join(drill.messages))
    if drill.skipped is not None:
        ElementTree.SubElement(case, "skipped", message=legal(drill.skipped))
    elif not drill.ok:
        failure = ElementTree.SubElement(
            case, "failure", message=text.partition("\n")[0] or "failed"
        )
        failure.text = text
    elif text:
        ElementTree.SubElement(case, "system-out").text = text
    return case


def _figures(drill: DrillResult) -> Iterator[tuple[str, str]]:
    """The entry of `--json`, flattened: `connections.survived`. Unknown figures are left out."""
    for name, value in drill.json().items():
        if name in ("name", "frontend", "ok", "skipped", "messages"):
            continue
        if isinstance(value, dict):
            yield from (
                (f"{name}.{key}", str(figure))
                for key, figure in value.items()
                if figure is not None
            )
        elif isinstance(value, list):
            yield name, " ".join(map(str, value))
        elif value is not None:
            yield name, str(value)


def _properties(
    parent: ElementTree.Element, pairs: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]
) -> None:
    properties = ElementTree.SubElement(parent, "properties")
    for name, value in pairs:
        ElementTree.SubElement(properties, "property", name=name, value=legal(value))


def legal(text: str) -> str:
    """A text in which U+FFFD replaces each character that XML 1.0 does not allow (§2.2)."""
    return _ILLEGAL.sub("\ufffd", text)
