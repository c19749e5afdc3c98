"""Kafka's keys and the values that their types allow."""

from __future__ import annotations

import pytest

from provision.checks.lint.kafka_files.keys import closest_key, complaint, known


def test_keys_belong_to_brokers_or_clients() -> None:
    """Brokers and clients share few keys."""
    assert known("server")["num.io.threads"] == "INT"
    assert known("client")["sasl.jaas.config"] == "PASSWORD"
    assert "num.io.threads" not in known("client")


@pytest.mark.parametrize(
    ("type_", "text", "message"),
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
def test_values_must_fit_their_type(type_: str, text: str, message: str) -> None:
    """The message is ConfigDef's."""
    assert complaint(type_, text) == message


def test_a_misspelt_key_has_a_closest_key() -> None:
    """A plug-in's key is similar to none."""
    assert closest_key("server", "advertised.listner") == "advertised.listeners"
    assert closest_key("server", "my.company.reporter") == ""
