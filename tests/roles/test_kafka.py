"""The scripts of roles kafka and kafka_check, with real tar, curl and sh, in a scratch folder."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import REPOSITORY

ROLES = REPOSITORY / "roles"
SHELLS = [shell for shell in (["dash"], ["busybox", "sh"]) if shutil.which(shell[0])]


class Host:
    """A scratch folder with the script; `id` and `install` are fakes, other commands are real."""

    def __init__(self, folder: Path, shell: list[str]) -> None:
        self.folder, self.shell = folder, shell
        tools = folder / "tools"
        tools.mkdir()
        for name, body in {
            "id": "exit 0",
            "install": 'for last; do :; done; mkdir -p "$last"',
        }.items():
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        text = (ROLES / "kafka" / "templates" / "kafka-setup.sh.j2").read_text()
        text = text.replace("/etc/kafka/setup", f"{folder}/setup").replace(
            "PATH=", f"PATH={tools}:"
        )
        (folder / "kafka-setup").write_text(text)

    def run(self, *lines: str) -> tuple[int, str]:
        """The script's exit code and errors for these lines."""
        (self.folder / "setup").write_text("# a comment\n" + "".join(f"{line}\n" for line in lines))
        argv = [*self.shell, str(self.folder / "kafka-setup")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stderr


@pytest.fixture(params=SHELLS, ids=lambda shell: str(shell[0]))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def archive(path: Path, content: bytes = b"jar") -> str:
    """Write an archive with Kafka's layout; returns its SHA-512."""
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("kafka_2.13-9.9.9/libs/kafka_2.13-9.9.9.jar")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return hashlib.sha512(path.read_bytes()).hexdigest()


def test_an_archive_is_unpacked_once(host: Host, tmp_path: Path) -> None:
    digest = archive(tmp_path / "kafka.tgz")
    line = f"archive {tmp_path}/opt/9.9.9 {digest} {tmp_path}/kafka.tgz"
    assert host.run(f"data {tmp_path}/data", line) == (0, "")
    assert (tmp_path / "opt/9.9.9/libs/kafka_2.13-9.9.9.jar").read_bytes() == b"jar"
    assert (tmp_path / "data").is_dir()
    (tmp_path / "kafka.tgz").unlink()
    assert host.run(line) == (0, ""), "the archive is unpacked already"


def test_a_new_digest_replaces_the_archive(host: Host, tmp_path: Path) -> None:
    old = archive(tmp_path / "kafka.tgz")
    assert host.run(f"archive {tmp_path}/opt/9.9.9 {old} {tmp_path}/kafka.tgz")[0] == 0
    new = archive(tmp_path / "kafka.tgz", b"another")
    assert host.run(f"archive {tmp_path}/opt/9.9.9 {new} {tmp_path}/kafka.tgz")[0] == 0
    assert (tmp_path / "opt/9.9.9/libs/kafka_2.13-9.9.9.jar").read_bytes() == b"another"


def test_an_archive_with_a_wrong_digest_replaces_nothing(host: Host, tmp_path: Path) -> None:
    digest = archive(tmp_path / "kafka.tgz")
    assert host.run(f"archive {tmp_path}/opt/9.9.9 {digest} {tmp_path}/kafka.tgz")[0] == 0
    code, errors = host.run(f"archive {tmp_path}/opt/9.9.9 {'0' * 128} {tmp_path}/kafka.tgz")
    assert code == 1
    problem = "is not what the inventory says: its SHA-512 differs"
    assert errors == f"kafka-setup: {tmp_path}/kafka.tgz {problem}\n"
    assert (tmp_path / "opt/9.9.9/libs/kafka_2.13-9.9.9.jar").read_bytes() == b"jar"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of an HTTP server for the folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_archive_is_fetched(host: Host, tmp_path: Path, url: str) -> None:
    digest = archive(tmp_path / "kafka.tgz")
    assert host.run(f"archive {tmp_path}/opt/9.9.9 {digest} {url}/kafka.tgz") == (0, "")
    assert (tmp_path / "opt/9.9.9/libs").is_dir()
    code, errors = host.run(f"archive {tmp_path}/opt/9.9.8 {digest} {url}/missing.tgz")
    assert code == 1
    assert f"kafka-setup: cannot fetch {url}/missing.tgz" in errors


def test_a_folder_without_jars_is_reported(host: Host, tmp_path: Path) -> None:
    assert host.run(f"jars {tmp_path}") == (
        1,
        f"kafka-setup: there are no jars of Kafka in {tmp_path}\n",
    )
    (tmp_path / "kafka_2.13-9.9.9.jar").touch()
    assert host.run(f"jars {tmp_path}") == (0, "")


@pytest.mark.parametrize(
    ("result", "code"),
    [("99999999999 ready\n", 0), ("1 ready\n", 1), ("99999999999 no\n", 1), ("", 1), (None, 1)],
)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_a_result_is_valid_until_its_end(
    result: str | None, code: int, shell: list[str], tmp_path: Path
) -> None:
    text = (ROLES / "kafka_check" / "templates" / "kafka-check.sh.j2").read_text()
    (tmp_path / "kafka-check").write_text(text.replace("/run/kafka-ready", str(tmp_path)))
    if result is not None:
        (tmp_path / "kafka1").write_text(result)
    argv = [*shell, str(tmp_path / "kafka-check"), "kafka1"]
    assert subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode == code
