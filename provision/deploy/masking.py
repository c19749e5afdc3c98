"""Masks in place of secrets, for texts that are shown or kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "********"

_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n).*?(\n-----END)", re.DOTALL)

_PASSWORD_PREFIXES = ("auth_pass ", "password ")
"""The text before a password in keepalived.conf(5), wherever the password comes from."""

MIN_SUBSTRING_LENGTH = 4
"""The characters that a secret needs to be masked inside a longer word."""


def without_keys(text: str) -> str:
    """`text` with its private keys (PEM, RFC 7468) masked: no inventory names them as secrets."""
    return _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)


def masked_lines(content: bytes) -> list[str]:
    """The lines of a file, private keys masked; one line that says so if it is a binary file."""
    try:
        return without_keys(content.decode()).splitlines()
    except UnicodeDecodeError:
        return [f"(binary, {len(content)} bytes)"]


def secret_prefixes(content: bytes, secrets: frozenset[str]) -> frozenset[str]:
    """The text before each secret in its line.

    In the old file the old secret follows the same text, and nobody knows the old secret any more.
    """
    prefixes = set(_PASSWORD_PREFIXES)
    for line in masked_lines(content):
        for secret in secrets:
            before, separator, _ = line.partition(secret)
            if separator and before.strip():
                prefixes.add(before.lstrip())
    return frozenset(prefixes)


def mask_after(line: str, prefixes: frozenset[str]) -> str:
    """The line with the value after the longest matching prefix masked."""
    text = line.lstrip()
    prefix = max((prefix for prefix in prefixes if text.startswith(prefix)), key=len, default="")
    if not prefix:
        return line
    value = rf"[^{prefix[-1]}]*" if prefix[-1] in "\"'" else r"\S*"
    return (
        line[: len(line) - len(text)]
        + prefix
        + MASK
        + re.sub(value, "", text[len(prefix) :], count=1)
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret masked, the longest first: one secret may contain another.

    A secret shorter than four characters is masked only as a whole word: `1` is everywhere.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < MIN_SUBSTRING_LENGTH:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return text
