"""Where the roles and example inventories that come with hactl are."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `roles` or `inventories`: inside the package when installed, else the repository's top level."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "data" / name
    return inside if inside.is_dir() else package.parent / name
