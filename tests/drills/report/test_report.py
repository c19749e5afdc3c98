"""The three files of `--report DIR`: all users may read them, and they are always complete."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from provision.core.errors import HactlError
from provision.drills.report import write
from tests.drills.report.build import drill, drills


def test_a_report_has_three_files_that_all_users_may_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        written = write(drills(drill()), tmp_path / "new" / "folder")
    finally:
        os.umask(before)
    assert [path.name for path in written] == ["report.json", "junit.xml", "report.html"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(written)
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


def test_the_json_has_the_commands_document_the_inventory_and_the_hosts(tmp_path: Path) -> None:
    run = drills(drill())
    document = json.loads(write(run, tmp_path)[0].read_text())
    assert document["drills"] == run.json()["drills"]
    assert document["digest"] == run.digest
    assert document["versions"]["lvs1"]["keepalived"] == "2.2.7"
    assert document["topology"]["web1"] == {"is": "real server", "address": "192.168.227.103"}


def test_an_earlier_report_is_replaced_in_one_step(tmp_path: Path) -> None:
    first = write(drills(drill()), tmp_path)[0]
    reader = first.open()
    write(drills(drill(ok=False)), tmp_path)
    with reader:
        assert json.load(reader)["ok"] is True, "a reader of the old file gets all of it"
    assert json.loads(first.read_text())["ok"] is False


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HactlError, match="the report cannot be written"):
        write(drills(drill()), tmp_path / "file" / "below")
