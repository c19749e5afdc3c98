"""One host's transaction: what to do, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Op:
    """One line for the apply agent: a verb and its fields, as docs/architecture.md lists them."""

    verb: str
    args: tuple[str, ...] = ()
