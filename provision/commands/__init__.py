"""The command line: parse, call, map the outcome to an exit code. No logic, and nothing heavy imported up front."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import typer

from provision.commands.cli_kafka import kafka_app
from provision.commands.cli_lab import lab_app
from provision.commands.cli_site import app
from provision.core.errors import Exit, HactlError, plain

if TYPE_CHECKING:
    from types import FrameType

app.add_typer(lab_app, name="lab")
app.add_typer(kafka_app, name="kafka")

#: Typer carries its own copy of Click from some version on and names only the leaves of its exceptions.
_BadUsage: type[Exception] = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; the one place where errors become text and an exit code."""
    # Imports make objects that stay: to collect after every 700 costs a seventh of the time and finds nothing.
    gc.set_threshold(100_000)
    # Passwords are in memory: none shall be left in a core file. The hard limit stays for what is started from here.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _end_as_interrupted()
    try:
        code = app(standalone_mode=False)
        if code == Exit.INTERRUPTED and not isinstance(code, Exit):
            _say("interrupted")  # Typer makes a bare 130 of KeyboardInterrupt; a command that returns it has said more
        sys.exit(code if isinstance(code, int) else Exit.OK)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(Exit.INTERRUPTED)
    except _BadUsage as error:
        error.show()  # type: ignore[attr-defined]  # prints the usage line and what is wrong
        sys.exit(Exit.USAGE)
    except HactlError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stdout = None  # the reader went away; nothing is left to flush
        sys.exit(Exit.OK)
    finally:
        gc.freeze()  # at exit the interpreter collects what is not frozen: 0.1 s for memory that goes anyway


def _end_as_interrupted() -> None:
    """Take SIGTERM and a closed terminal for Ctrl-C, so that what is open is undone; `nohup` stays in force."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)


def _say(text: str) -> None:
    text = plain(text)
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"\x1b[31m{text}\x1b[0m\n" if red else f"{text}\n")
