"""Progress events of a run, and the console that shows them."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TextIO

from provision.core.errors import plain


class Events(Protocol):
    """Receives the progress of a run; several threads call it."""

    def host(self, host: str, text: str) -> None:
        """A host began its next step."""

    def note(self, text: str) -> None:
        """A message about the whole run."""


class Console:
    """Progress on standard error: a live line on a terminal, otherwise one line for each step.

    Standard output stays free for the result of the command.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._states: dict[str, str] = {}
        self._shown = False
        self._ticker: threading.Thread | None = None

    def host(self, host: str, text: str) -> None:
        """Show a host's current step; on a terminal all hosts share one live line."""
        with self._lock:
            self._states[host] = text = plain(text)
            if self._live:
                self._draw()
                self._start_ticker()
            else:
                self._stream.write(f"{self._elapsed()} {host}: {text}\n")
                self._stream.flush()

    def note(self, text: str) -> None:
        """Print a permanent line."""
        with self._lock:
            self._clear()
            self._stream.write(f"{self._elapsed()} {plain(text)}\n")
            self._stream.flush()

    def done(self) -> None:
        """Remove the live line, before the result is printed."""
        with self._lock:
            self._clear()
            self._states.clear()
            self._stream.flush()

    def _draw(self) -> None:
        line = " · ".join(f"{name}: {state}" for name, state in self._states.items())
        self._stream.write(f"\r\x1b[K{self._elapsed()} {line[:68]}")
        self._stream.flush()
        self._shown = True

    def _start_ticker(self) -> None:
        """Start updating the seconds of the live line, so that a long step does not look stuck."""
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._redraw, daemon=True)
            self._ticker.start()

    def _redraw(self) -> None:
        while True:
            time.sleep(0.5)
            with self._lock:
                if self._shown:
                    self._draw()

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._shown = False

    def _elapsed(self) -> str:
        return f"[{time.monotonic() - self._started:5.1f}s]"
