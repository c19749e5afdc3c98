"""The steps of a deploy at which a fault strikes: the columns of the matrix.

Each step is a command of an agent on the host (provision/hosts/agent/*.sh). The host halts just
before or after that command until the fault has struck, so no cell depends on speed.
"""

from __future__ import annotations

from dataclasses import dataclass

COMMANDS = ("dd", "sha256sum", "mkdir", "mv", "tar", "cat", "keepalived", "systemctl")
"""The commands that halt.sh wraps."""


@dataclass(frozen=True)
class Step:
    """One step: `when` the host halts (before or after), and the shell pattern of the command line.

    With `until` the controller is stopped there instead, and the host goes on until it waits for
    the controller: `ready` (for the order to apply) or `applied` (for the confirmation).
    """

    name: str
    meaning: str
    when: str
    pattern: str
    until: str = ""


STEPS = (
    Step("connect", "logged in; the agent is not there yet", "before", "dd bs=*"),
    Step("observe", "the agent inspects the host", "before", "sha256sum *"),
    Step("lock", "the host has just taken the lock", "after", "mv -T */lock-* */lock"),
    Step("unpack", "the host is about to unpack the archive", "before", "tar -xf - -C *"),
    Step("stage", "the first staged file exists, empty", "before", "cat */run-??????/files/*"),
    Step(
        "validate",
        "the daemon's parser is about to read a staged file",
        "before",
        "keepalived -t *",
    ),
    Step(
        "ready",
        "everything is staged; the host waits for the order to apply",
        "before",
        "keepalived -t *",
        "ready",
    ),
    Step("change", "the first file has been replaced", "after", "mv -f */.*.hactl-?????? *"),
    Step("reload", "Keepalived is about to be reloaded", "before", "systemctl reload keepalived*"),
    Step(
        "applied",
        "everything is changed; the host waits for the confirmation",
        "before",
        "systemctl reload *",
        "applied",
    ),
    Step(
        "confirm",
        "told to confirm; the host has not done it yet",
        "before",
        "mv */journal */confirmed",
    ),
    Step(
        "kept",
        "confirmed; the generation is not in its place yet",
        "before",
        "mv */generation */generations/*",
    ),
)
BY_NAME = {step.name: step for step in STEPS}
