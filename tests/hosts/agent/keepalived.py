"""A process that answers SIGJSON as Keepalived does: with a file, after a while."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.hosts.agent.local import LocalHost

_PROGRAM = """
import pathlib, signal, sys, time
wait, answer, path = sys.argv[1:]
def tell(*_):
    time.sleep(float(wait))
    pathlib.Path(path).write_text(answer)
signal.signal(signal.SIGUSR2, tell)
print("ready", flush=True)
while True:
    signal.pause()
"""


@contextmanager
def answering(
    host: LocalHost, answer: list[dict[str, Any]], wait: float = 0
) -> Iterator[tuple[int, Path]]:
    """Run a process as the host's Keepalived. It answers `wait` seconds after a signal.

    Yield its number and the path of its answer. The caller makes it the unit's main process.
    """
    folder = host.root / "tmp-of-keepalived"
    folder.mkdir()
    path = folder / "keepalived.json"
    text = json.dumps(answer, separators=(",", ":"))  # as Keepalived 2.2.7 writes it
    argv = [sys.executable, "-c", _PROGRAM, str(wait), text, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            host.command("keepalived", '#!/bin/sh\n[ "$1" = --signum=JSON ] && echo 12\n')
            (host.root / f"proc/{process.pid}/root").mkdir(parents=True)
            (host.root / f"proc/{process.pid}/root/tmp").symlink_to(folder)
            yield process.pid, path
        finally:
            process.kill()
