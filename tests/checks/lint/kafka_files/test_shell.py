"""Scripts: commands and their options, split as a shell splits them."""

from __future__ import annotations

from provision.checks.lint.kafka_files import shell
from provision.checks.lint.kafka_files.shell import Command


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a script."""
    return shell.read(text.encode(), "s.sh").commands


def test_options_have_two_forms() -> None:
    """Quotes are removed; every occurrence counts."""
    (command,) = commands("bin/kafka-topics.sh --topic 'a b' --topic=c --create\n")
    assert command.tool == "kafka-topics"
    assert command.values("--topic") == ("a b", "c")
    assert command.has("--create")


def test_a_continued_line_is_one_command_at_its_first_line() -> None:
    """A backslash at its end continues a line."""
    script = commands("# x\n\nkafka-acls.sh --add \\\n  --group g\nnext\n")
    assert [(command.name, command.position.line) for command in script] == [
        ("kafka-acls.sh", 3),
        ("next", 5),
    ]
    assert script[0].values("--group") == ("g",)


def test_several_commands_on_a_line() -> None:
    """Words such as `sudo` before a command do not count as the command."""
    script = commands(
        'if [ "x$A" = x ]; then export A="b c"; fi; sudo nohup ./kafka-server-start.sh f > out &\n'
    )
    assert [command.name for command in script] == ["[", "", "fi", "kafka-server-start.sh"]
    assert script[1].assigned == (("A", "b c"),)


def test_assignments_before_a_command_belong_to_it() -> None:
    """`KAFKA_OPTS=… tool`."""
    (command,) = commands("KAFKA_OPTS=-Dx=y kafka-console-consumer.sh --topic t")
    assert command.assigned == (("KAFKA_OPTS", "-Dx=y"),)
    assert command.tool == "kafka-console-consumer"


def test_an_open_quote_does_not_end_the_script() -> None:
    """The quoted message has several lines. Comments do not count."""
    script = commands("echo 'first\nsecond'\nkafka-topics.sh --list # not 'this\n")
    assert script[-1].words == ("--list",)
