"""One self-contained page."""

from __future__ import annotations

from provision.drills.result import Drills


def page(drills: Drills) -> str:
    """The page."""
    return f"<!doctype html><title>{len(drills.drills)} drills</title>\n"
