"""Kafka's jars for the lab: downloaded once from Maven Central, and verified by digest.

Maven downloads them, with a site's mirrors, proxies and credentials (settings.xml). Every file is
compared with its digest in `jars/VERSION.sha256` before the jars are used.
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

MAVEN_TIMEOUT = 600
"""Seconds; a first download of 56 MB took 11 s."""

_LOGGING = {True: "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3", False: ""}
"""The logging binding that Kafka 4 needs besides its dependencies (True); 3.9 includes one."""


def versions() -> tuple[str, ...]:
    """The versions of Kafka whose digests are known."""
    names = (path.name for path in resources.files("provision.desired").joinpath("jars").iterdir())
    return tuple(sorted(name.removesuffix(".sha256") for name in names if name.endswith(".sha256")))


def collect(version: str, folder: Path, report: Callable[[str], None]) -> Path:
    """The folder `folder/VERSION` with all jars of that version; downloads them if it is missing.

    Raises:
        LabError: the version is unknown, Maven is missing, cannot download or is too slow, or a jar
            has another digest than the known one.
    """
    target = folder / version
    if target.is_dir():
        return target
    digests = _digests(version)
    folder.mkdir(parents=True, exist_ok=True)
    report(f"collecting Kafka {version} from Maven Central, once")
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{version}.") as work:
        jars = Path(work) / "jars"
        _run_maven(version, Path(work), jars)
        _verify(jars, digests)
        jars.chmod(0o755)
        try:
            jars.rename(target)
        except OSError:
            if not target.is_dir():  # another run was faster
                raise
    return target


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
    """Let Maven copy the runtime classpath of broker and tools; `-C` rejects wrong checksums."""
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
            argv, cwd=work, capture_output=True, text=True, timeout=MAVEN_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"Maven took longer than {MAVEN_TIMEOUT} s for Kafka's jars",
            "check the way from this machine to Maven Central, then run the command again",
        ) from None
    if done.returncode:
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise LabError(
            "Maven cannot collect Kafka's jars:\n" + "\n".join(errors[:3]),
            "fix the causes that Maven names, then run the command again",
        )


def _pom(version: str) -> str:
    artifacts = [f"org.apache.kafka:{name}:{version}" for name in ("kafka_2.13", "kafka-tools")]
    artifacts += filter(None, [_LOGGING[version >= "4"]])
    dependencies = "".join(map(_dependency, artifacts))
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>hactl</groupId><artifactId>kafka</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>\n"
    )


def _dependency(artifact: str) -> str:
    group, name, version = artifact.split(":")
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
    )


def _verify(jars: Path, digests: Mapping[str, str]) -> None:
    actual = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in jars.glob("*.jar")
    }
    wrong = sorted(name for name in {*actual, *digests} if actual.get(name) != digests.get(name))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        hint = "a mirror or proxy changes files, or ~/.m2/repository is damaged"
        raise LabError(f"jars from Maven have wrong digests: {', '.join(wrong[:3])}{more}", hint)
    for path in jars.iterdir():
        path.chmod(0o644)
