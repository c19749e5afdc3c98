"""scripts/docs renews the output in documents, and fails rather than empty a block."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "docs"
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("**/*.md")])


def run(*documents: Path) -> subprocess.CompletedProcess[str]:
    """Run scripts/docs."""
    return subprocess.run(
        [sys.executable, SCRIPT, *documents], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


def test_the_output_of_each_command_is_replaced_and_all_other_text_stays(document: Path) -> None:
    document.write_text(
        "# Page\n\n```console\n$ echo new\nold\n$ true\n$ echo error >&2\n```\n\n```sh\necho\n```\n"
    )
    done = run(document)
    assert (done.returncode, done.stderr) == (0, "")
    assert document.read_text() == (
        "# Page\n\n```console\n$ echo new\nnew\n$ true\n$ echo error >&2\nerror\n```\n\n"
        "```sh\necho\n```\n"
    )


@pytest.mark.parametrize("block", ["", "the output of a command that is missing\n"])
def test_a_block_without_a_command_is_an_error_and_no_document_changes(
    document: Path, block: str
) -> None:
    other = document.with_name("other.md")
    other.write_text("```console\n$ echo new\nold\n```\n")
    document.write_text(f"# Page\n\n```console\n{block}```\n")
    before = document.read_text()
    done = run(other, document)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{document}:3:1: console-without-command: ")
    assert document.read_text() == before
    assert other.read_text() == "```console\n$ echo new\nold\n```\n"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_console_block_of_the_documents_begins_with_a_command(path: Path) -> None:
    lines = path.read_text().splitlines()
    openings = [number for number, line in enumerate(lines) if line == "```console"]
    assert [number + 1 for number in openings if not lines[number + 1].startswith("$ ")] == []
