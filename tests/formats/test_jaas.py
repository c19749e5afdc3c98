"""Login modules in JAAS files and in `sasl.jaas.config`: Java's messages, and safe writers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HactlError
from provision.formats import jaas, jaas_file, jaas_property
from provision.formats.jaas import DIGEST, SCRAM, LoginModule
from provision.formats.text import of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
OPTIONS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=4)


def read(value: str) -> jaas_property.Reading:
    """Read a property's value."""
    return jaas_property.read(of(value, "f"))


def options(module: jaas.JaasModule) -> dict[str, str]:
    """The options of a module, by name."""
    return {option.key: option.value for option in module.options}


@given(OPTIONS)
def test_a_written_property_is_read(written: dict[str, str]) -> None:
    """With any options, the value is one line, and reading returns the options."""
    value = jaas.property_value(LoginModule(SCRAM, written))
    assert "\n" not in value
    reading = read(value)
    assert not reading.refusals
    assert options(reading.modules[0]) == written


@given(OPTIONS.filter(lambda written: not any("${" in value for value in written.values())))
def test_a_written_file_is_read(written: dict[str, str]) -> None:
    """Reading a file with two contexts returns the options."""
    reading = jaas_file.read(
        jaas.write(
            {"KafkaServer": LoginModule(SCRAM, written), "Client": LoginModule(DIGEST, written)}
        ),
        "f",
    )
    assert not reading.refusals
    for name, module in (("KafkaServer", SCRAM), ("Client", DIGEST)):
        context = reading.context(name)
        assert context
        assert (context.modules[0].name, options(context.modules[0])) == (module, written)


def test_a_file_cannot_hold_text_that_java_would_expand() -> None:
    """`${…}` has no escape in a JAAS file; in the property it is plain text."""
    with pytest.raises(HactlError, match="Java would expand"):
        jaas.write({"Client": LoginModule(DIGEST, {"password": "a${home}"})})
    assert "a${home}" in jaas.property_value(LoginModule(SCRAM, {"password": "a${home}"}))


@pytest.mark.parametrize("name", ["", "a b", "a;", "1a"])
def test_the_name_of_a_class_is_checked(name: str) -> None:
    """A class name cannot be quoted."""
    with pytest.raises(HactlError, match="is not a name"):
        jaas.property_value(LoginModule(name, {}))


def test_reading_continues_after_a_glued_flag() -> None:
    """The options are known although Kafka refuses the value."""
    reading = read(f'{SCRAM} requiredusername="a" password="b";')
    assert [refusal.cause for refusal in reading.refusals] == ["flag-glued"]
    assert options(reading.modules[0]) == {"username": "a", "password": "b"}


def test_no_blank_is_needed_between_options() -> None:
    """A closing quote ends a value."""
    assert options(read('a.B required username="a"password="b";').modules[0]) == {
        "username": "a",
        "password": "b",
    }


def test_a_piece_of_a_password_is_not_shown() -> None:
    """Kafka's message quotes it; the message for the operator does not."""
    refusal = read(f'{SCRAM} required password="ab"cd"ef";').refusals[0]
    assert refusal.message == "Value not specified for key 'cd' in JAAS config"
    assert refusal.shown == "Value not specified for key '********' in JAAS config"


def test_reading_continues_in_the_next_context() -> None:
    """One missing semicolon does not hide the other contexts."""
    reading = jaas_file.read(b'A { a.B required u="v" };\nC { d.E required; };', "f")
    assert [context.name for context in reading.contexts] == ["A", "C"]
    assert [str(refusal.position) for refusal in reading.refusals] == ["f:1:24"]
