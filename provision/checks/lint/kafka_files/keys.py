"""The keys of brokers and clients with their types, from the ConfigDef of Kafka 3.9 and 4.1."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

_NUMBER = re.compile(r"[+-]?\d{1,19}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?|NaN|[+-]?Infinity")
_BITS = {"SHORT": 16, "INT": 32, "LONG": 64}


@cache
def known(kind: str) -> dict[str, str]:
    """Return the keys of a `server` or a `client` with their types, as `keys.txt` lists them.

    Types are STRING, INT, LONG, SHORT, DOUBLE, BOOLEAN and others.
    """
    lines = (files("provision.checks.lint.kafka_files") / "keys.txt").read_text().splitlines()
    rows = [line.split(" ") for line in lines]
    return {key: type_ for owner, type_, key in rows if owner == kind}


def complaint(type_: str, text: str) -> str:
    """Return the message of ConfigDef.parseType for a trimmed value; empty if it is valid."""
    if type_ == "BOOLEAN":
        valid = text.lower() in ("true", "false")
        return "" if valid else "Expected value to be either true or false"
    if type_ == "DOUBLE":
        return "" if _DECIMAL.fullmatch(text) else "Not a number of type DOUBLE"
    bits = _BITS.get(type_)
    if bits is None or (_NUMBER.fullmatch(text) and -(1 << bits - 1) <= int(text) < 1 << bits - 1):
        return ""
    return f"Not a number of type {type_}"


def closest_key(kind: str, key: str) -> str:
    """Return the known key that is most similar to an unknown key; empty if no key is similar."""
    return next(iter(get_close_matches(key.lower(), known(kind), 1, 0.88)), "")
