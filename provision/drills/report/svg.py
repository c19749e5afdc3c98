"""SVG as text: elements whose attributes and words are escaped. Pure."""

from __future__ import annotations

from html import escape


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element; `children` are markup already. `stroke_width` is written `stroke-width`, `class_` is `class`.

    Figures get two decimals at most; an attribute that is None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text_element(text: str, **attributes: object) -> str:
    """A `<text>` element."""
    return tag("text", escape(text), **attributes)


def title(text: str) -> str:
    """What is said of its parent: read aloud, and shown when the pointer rests there."""
    return tag("title", escape(text))
