"""The tests: a folder for each package of `provision/`, and beside them what crosses packages."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The repository's top folder."""
