"""The files of `--report DIR`: three, readable by all, never half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from provision.core.errors import HactlError
from provision.drills.report import write
from tests.drills.report.build import drill, drills


def test_three_files_of_ordinary_mode_and_nothing_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        written = write(drills(drill()), tmp_path / "new" / "folder")
    finally:
        os.umask(before)
    assert [path.name for path in written] == ["report.json", "junit.xml", "report.html"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(written)
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


def test_the_json_is_that_of_the_command_and_what_it_ran_against(tmp_path: Path) -> None:
    run = drills(drill())
    found = json.loads(write(run, tmp_path)[0].read_text())
    assert found["drills"] == run.json()["drills"]
    assert found["digest"] == run.digest
    assert found["versions"]["lvs1"]["keepalived"] == "2.2.7"
    assert found["topology"]["web1"] == {"is": "real server", "address": "192.168.227.103"}


def test_an_older_report_is_replaced(tmp_path: Path) -> None:
    first = write(drills(drill()), tmp_path)[0]
    reader = first.open()
    write(drills(drill(ok=False)), tmp_path)
    with reader:
        assert json.load(reader)["ok"] is True, "who reads the old one gets all of it"
    assert json.loads(first.read_text())["ok"] is False


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HactlError, match="the report cannot be written"):
        write(drills(drill()), tmp_path / "file" / "below")
