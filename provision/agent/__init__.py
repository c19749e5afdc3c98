"""The programs that run on the hosts: POSIX sh, sent over the wire, never installed."""

from __future__ import annotations

import functools
from importlib import resources


@functools.cache
def program(name: str) -> str:
    """The text of the agent `observe` or `apply`."""
    return resources.files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")
