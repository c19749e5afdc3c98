"""Events that are kept, for tests to read."""

from __future__ import annotations


class Told:
    """Somebody who is told how a run goes on: `HOST: STEP` for each step, a note as it is."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def host(self, host: str, text: str) -> None:
        """A step of a host."""
        self.lines.append(f"{host}: {text}")

    def note(self, text: str) -> None:
        """A note."""
        self.lines.append(text)
