"""The steps of a deploy at which a fault strikes: the columns of the matrix.

Each is a command that an agent gives on the host (provision/agent/*.sh). There the host halts, just before or after
that command, until the fault has struck: no cell depends on being quick enough.
"""

from __future__ import annotations

from dataclasses import dataclass

COMMANDS = ("dd", "sha256sum", "mkdir", "mv", "tar", "cat", "keepalived", "systemctl")
"""What halt.sh stands in front of."""


@dataclass(frozen=True)
class Step:
    """One step: `when` the host halts (before or after the command) and the shell pattern of the command's words.

    With `until` the controller is stopped there instead, and the host goes on to where it waits for the controller's
    next word: `ready` (to be told to go) or `applied` (to be told to confirm).
    """

    name: str
    meaning: str
    when: str
    pattern: str
    until: str = ""


STEPS = (
    Step("connect", "logged in; the agent has not arrived yet", "before", "dd bs=*"),
    Step("observe", "the agent reads the host", "before", "sha256sum *"),
    Step("lock", "it has just taken the lock", "after", "mv -T */lock-* */lock"),
    Step("unpack", "the archive is about to be unpacked", "before", "tar -xf - -C *"),
    Step("stage", "the first staged file is there, empty", "before", "cat */run-??????/files/*"),
    Step(
        "validate",
        "the daemon's parser is about to read a staged file",
        "before",
        "keepalived -t *",
    ),
    Step(
        "ready",
        "all is staged; the host waits to be told to go",
        "before",
        "keepalived -t *",
        "ready",
    ),
    Step("change", "the first file has been swapped", "after", "mv -f */.*.hactl-?????? *"),
    Step("reload", "Keepalived is about to be reloaded", "before", "systemctl reload keepalived*"),
    Step(
        "applied",
        "all is changed; the host waits for the confirmation",
        "before",
        "systemctl reload *",
        "applied",
    ),
    Step("confirm", "told to confirm, not done yet", "before", "mv */journal */confirmed"),
    Step(
        "kept",
        "confirmed; the generation is not in its place yet",
        "before",
        "mv */generation */generations/*",
    ),
)
BY_NAME = {step.name: step for step in STEPS}
