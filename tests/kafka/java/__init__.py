"""What Java, Kafka and ZooKeeper make of files, to compare ours with: this machine's JDK, jars from Maven Central."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
CACHE = Path.home() / ".cache" / "hactl" / "jars"
MAVEN = "https://repo1.maven.org/maven2"


def jars() -> list[Path]:
    """The jars of `jars.sha256`, from the cache, else from Maven Central."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lines = (FOLDER / "jars.sha256").read_text().splitlines()
    return [_jar(path, digest) for digest, path in (line.split() for line in lines)]


def _jar(path: str, digest: str) -> Path:
    jar = CACHE / Path(path).name
    if not jar.exists():
        with urllib.request.urlopen(f"{MAVEN}/{path}", timeout=60) as answer:
            content = answer.read()
        with tempfile.NamedTemporaryFile(dir=CACHE, delete=False) as partial:
            partial.write(content)
        Path(partial.name).rename(jar)
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == digest, f"{jar} is not what it was"
    return jar


@dataclass(frozen=True)
class Reading:
    """What Java made of an input: the fields that Readings.java prints, or its message."""

    fields: tuple[str, ...] = ()
    error: str = ""


def readings(inputs: Sequence[tuple[str, bytes]]) -> list[Reading]:
    """The reading of each (kind, input), in one run of Java."""
    lines = "".join(f"{kind} {base64.b64encode(data).decode()}\n" for kind, data in inputs)
    command = ["java", "-cp", ":".join(map(str, jars())), str(FOLDER / "Readings.java")]
    done = subprocess.run(command, input=lines, text=True, capture_output=True, timeout=60, check=False)
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
