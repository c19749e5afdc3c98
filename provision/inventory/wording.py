"""Wording for problems in YAML: the kind of a value, and the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest known word as the end of a sentence, or all known words."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"the nearest known one is `{near[0]}`"
    if not names:
        return "there are no known names"
    return f"use one of {', '.join(f'`{name}`' for name in names)}"


def kind(value: object) -> str:
    """The operator's word for a YAML value: text, a number, true or false, a list and so on."""
    if isinstance(value, bool):
        return "true or false"
    names = (
        (str, "text"),
        (int | float, "a number"),
        (list | tuple, "a list"),
        (Mapping, "a mapping"),
    )
    return next((name for kinds, name in names if isinstance(value, kinds)), "nothing")
