"""Kafka's jars for the lab: collected from Maven Central once, kept in a cache, checked against known digests.

Maven does the fetching, so that a site's mirrors, proxies and credentials (settings.xml) hold here, too. What it
brought is compared with the digests in `jars/VERSION.sha256`, file by file, before it counts.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from provision.core.errors import LabError

SECONDS = 600
"""Longest time that Maven may take; a first collection took 11 s and brings 56 MB."""

_LOGGING = {True: "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3", False: ""}
"""What Kafka 4 needs besides its own dependencies to write a log; 3.9 has its own."""


def versions() -> tuple[str, ...]:
    """The versions of Kafka whose digests are known."""
    known = resources.files("provision.desired").joinpath("jars").iterdir()
    return tuple(
        sorted(each.name.removesuffix(".sha256") for each in known if each.name.endswith(".sha256"))
    )


def collect(version: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The folder `folder/VERSION` with all jars of that version, filled first if it is not there.

    Raises:
        LabError: an unknown version, no Maven, no way to Maven Central, a jar that is not what it should be.
    """
    place = folder / version
    if place.is_dir():
        return place
    digests = _digests(version)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"collecting Kafka {version} from Maven Central, once")
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{version}.") as work:
        jars = Path(work) / "jars"
        _run_maven(version, Path(work), jars)
        _check(jars, digests)
        jars.chmod(0o755)
        try:
            jars.rename(place)
        except OSError:
            if not place.is_dir():  # another run was quicker
                raise
    return place


def _digests(version: str) -> Mapping[str, str]:
    if version not in versions():
        known = ", ".join(versions())
        hint = (
            f"use one of them, or set `distribution: {{archive: …, sha512: …}}` for Kafka {version}"
        )
        raise LabError(f"the lab knows the digests of Kafka {known} only", hint)
    text = resources.files("provision.desired").joinpath("jars", f"{version}.sha256").read_text()
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def _run_maven(version: str, work: Path, jars: Path) -> None:
    """Have Maven copy the runtime classpath of broker and tools; `-C` makes it refuse what its checksums do not fit."""
    if not shutil.which("mvn"):
        raise LabError(
            "the lab needs mvn to collect Kafka's jars",
            "apt-get install --no-install-recommends maven",
        )
    (work / "pom.xml").write_text(_pom(version))
    argv = ["mvn", "-q", "-B", "-C", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    argv += [f"-DoutputDirectory={jars}"]
    try:
        done = subprocess.run(
            argv, cwd=work, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"Maven took longer than {SECONDS} s for Kafka's jars", "is Maven Central in reach?"
        ) from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise LabError(
            "Maven cannot collect Kafka's jars:\n" + "\n".join(said[:3]),
            "mend what it names, run it again",
        )


def _pom(version: str) -> str:
    wanted = [f"org.apache.kafka:kafka_2.13:{version}", f"org.apache.kafka:kafka-tools:{version}"]
    wanted += filter(None, [_LOGGING[version >= "4"]])
    tags = ("groupId", "artifactId", "version")
    made = "".join(
        f"<dependency>{''.join(f'<{tag}>{part}</{tag}>' for tag, part in zip(tags, each.split(':'), strict=True))}"
        "</dependency>"
        for each in wanted
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>hactl</groupId><artifactId>kafka</artifactId>"
        f"<version>1</version><dependencies>{made}</dependencies></project>\n"
    )


def _check(jars: Path, digests: Mapping[str, str]) -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in jars.glob("*.jar")
    }
    wrong = sorted(name for name in {*found, *digests} if found.get(name) != digests.get(name))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        hint = "a mirror or proxy changes what it passes on, or ~/.m2/repository is damaged"
        raise LabError(
            f"Maven brought other jars than it should: {', '.join(wrong[:3])}{more}", hint
        )
    for path in jars.iterdir():
        path.chmod(0o644)
