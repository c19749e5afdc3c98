"""The probe in the client's network, and the times of its answers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.faults import probe
from tests.faults.site import CLIENT, layout


class Watch:
    """Sends requests to all VIPs all the time; a context manager."""

    def __init__(self, vips: Sequence[str]) -> None:
        self._vips = vips
        self._times: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Watch:
        inside = ["nsenter", f"--net=/run/netns/{layout().host(CLIENT[0]).namespace}"]
        argv = [*inside, sys.executable, str(Path(probe.__file__)), *self._vips]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            moment, vip = line.split()
            self._times[vip].append(float(moment))

    def longest_gap(self, vip: str, start: float, end: float) -> float:
        """The longest time without an answer of a VIP, in seconds."""
        return probe.longest_gap(tuple(self._times[vip]), start, end)
