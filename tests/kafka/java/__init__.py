"""What Java, Kafka and ZooKeeper make of files, to compare ours with: this machine's JDK, jars from Maven Central."""

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
    """What Java made of an input: the fields that Readings.java prints, or its message."""

    fields: tuple[str, ...] = ()
    error: str = ""


@cache
def _classes() -> str:
    """The class path of Readings, which is compiled once for all tests."""
    jars, folder = f"{collect(VERSION, CACHE, print)}/*", tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    subprocess.run(
        ["javac", "-cp", jars, "-d", folder, str(FOLDER / "Readings.java")], timeout=60, check=True
    )
    return f"{folder}:{jars}"


def readings(inputs: Sequence[tuple[str, bytes]]) -> list[Reading]:
    """The reading of each (kind, input), in one run of Java."""
    lines = "".join(f"{kind} {base64.b64encode(data).decode()}\n" for kind, data in inputs)
    # It shall start fast rather than run fast.
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", _classes(), "Readings"]
    done = subprocess.run(
        command, input=lines, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [_reading(line.split(" ")[:-1]) for line in done.stdout.splitlines()]
    assert len(found) == len(inputs)
    return found


def _reading(words: Sequence[str]) -> Reading:
    first, *fields = (_text(base64.b64decode(word)) for word in words)
    return Reading(error=fields[0]) if first == "error" else Reading(tuple(fields))


def _text(data: bytes) -> str:
    units = re.sub(r"\\u(....)", lambda found: chr(int(found[1], 16)), data.decode("ascii"))
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
