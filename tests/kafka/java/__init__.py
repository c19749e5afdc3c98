"""Readings of files by Java, Kafka and ZooKeeper, with this machine's JDK and Maven's jars."""

from __future__ import annotations

import atexit
import base64
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provision.desired.kafka_distribution import collect
from tests.kafka.cluster import CACHE

FOLDER = Path(__file__).parent
VERSION = "3.9.1"


@dataclass(frozen=True)
class Reading:
    """Java's reading of an input: the fields that Readings.java prints, or its error."""

    fields: tuple[str, ...] = ()
    error: str = ""


@cache
def _classes() -> str:
    """Compile Readings once for all tests, and return the class path."""
    jars, folder = f"{collect(VERSION, CACHE, print)}/*", tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    subprocess.run(
        ["javac", "-cp", jars, "-d", folder, str(FOLDER / "Readings.java")], timeout=60, check=True
    )
    return f"{folder}:{jars}"


def readings(inputs: Sequence[tuple[str, bytes]]) -> list[Reading]:
    """Return the readings of all (kind, input) pairs, in one run of Java."""
    lines = "".join(f"{kind} {base64.b64encode(data).decode()}\n" for kind, data in inputs)
    # The options make Java start fast rather than run fast.
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", _classes(), "Readings"]
    result = subprocess.run(
        command, input=lines, text=True, capture_output=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    parsed = [_reading(line.split(" ")[:-1]) for line in result.stdout.splitlines()]
    assert len(parsed) == len(inputs)
    return parsed


def _reading(words: Sequence[str]) -> Reading:
    first, *fields = (_text(base64.b64decode(word)) for word in words)
    return Reading(error=fields[0]) if first == "error" else Reading(tuple(fields))


def _text(data: bytes) -> str:
    units = re.sub(r"\\u(....)", lambda parsed: chr(int(parsed[1], 16)), data.decode("ascii"))
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
