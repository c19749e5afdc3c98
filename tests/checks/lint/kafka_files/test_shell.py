"""Scripts: commands with their options, wherever a shell would see them."""

from __future__ import annotations

from provision.checks.lint.kafka_files import shell
from provision.checks.lint.kafka_files.shell import Command


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a script."""
    return shell.read(text.encode(), "s.sh").commands


def test_options_are_found_in_both_forms() -> None:
    """Quotes are taken off, each occurrence counts."""
    (command,) = commands("bin/kafka-topics.sh --topic 'a b' --topic=c --create\n")
    assert command.tool == "kafka-topics"
    assert command.values("--topic") == ("a b", "c")
    assert command.has("--create")


def test_a_continued_line_is_one_command_at_its_first_line() -> None:
    """A backslash at the end."""
    found = commands("# x\n\nkafka-acls.sh --add \\\n  --group g\nnext\n")
    assert [(command.name, command.position.line) for command in found] == [
        ("kafka-acls.sh", 3),
        ("next", 5),
    ]
    assert found[0].values("--group") == ("g",)


def test_several_commands_on_a_line() -> None:
    """Separated as a shell has it; what stands before a command is not it."""
    found = commands(
        'if [ "x$A" = x ]; then export A="b c"; fi; sudo nohup ./kafka-server-start.sh f > out &\n'
    )
    assert [command.name for command in found] == ["[", "", "fi", "kafka-server-start.sh"]
    assert found[1].assigned == (("A", "b c"),)


def test_assignments_before_a_command_belong_to_it() -> None:
    """`KAFKA_OPTS=… tool`."""
    (command,) = commands("KAFKA_OPTS=-Dx=y kafka-console-consumer.sh --topic t")
    assert command.assigned == (("KAFKA_OPTS", "-Dx=y"),)
    assert command.tool == "kafka-console-consumer"


def test_a_quote_that_stays_open_is_no_end() -> None:
    """A message of several lines; comments are left out."""
    found = commands("echo 'first\nsecond'\nkafka-topics.sh --list # not 'this\n")
    assert found[-1].words == ("--list",)
