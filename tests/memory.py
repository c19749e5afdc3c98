"""A channel made of bytes, for answers that no real agent would give."""

from __future__ import annotations

import io


class MemoryChannel:
    """Gives the prepared answer and keeps what it is told."""

    def __init__(self, answer: bytes) -> None:
        self.answer = io.BytesIO(answer)
        self.told = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        self.told += data

    def read_line(self) -> bytes | None:
        return self.answer.readline() or None

    def read_exact(self, count: int) -> bytes:
        return self.answer.read(count)

    def end_input(self) -> None:
        """Nothing to end."""

    def exit_status(self, timeout: float) -> int:
        return 0 if timeout else -1

    def close(self) -> None:
        self.closed = True


class MemorySession:
    """A session whose one agent gives the prepared answer."""

    host = "web1"
    execs = 0

    def __init__(self, *lines: str) -> None:
        self.channel = MemoryChannel(
            "".join(line.replace("|", "\x1f") + "\n" for line in lines).encode()
        )

    def run_agent(self, program: str) -> MemoryChannel:
        assert program
        self.execs += 1
        return self.channel
