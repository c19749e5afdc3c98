"""Secrets in texts that are shown or kept, replaced by a mask. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from provision.deploy.change import Change as Change

MASK = "********"

_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n).*?(\n-----END)", re.DOTALL)

_PASSWORDS = ("auth_pass ", "password ")
"""What stands before a password in keepalived.conf(5), wherever it comes from."""

SHORT = 4


def without_keys(text: str) -> str:
    """`text` with the private keys in it (PEM, RFC 7468) masked: no inventory names them as secrets."""
    return _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)


def _lines(content: bytes) -> list[str]:
    try:
        return without_keys(content.decode()).splitlines()
    except UnicodeDecodeError:
        return [f"(binary, {len(content)} bytes)"]


def _secret_places(content: bytes, secrets: frozenset[str]) -> frozenset[str]:
    """What stands before a secret in its line: there the old file has the old secret, which nobody knows any more."""
    found = set(_PASSWORDS)
    for line in _lines(content):
        for secret in secrets:
            before, held, _ = line.partition(secret)
            if held and before.strip():
                found.add(before.lstrip())
    return frozenset(found)


def _mask_place(line: str, places: frozenset[str]) -> str:
    text = line.lstrip()
    place = max((place for place in places if text.startswith(place)), key=len, default="")
    if not place:
        return line
    value = rf"[^{place[-1]}]*" if place[-1] in "\"'" else r"\S*"
    return (
        line[: len(line) - len(text)]
        + place
        + MASK
        + re.sub(value, "", text[len(place) :], count=1)
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced; longest first, so that a part of one does not show the rest.

    A secret shorter than four characters is replaced only where it stands alone: `1` is everywhere.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < SHORT:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return text
