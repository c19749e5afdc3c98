"""What a run tells while it goes on, and where it is told."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TextIO

from provision.core.errors import plain


class Events(Protocol):
    """Somebody who is told how a run goes on; called from several threads."""

    def host(self, host: str, text: str) -> None:
        """One host got one step further."""

    def note(self, text: str) -> None:
        """Something about the whole run."""


class Console:
    """Progress on standard error: a live line on a terminal, a line a step elsewhere.

    Standard output stays free for what the command was asked to print.
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
        """Show a host's newest step; on a terminal all hosts share one line that is rewritten."""
        with self._lock:
            self._states[host] = text = plain(text)
            if self._live:
                self._draw()
                self._tick()
            else:
                self._stream.write(f"{self._elapsed()} {host}: {text}\n")
                self._stream.flush()

    def note(self, text: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._clear()
            self._stream.write(f"{self._elapsed()} {plain(text)}\n")
            self._stream.flush()

    def done(self) -> None:
        """Take the live line away before the result is printed."""
        with self._lock:
            self._clear()
            self._states.clear()
            self._stream.flush()

    def _draw(self) -> None:
        line = " · ".join(f"{name}: {state}" for name, state in self._states.items())
        self._stream.write(f"\r\x1b[K{self._elapsed()} {line[:68]}")
        self._stream.flush()
        self._shown = True

    def _tick(self) -> None:
        """Keep the seconds of the live line moving, so that a long step is seen to be one."""
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
