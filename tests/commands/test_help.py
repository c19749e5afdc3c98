"""Every command has its module and its line in `--help`, and every help fits into 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provision import commands
from provision.commands import main, summaries

GROUPS: Mapping[str, Mapping[str, str]] = {
    "": summaries.HACTL,
    "lab": summaries.LAB,
    "kafka": summaries.KAFKA,
    "kafka retention": summaries.RETENTION,
}
COMMANDS = [f"{group} {name}".strip() for group, names in GROUPS.items() for name in names]
PAGES = ["", *(group for group in GROUPS if group), *COMMANDS]


def module_name(command: str) -> str:
    """The name of a command's module, by the words of the command."""
    return command.replace(" ", "_").replace("-", "_")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_listed_command_has_a_module_whose_function_begins_with_the_listed_summary(
    command: str,
) -> None:
    module = import_module(f"provision.commands.{module_name(command)}")
    assert callable(module.command)
    assert module.command.__module__ == module.__name__
    group, _, name = command.rpartition(" ")
    assert (module.command.__doc__ or "").splitlines()[0] == GROUPS[group][name]


def test_every_module_with_a_command_is_listed() -> None:
    folder = Path(str(commands.__file__)).parent
    names = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    modules = {name: import_module(f"provision.commands.{name}") for name in names}
    with_command = {name for name, module in modules.items() if hasattr(module, "command")}
    assert with_command == {module_name(command) for command in COMMANDS}


@pytest.mark.parametrize("command", PAGES, ids=lambda command: f"hactl {command}".strip())
def test_no_line_of_help_is_over_80_columns(command: str) -> None:
    wide_terminal = {"COLUMNS": "200"}
    done = CliRunner().invoke(main.app, [*command.split(), "--help"], env=wide_terminal)
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output
    assert [line for line in done.output.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_lists_its_commands_with_their_summaries(group: str) -> None:
    output = CliRunner().invoke(main.app, [*group.split(), "--help"]).output
    listed = [" ".join(line.split()) for line in output.splitlines()]
    assert [
        name for name, summary in GROUPS[group].items() if f"{name} {summary}" not in listed
    ] == []
