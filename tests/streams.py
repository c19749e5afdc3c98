"""Streams that tests give to code which prints."""

from __future__ import annotations

import io


class TerminalStream(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True
