"""The roles and example inventories that are part of hactl."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `roles` or `inventories`: in the installed package, else in the repository."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "data" / name
    return inside if inside.is_dir() else package.parent / name
