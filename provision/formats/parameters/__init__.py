"""The properties of brokers and topics: name, type and valid values, by version of Kafka.

Kafka 3.9.1 and 4.1.0 printed the tables: `java -cp 'libs/*' kafka.server.KafkaConfig`, and for
topics `org.apache.kafka.storage.internals.log.LogConfig`. The columns are separated by tabs: name,
type and, if Kafka names them, valid values as `LOW..HIGH` or as choices separated by `|`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_LIMITS = {"int": 2**31 - 1, "long": 2**63 - 1, "short": 2**15 - 1}


@dataclass(frozen=True)
class Definition:
    """A property; types are boolean, class, double, int, list, long, short, string and password."""

    name: str
    type: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def complaint(self, value: str | int | float | bool) -> str:
        """The mistake in a value, as the end of a sentence ("must be …"); empty if it is valid."""
        text = str(value).strip()
        if self.type == "boolean":
            return "" if text.lower() in ("true", "false") else "must be true or false"
        if self.type in _LIMITS or self.type == "double":
            return self._number(text)
        if isinstance(value, bool):
            return "must be text, not true or false"
        parts = [part.strip() for part in text.split(",")] if self.type == "list" else [text]
        if self.choices and any(part not in self.choices for part in parts):
            return f"must be one of {', '.join(self.choices)}"
        return ""

    def _number(self, text: str) -> str:
        try:
            number = float(text) if self.type == "double" else int(text)
        except ValueError:
            return "must be a number" if self.type == "double" else "must be a whole number"
        bits = _LIMITS.get(self.type)
        low = self.low if self.low is not None else -bits - 1 if bits else None
        high = self.high if self.high is not None else bits
        if low is not None and number < low:
            return f"must be at least {low:.15g}"
        return f"must be at most {high:.15g}" if high is not None and number > high else ""


def broker(version: tuple[int, ...]) -> Mapping[str, Definition]:
    """The properties of a broker of this version of Kafka, by name."""
    return _table("broker-4.1.tsv" if version >= (4,) else "broker-3.9.tsv")


def topic(version: tuple[int, ...]) -> Mapping[str, Definition]:
    """The parameters of a topic in this version of Kafka, by name."""
    return _table("topic-4.1.tsv" if version >= (4,) else "topic-3.9.tsv")


@cache
def _table(name: str) -> Mapping[str, Definition]:
    lines = resources.files(__name__).joinpath(name).read_text().splitlines()
    definitions = (_definition(*line.split("\t")) for line in lines)
    return {definition.name: definition for definition in definitions}


def _definition(name: str, kind: str, valid: str = "") -> Definition:
    if ".." not in valid:
        return Definition(name, kind, choices=tuple(valid.split("|")) if valid else ())
    low, _, high = valid.partition("..")
    return Definition(name, kind, float(low) if low else None, float(high) if high else None)
