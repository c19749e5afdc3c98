"""`hactl status`: show the present state of the site."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Annotated

import typer

from provision.checks.status.build import status as status_of
from provision.checks.status.model import Status
from provision.checks.status.prometheus import exposition
from provision.checks.status.text_output import changes, status_lines
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.commands.polling import HostPoller
from provision.core.errors import Exit, UsageError
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions

POLL_INTERVAL = 2.0
"""Seconds between two screens of `--watch`."""

HOST_TIMEOUT = 10.0
"""Seconds after which a watched host without an answer is shown as a host that does not answer."""

DRIFT_INTERVAL = 60.0
"""Seconds between two comparisons with the inventory: each costs one more exec on every host."""

MAX_CHANGES_SHOWN = 6
"""How many of the latest changes `--watch` shows."""


def status(project: Project, *, watch: bool, json: bool, prometheus: bool, lab: bool) -> Exit:
    """Show the state of every front end, service and host; with `watch` repeat it until Ctrl-C.

    Returns 0 where all is well, 1 where something is wrong, 4 where a host does not answer. For
    Prometheus it always returns 0: the figures show the problems.

    Raises:
        UsageError: more than one output format is given.
    """
    if watch + json + prometheus > 1:
        raise UsageError("status: give one of --watch, --json and --prometheus")
    with Sessions(project.targets(project.managed(), lab)) as sessions:
        poller = HostPoller(project, sessions)
        if watch:
            _watch(project, poller)
            return Exit.OK
        state = status_of(project.path.name, poller.once())
    if json:
        print_json(state.json())
    elif prometheus:
        sys.stdout.write(exposition(state))
        return Exit.OK
    else:
        Screen().show(status_lines(state))
    return _exit(state)


def _exit(state: Status) -> Exit:
    if any(host.problem for host in state.hosts):
        return Exit.UNREACHABLE
    return Exit.OK if state.ok else Exit.FAILED


def _watch(project: Project, poller: HostPoller) -> None:
    """Show a new screen every `POLL_INTERVAL` until Ctrl-C, with the latest changes below it."""
    screen, latest = Screen(), deque[str](maxlen=MAX_CHANGES_SHOWN)
    before: Status | None = None
    last_comparison = -DRIFT_INTERVAL
    try:
        while True:
            began = time.monotonic()
            compare = began - last_comparison >= DRIFT_INTERVAL
            last_comparison = began if compare else last_comparison
            polled = poller.take(HOST_TIMEOUT, drift=compare)
            now = status_of(project.path.name, polled, before)
            latest.extend(changes(before, now) if before else ())
            screen.clear()
            screen.show(status_lines(now, tuple(latest)))
            before = now
            time.sleep(max(0.2, began + POLL_INTERVAL - time.monotonic()))
    except KeyboardInterrupt:
        sys.stdout.write("\n")


def command(
    inventory: InventoryPath = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show a new screen every two seconds, until Ctrl-C.")
    ] = False,
    json: Json = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print the text format of Prometheus.")
    ] = False,
    lab: Lab = False,
) -> None:
    """Show VIP holders, health of real servers, and problems.

    Exit 0 when all is well, 1 when something is wrong, 4 when a host does not
    answer."""
    raise typer.Exit(
        status(load(inventory), watch=watch, json=json, prometheus=prometheus, lab=lab)
    )
