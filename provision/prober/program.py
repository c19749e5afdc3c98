"""The client's program as a message to the agent `probe`: its modules and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from provision.core.errors import HostError
from provision.formats import bounded_json
from provision.hosts.agent import program
from provision.hosts.channel import Channel, Session

PACKAGE = "provision.prober.client"
MODULES = (
    "netlink",
    "packets",
    "listener",
    "queries",
    "exchange",
    "load",
    "connections",
    "preflight",
    "service_checks",
    "main",
)
"""The modules, each after those that it imports; the last module has the function `main`."""


def message(settings: Mapping[str, Any]) -> bytes:
    """Return the agent's input: a length, the modules with their full names, and the settings."""
    folder = resources.files(PACKAGE)
    parents = ["provision", "provision.prober", PACKAGE]
    modules = [(name, "") for name in parents]
    modules += [
        (f"{PACKAGE}.{name}", folder.joinpath(f"{name}.py").read_text(encoding="utf-8"))
        for name in MODULES
    ]
    text = json.dumps({"modules": modules, "settings": settings}).encode()
    return f"{len(text)}\n".encode() + text


def start(session: Session, settings: Mapping[str, Any]) -> Channel:
    """Run the program with these settings. Raises HostError if no agent can be started."""
    channel = session.run_agent(program("probe"))
    channel.send(message(settings))
    return channel


def read(channel: Channel, host: str) -> dict[str, Any]:
    """Return the program's next line.

    Raises:
        HostError: the program reports an error or has ended, or the connection is lost.
    """
    line = channel.read_line()
    if line is None:
        raise HostError(
            host,
            "the prober ended unexpectedly",
            "is python3 complete there? try `python3 -I -c pass`",
        )
    try:
        record: dict[str, Any] = bounded_json.loads(line)
    except ValueError:
        text = line.decode(errors="replace").strip()[:200]
        raise HostError(host, f"the prober printed something unexpected: {text}") from None
    if "error" in record:
        raise HostError(host, f"the prober failed: {record['error']}", record.get("fix", ""))
    return record
