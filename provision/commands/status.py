"""`hactl status`: what the site does right now."""

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
from provision.commands.polling import Poller
from provision.core.errors import Exit, UsageError
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions

POLL_INTERVAL = 2.0
"""Seconds between two screens."""

HOST_TIMEOUT = 10.0
"""Seconds after which a watched host that has not answered is shown as one that does not."""

DRIFT_INTERVAL = 60.0
"""Seconds between two comparisons with the inventory while watching: each is a second exec on every host."""

MAX_CHANGES_SHOWN = 6
"""How many of the latest changes a watched screen shows."""


def status(project: Project, *, watch: bool, json: bool, prometheus: bool, lab: bool) -> Exit:
    """Show what every front end, service and host does; with `watch` again and again until Ctrl-C.

    Returns 0, 1 where something is wrong, 4 where a host could not be looked at; for Prometheus 0, since the figures
    say so themselves.

    Raises:
        UsageError: more than one way to show it is asked for.
    """
    if watch + json + prometheus > 1:
        raise UsageError("status: give one of --watch, --json and --prometheus")
    with Sessions(project.targets(project.managed(), lab)) as sessions:
        rounds = Poller(project, sessions)
        if watch:
            _watch(project, rounds)
            return Exit.OK
        found = status_of(project.path.name, rounds.once())
    if json:
        print_json(found.json())
    elif prometheus:
        sys.stdout.write(exposition(found))
        return Exit.OK
    else:
        Screen().show(status_lines(found))
    return _exit(found)


def _exit(found: Status) -> Exit:
    if any(host.problem for host in found.hosts):
        return Exit.UNREACHABLE
    return Exit.OK if found.ok else Exit.FAILED


def _watch(project: Project, rounds: Poller) -> None:
    """A new screen every two seconds; the changes seen meanwhile stand below it."""
    screen, news = Screen(), deque[str](maxlen=MAX_CHANGES_SHOWN)
    before: Status | None = None
    compared = -DRIFT_INTERVAL
    try:
        while True:
            began = time.monotonic()
            compare = began - compared >= DRIFT_INTERVAL
            compared = began if compare else compared
            now = status_of(project.path.name, rounds.take(HOST_TIMEOUT, drift=compare), before)
            news.extend(changes(before, now) if before else ())
            screen.clear()
            screen.show(status_lines(now, tuple(news)))
            before = now
            time.sleep(max(0.2, began + POLL_INTERVAL - time.monotonic()))
    except KeyboardInterrupt:
        sys.stdout.write("\n")


def command(
    inventory: InventoryPath = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    json: Json = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print Prometheus's text format.")
    ] = False,
    lab: Lab = False,
) -> None:
    """Show who holds what, which real servers answer, and what is wrong.

    Exit 0 when all is well, 1 when something is wrong, 4 when a host does not answer."""
    raise typer.Exit(
        status(load(inventory), watch=watch, json=json, prometheus=prometheus, lab=lab)
    )
