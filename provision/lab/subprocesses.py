"""Running commands: a failure becomes a LabError with what the command said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from provision.core.errors import LabError


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """The command's standard output; raises LabError when it fails or takes longer than `timeout` seconds."""
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
    """Whether the command succeeded; for clean-up, where failing is fine."""
    try:
        run(argv, timeout=timeout)
    except LabError:
        return False
    return True
