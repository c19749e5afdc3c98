"""The command line: find the command's module, run it, and turn its result into an exit code.

A command's module is imported when the command runs: no command waits for the imports of another.
"""

from __future__ import annotations

import gc
import resource
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command

from provision import __version__
from provision.commands import summaries
from provision.core.errors import Exit, HactlError, plain
from provision.core.terminal import RED, Screen

if TYPE_CHECKING:
    from types import FrameType

SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class CommandGroup(TyperGroup):
    """Commands, each in the module of its name: `hactl lab up` is `provision/commands/lab_up.py`.

    Each module has a function `command`, and may have `CONTEXT_SETTINGS`. `summaries` are the first
    lines of the commands' docstrings: help imports no command's module.
    """

    words: ClassVar[str] = ""
    summaries: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands and groups, in the order in which help lists them."""
        return [*self.summaries, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, its module imported; None where no command has the name."""
        if cmd_name not in self.summaries:
            return super().get_command(ctx, cmd_name)
        name = f"{self.words}{cmd_name}".replace("-", "_").replace(" ", "_")
        module = import_module(f"provision.commands.{name}")
        app = typer.Typer(add_completion=False, **SETTINGS | {"no_args_is_help": False})
        app.command(cmd_name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(
            module.command
        )
        return get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # Click passes it
        """Write the list of commands and import no command."""
        groups = [(name, self.commands[name].get_short_help_str(80)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl([*self.summaries.items(), *groups])


class HactlCommands(CommandGroup):
    """`hactl COMMAND`."""

    summaries = summaries.HACTL


class LabCommands(CommandGroup):
    """`hactl lab COMMAND`."""

    words = "lab "
    summaries = summaries.LAB


class KafkaCommands(CommandGroup):
    """`hactl kafka COMMAND`."""

    words = "kafka "
    summaries = summaries.KAFKA


class RetentionCommands(CommandGroup):
    """`hactl kafka retention COMMAND`."""

    words = "kafka retention "
    summaries = summaries.RETENTION


app = typer.Typer(cls=HactlCommands, **SETTINGS)
lab_app = typer.Typer(
    cls=LabCommands,
    help="Run the inventory's hosts in an isolated lab on this machine.",
    **SETTINGS,
)
kafka_app = typer.Typer(
    cls=KafkaCommands, help="Manage the Kafka cluster behind the front end.", **SETTINGS
)
retention_app = typer.Typer(
    cls=RetentionCommands,
    help="Show how long records are kept and how much disk they need.",
    **SETTINGS,
)
kafka_app.add_typer(retention_app, name="retention")
app.add_typer(lab_app, name="lab")
app.add_typer(kafka_app, name="kafka")


def _print_version(show: bool) -> None:
    if show:
        typer.echo(f"hactl {__version__}")
        raise typer.Exit


@app.callback()
def hactl(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Provision and test a high-availability front end.

    LVS and Keepalived balance the load of web and Kafka nodes.
    """


_UsageException: type[Exception] = typer.BadParameter.__mro__[2]
"""Click's base class of usage errors; newer versions of Typer hide it in a copy of Click."""


def main() -> None:
    """Run the command line; only this function turns errors into text and an exit code."""
    # Imported objects stay: to collect after every 700 of them wastes a seventh of the time.
    gc.set_threshold(100_000)
    # No core file: the memory holds passwords. The hard limit stays for hactl's children.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _end_as_interrupted()
    try:
        code = app(standalone_mode=False)
        if code == Exit.INTERRUPTED and not isinstance(code, Exit):
            # A bare 130 is Typer's own; a command that returns Exit.INTERRUPTED printed a message.
            _print_error("interrupted")
        sys.exit(code if isinstance(code, int) else Exit.OK)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _print_error("interrupted")
        sys.exit(Exit.INTERRUPTED)
    except _UsageException as error:
        error.show()  # type: ignore[attr-defined]  # prints the usage line and the error
        sys.exit(Exit.USAGE)
    except HactlError as error:
        _print_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stdout = None  # the reader closed the pipe: there is nothing to flush
        sys.exit(Exit.OK)
    finally:
        gc.freeze()  # without it, the interpreter collects all objects at exit, which takes 0.1 s


def _end_as_interrupted() -> None:
    """Treat SIGTERM and a closed terminal as Ctrl-C, so that clean-ups run; obey `nohup`."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)


def _print_error(text: str) -> None:
    """Print an error on standard error, in red on a terminal."""
    Screen(sys.stderr).show([(plain(text), RED)])
