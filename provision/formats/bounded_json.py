"""JSON from hosts, with a limit on its depth, since Python's parser recurses."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 100
"""Levels of lists and mappings: hactl's documents have fewer, Python's stack holds more."""

_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.?)*+"?|[\[\]{}]', re.DOTALL)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON, or has more than `MAX_DEPTH` levels.
    """
    document = text.decode() if isinstance(text, bytes) else text
    depth = 0
    for token in _STRINGS_AND_BRACKETS.finditer(document):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(document)
