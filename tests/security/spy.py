"""An unprivileged user of a host in a separate process: it reads files and plants symbolic links.

The argument is the user's number. The standard input is one JSON line
`{"folders": […], "secret": …, "links": {PATH: TARGET}}`; the end of the input ends the process. The
standard output is `ready`, then one JSON line with the paths of files in which the secret could be
read, and the number of rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import stat
import sys
from pathlib import Path


def below(folder: str, depth: int = 4) -> list[str]:
    """All files that this user can find there."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and depth:
                found += below(entry.path, depth - 1)
            else:
                found.append(entry.path)
    return found


def read(path: str) -> bytes:
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return os.read(file, 65536) if stat.S_ISREG(os.fstat(file).st_mode) else b""
        finally:
            os.close(file)
    return b""


def main() -> None:
    user = int(
        sys.argv[1]
    )  # only now: an interpreter below /root is none that this user could start
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    task = json.loads(sys.stdin.readline())
    secret = task["secret"].encode()
    seen: set[str] = set()
    rounds = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        for folder in task["folders"]:
            seen |= {path for path in below(folder) if secret in read(path)}
        for path, target in task["links"].items():
            with contextlib.suppress(OSError):
                Path(path).symlink_to(target)
        rounds += 1
    json.dump({"seen": sorted(seen), "rounds": rounds}, sys.stdout)


main()
