"""Kafka's keys: their types decide what a value may be."""

from __future__ import annotations

import pytest

from provision.checks.lint.kafka_files.keys import closest_key, complaint, known


def test_keys_have_an_owner() -> None:
    """Brokers and clients share few of them."""
    assert known("server")["num.io.threads"] == "INT"
    assert known("client")["sasl.jaas.config"] == "PASSWORD"
    assert "num.io.threads" not in known("client")


@pytest.mark.parametrize(
    ("type_", "text", "said"),
    [
        ("INT", "2147483647", ""),
        ("INT", "2147483648", "Not a number of type INT"),
        ("LONG", "2147483648", ""),
        ("INT", "1 000", "Not a number of type INT"),
        ("SHORT", "-32768", ""),
        ("DOUBLE", "0.5", ""),
        ("DOUBLE", "half", "Not a number of type DOUBLE"),
        ("BOOLEAN", "TRUE", ""),
        ("BOOLEAN", "yes", "Expected value to be either true or false"),
        ("STRING", "anything", ""),
    ],
)
def test_values_are_held_to_their_type(type_: str, text: str, said: str) -> None:
    """In ConfigDef's own words."""
    assert complaint(type_, text) == said


def test_a_misspelt_key_has_one_that_is_meant() -> None:
    """A plug-in's key has none."""
    assert closest_key("server", "advertised.listner") == "advertised.listeners"
    assert closest_key("server", "my.company.reporter") == ""
