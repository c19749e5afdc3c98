"""The program: a loop over one epoll, with commands on standard input and lines of JSON as output.

Commands: `ping N` is answered at once with the time; `stop` begins the end. The end of the input
ends the program, since nobody reads its output then.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import resource
import select
import time
from typing import Any

from provision.prober.client import netlink, preflight, queries, service_checks
from provision.prober.client.connections import ConnectionPool
from provision.prober.client.listener import CaptureSocket
from provision.prober.client.load import Handlers, Load, LoadService

FLUSH_INTERVAL = 0.05
"""Seconds between two lines of records."""

MAX_BACKLOG_BYTES = 1 << 24
"""Maximum bytes of unread output. With more, the controller counts as dead."""

START_DELAY = 0.1
"""Seconds before the first request, so that the loop runs when the request is due."""


def main(settings: dict[str, Any]) -> None:
    """Do one of the tasks `ask`, `gate` and `load`. An error is printed as a line of JSON."""
    try:
        if settings["task"] == "ask":
            say(queries.ask(settings["questions"]))
        elif settings["task"] == "gate":
            service_checks.serve(say)
        else:
            Recorder(settings).run()
    except BrokenPipeError:
        pass
    except OSError as error:
        say({"error": error.strerror or str(error)})
    except (ValueError, MemoryError) as error:
        say({"error": str(error)})


def say(line: dict[str, Any]) -> None:
    """Print a line, and wait until all of it is written."""
    os.set_blocking(1, True)
    data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


class Recorder:
    """The running prober."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.services = [LoadService(*fields) for fields in settings["services"]]
        raise_file_limit(settings, len(self.services))
        self.poll = select.epoll()
        self.handlers: Handlers = {0: self._commands}
        answers = preflight.try_all(self.services)
        self.load = Load(self.poll, self.handlers, self.services)
        self.pool = ConnectionPool(self.poll, self.handlers, self.services, settings["connections"])
        self.heard: list[Any] = []
        self.notes: list[str] = []
        self._open_capture_sockets()
        self.input = b""
        self.output = b""
        self.over = False
        self.stopping = float("inf")
        self.wall = 0.0
        self.ready = {
            "answers": [service.exchange is not None for service in self.services],
            "persistent": [service.persistent for service in self.services],
            "said": answers,
            "notes": self.notes,
        }

    def _open_capture_sockets(self) -> None:
        """Capture packets on the interfaces to the services."""
        interfaces: set[str] = set()
        for address in dict.fromkeys(service.target[0] for service in self.services):
            route = netlink.route(address)
            if not route.interface or route.own or route.gateway or route.interface in interfaces:
                if route.gateway:
                    reason = f"{address} is reached through the gateway {route.gateway}"
                    self.notes.append(f"adverts and address claims are not seen: {reason}")
                continue
            try:
                capture = CaptureSocket(route.interface, route.device)
            except OSError as error:
                denied = isinstance(error, PermissionError)
                reason = queries.NO_RAW_SOCKETS if denied else str(error)
                self.notes.append(f"adverts and address claims are not seen: {reason}")
                continue
            interfaces.add(route.interface)
            self.handlers[capture.sock.fileno()] = functools.partial(self._receive, capture)
            self.poll.register(capture.sock, select.EPOLLIN)

    def _receive(self, capture: CaptureSocket) -> None:
        self.heard.extend(capture.receive())

    def run(self) -> None:
        """Run until the command `stop`, the end of the input, or the time limit."""
        gc.disable()  # there are few reference cycles, and a collection would delay requests
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        except OSError:
            self.notes.append(
                "the prober could not raise its priority: its own delays are in the figures"
            )
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self.poll.register(0, select.EPOLLIN)
        begin = time.monotonic() + START_DELAY
        self.wall_offset = time.time() - time.monotonic()
        self.load.schedule(begin, self.settings["cadence"], self.settings["patience"])
        self.pool.schedule(begin)
        self.limit = begin + self.settings["limit"]
        self._print({"ready": self.ready, "begin": begin})
        self._loop(begin)

    def _loop(self, begin: float) -> None:
        flush = begin
        while not self.over:
            now = time.monotonic()
            self._work(now)
            if now >= flush:
                self._flush(now, False)
                flush = now + FLUSH_INTERVAL
            due = [flush]
            if self.stopping == float("inf"):
                due += [self.load.next_due(), self.pool.next_due()]
            wait = min(due) - time.monotonic()
            if wait > 0:  # select waits to the microsecond, epoll.poll only to the millisecond
                select.select([self.poll], [], [], wait)
            for fd, _ in self.poll.poll(0):
                handler = self.handlers.get(fd)
                if handler is not None:  # else an earlier handler of this round has closed it
                    handler()

    def _work(self, now: float) -> None:
        self.load.expire(now)
        if self.stopping == float("inf"):
            self.load.turn(now)
            self.pool.turn(now)
            if now >= self.limit:
                self._print({"error": "its time limit came"})
                self.over = True
        elif now >= self.stopping or not (self.load.unanswered() or self.pool.awaited()):
            self.pool.give_up()
            self._flush(now, True)
            os.set_blocking(1, True)
            self._write()
            self.over = True

    def _commands(self) -> None:
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return
        if not data:
            self.over = True
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            if line.startswith(b"ping "):
                self._print({"pong": int(line[5:]), "at": time.monotonic()})
            elif line == b"stop" and self.stopping == float("inf"):
                now = time.monotonic()
                self.stopping = now + self.settings["patience"]
                self.pool.ask_all(now)

    def _flush(self, now: float, end: bool) -> None:
        """Print the records since the last line."""
        wall = time.time() - time.monotonic() - self.wall_offset
        self.wall = max(self.wall, wall, key=abs)
        requests, self.load.finished = self.load.finished, []
        changes, self.pool.changes = self.pool.changes, []
        heard = queries.lines(self.heard)
        self.heard.clear()
        self._print(
            {
                "at": now,
                "started": self.load.started,
                "requests": requests,
                "connections": changes,
                "heard": heard,
                "alive": self.pool.alive,
                "wall": round(self.wall, 6),
                "late": round(self.load.late, 6),
                "end": end,
            }
        )

    def _print(self, line: dict[str, Any]) -> None:
        self.output += json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._write()
        if len(self.output) > MAX_BACKLOG_BYTES:
            self.over = True

    def _write(self) -> None:
        """Write as much as the pipe accepts. The next line writes the remaining output."""
        while self.output:
            try:
                self.output = self.output[os.write(1, self.output) :]
            except BlockingIOError:
                return


def raise_file_limit(settings: dict[str, Any], services: int) -> None:
    """Allow as many open files as an outage needs. Raises OSError if the system refuses that."""
    requests = int(services * settings["patience"] / settings["cadence"])
    files = requests + settings["connections"] + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= files:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(hard, files)))
    except (OSError, ValueError):
        raise OSError(
            f"only {hard} open files are allowed there, {files} may be needed: "
            "raise `ulimit -n`, or probe less often"
        ) from None
