"""The agents: POSIX sh programs that hactl sends to the hosts and never installs there."""

from __future__ import annotations

import functools
from importlib import resources

TRANSACTION = (
    "common",
    "transaction",
    "undo",
    "handover",
    "boot",
    "generations",
    "files",
    "kernel",
    "units",
)

PARTS = {
    "observe": ("common", "facts", "drained", "observe"),
    "look": ("common", "drained", "vrrp", "look"),
    "status": ("common", "checks", "status", "drained", "vrrp", "look"),
    "doctor": ("common", "checks", "diagnostics", "drained", "vrrp", "look"),
    "fault": ("common", "fault"),
    "watch": ("common", "watch"),
    "versions": ("common", "versions"),
    "probe": ("common", "probe"),
    "apply": (*TRANSACTION, "guard", "packages", "vrrp", "apply"),
    "recover": (*TRANSACTION, "recover"),
    "generations": ("common", "history"),
    "drain": ("common", "drain"),
    "leave": ("common", "drain-weights"),
    "hold": ("common", "transaction", "lock"),
    "roll": ("common", "transaction", "roll"),
}
"""The shell parts of the agents, by agent, in the order in which they are joined."""


@functools.cache
def program(name: str) -> str:
    """Return the text of an agent in PARTS."""
    folder = resources.files(__name__)
    return "".join(
        folder.joinpath(f"{part}.sh").read_text(encoding="utf-8") for part in PARTS[name]
    )
