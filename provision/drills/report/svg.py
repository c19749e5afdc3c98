"""SVG elements as text; attributes and text are escaped. Pure."""

from __future__ import annotations

from html import escape


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element; `children` are markup. `stroke_width` becomes `stroke-width`, `class_` `class`.

    Numbers have at most two decimals. An attribute that is None is left out.
    """
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{text}>{''.join(children)}</{name}>" if children else f"<{name}{text}/>"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text_element(text: str, **attributes: object) -> str:
    """A `<text>` element."""
    return tag("text", escape(text), **attributes)


def title(text: str) -> str:
    """A `<title>` element: the description of its parent, shown when the pointer rests there."""
    return tag("title", escape(text))
