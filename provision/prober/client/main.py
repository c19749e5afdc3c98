"""The program: a loop over one epoll, commands on standard input, a line of JSON each tenth of a second at most.

Commands: `ping N` is answered at once with the time; `stop` begins the end. The end of the input ends it: nobody is
left to read.
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

FLUSH = 0.05
"""Seconds between two lines of records."""

BACKLOG = 1 << 24
"""Bytes that may wait for a controller that does not read, before it counts as dead."""

HEAD_START = 0.1
"""Seconds before the first request, so that the loop is running when it is due."""


def main(settings: dict[str, Any]) -> None:
    """Do one of the tasks, `ask`, `gate` or `load`; what goes wrong is said in a line of JSON."""
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
    """Print a line, waiting until all of it is out."""
    os.set_blocking(1, True)
    data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


class Recorder:
    """The running prober."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.services = [LoadService(*each) for each in settings["services"]]
        enough_files(settings, len(self.services))
        self.poll = select.epoll()
        self.handlers: Handlers = {0: self._commands}
        said = preflight.try_all(self.services)
        self.load = Load(self.poll, self.handlers, self.services)
        self.crowd = ConnectionPool(
            self.poll, self.handlers, self.services, settings["connections"]
        )
        self.heard: list[Any] = []
        self.notes: list[str] = []
        self.wires = self._wires()
        self.input = b""
        self.output = b""
        self.over = False
        self.stopping = float("inf")
        self.wall = 0.0
        self.ready = {
            "answers": [service.talk is not None for service in self.services],
            "persistent": [service.persistent for service in self.services],
            "said": said,
            "notes": self.notes,
        }

    def _wires(self) -> list[CaptureSocket]:
        """The interfaces to the services, listened on."""
        wires: dict[str, CaptureSocket] = {}
        for address in dict.fromkeys(service.target[0] for service in self.services):
            route = netlink.route(address)
            if not route.interface or route.own or route.gateway or route.interface in wires:
                if route.gateway:
                    how = f"{address} is reached through the gateway {route.gateway}"
                    self.notes.append(f"adverts and address claims are not seen: {how}")
                continue
            try:
                wire = wires[route.interface] = CaptureSocket(route.interface, route.device)
            except OSError as error:
                why = queries.NO_RAW_SOCKETS if isinstance(error, PermissionError) else str(error)
                self.notes.append(f"adverts and address claims are not seen: {why}")
                continue
            self.handlers[wire.sock.fileno()] = functools.partial(self._hear, wire)
            self.poll.register(wire.sock, select.EPOLLIN)
        return list(wires.values())

    def _hear(self, wire: CaptureSocket) -> None:
        self.heard.extend(wire.receive())

    def run(self) -> None:
        """Ask, listen and tell until told to stop, until nobody listens, or until the time limit."""
        gc.disable()  # nothing here is cyclic for long; a collection would delay requests
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        except OSError:
            self.notes.append(
                "the prober could not raise its priority: its own delays are in the figures"
            )
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self.poll.register(0, select.EPOLLIN)
        begin = time.monotonic() + HEAD_START
        self.wall_offset = time.time() - time.monotonic()
        self.load.schedule(begin, self.settings["cadence"], self.settings["patience"])
        self.crowd.schedule(begin)
        self.limit = begin + self.settings["limit"]
        self._tell({"ready": self.ready, "begin": begin})
        self._loop(begin)

    def _loop(self, begin: float) -> None:
        flush = begin
        while not self.over:
            now = time.monotonic()
            self._work(now)
            if now >= flush:
                self._flush(now, False)
                flush = now + FLUSH
            due = [flush]
            if self.stopping == float("inf"):
                due += [self.load.next_due(), self.crowd.next_due()]
            wait = min(due) - time.monotonic()
            if wait > 0:  # select waits for microseconds, epoll.poll for whole milliseconds
                select.select([self.poll], [], [], wait)
            for fd, _ in self.poll.poll(0):
                handler = self.handlers.get(fd)
                if handler is not None:  # else closed by a handler before it in this round
                    handler()

    def _work(self, now: float) -> None:
        self.load.expire(now)
        if self.stopping == float("inf"):
            self.load.turn(now)
            self.crowd.turn(now)
            if now >= self.limit:
                self._tell({"error": "its time limit came"})
                self.over = True
        elif now >= self.stopping or not (self.load.unanswered() or self.crowd.awaited()):
            self.crowd.give_up()
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
                self._tell({"pong": int(line[5:]), "at": time.monotonic()})
            elif line == b"stop" and self.stopping == float("inf"):
                now = time.monotonic()
                self.stopping = now + self.settings["patience"]
                self.crowd.ask_all(now)

    def _flush(self, now: float, end: bool) -> None:
        """Tell what was recorded since the last time."""
        wall = time.time() - time.monotonic() - self.wall_offset
        self.wall = max(self.wall, wall, key=abs)
        requests, self.load.finished = self.load.finished, []
        changes, self.crowd.changes = self.crowd.changes, []
        heard = queries.lines(self.heard)
        self.heard.clear()
        self._tell(
            {
                "at": now,
                "started": self.load.started,
                "requests": requests,
                "connections": changes,
                "heard": heard,
                "alive": self.crowd.alive,
                "wall": round(self.wall, 6),
                "late": round(self.load.late, 6),
                "end": end,
            }
        )

    def _tell(self, line: dict[str, Any]) -> None:
        self.output += json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._write()
        if len(self.output) > BACKLOG:
            self.over = True

    def _write(self) -> None:
        """Write as much as the pipe takes; the rest goes with the next line."""
        while self.output:
            try:
                self.output = self.output[os.write(1, self.output) :]
            except BlockingIOError:
                return


def enough_files(settings: dict[str, Any], services: int) -> None:
    """Make room for all requests of an outage. Raises OSError where the system does not let us."""
    wanted = (
        int(services * settings["patience"] / settings["cadence"]) + settings["connections"] + 100
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (OSError, ValueError):
        raise OSError(
            f"only {hard} open files are allowed there, {wanted} may be needed: raise `ulimit -n`, or probe less often"
        ) from None
