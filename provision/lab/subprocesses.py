"""The execution of commands; a failure is a LabError with the command's output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from provision.core.errors import LabError


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """The command's standard output. Raises LabError for a failure and after `timeout` seconds."""
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {timeout:.0f} s: {' '.join(argv)}") from None
    except FileNotFoundError:
        raise LabError(
            f"{argv[0]} is not installed", f"apt-get install the package of {argv[0]}"
        ) from None
    if done.returncode:
        raise LabError(
            f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        )
    return done.stdout


def try_run(argv: Sequence[str], *, timeout: float = 60) -> bool:
    """Whether the command succeeded; for clean-up, which ignores failures."""
    try:
        run(argv, timeout=timeout)
    except LabError:
        return False
    return True
