"""`hactl kafka lint` as a user runs it: exit codes and output formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.checks.lint.kafka_files.test_source import EXPECTED, SOURCE

HACTL = Path(sys.executable).parent / "hactl"
FILES = sorted(map(str, SOURCE.iterdir()))


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    command = [str(HACTL), "kafka", "lint", *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=60, check=False)


def test_errors_end_in_3() -> None:
    """Every finding has a line; the counts are last."""
    result = lint(*FILES)
    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (3, "")
    assert len(lines) == 1 + sum(line.startswith(("error: ", "warning: ")) for line in lines)
    assert lines[-1].endswith(f"{len(lines) - 1} findings.")


def test_warnings_alone_end_in_0(tmp_path: Path) -> None:
    """It still prints them."""
    file = tmp_path / "server.properties"
    file.write_text("broker.id=1\nlog.dirs=/tmp/kafka\n")
    result = lint(str(file))
    assert result.returncode == 0
    assert result.stdout.startswith(f"warning: {file}:2:1: data-in-tmp: ")


def test_json_and_sarif_hold_the_same_findings() -> None:
    """Both have every rule of the guide's files."""
    document = json.loads(lint("--format", "json", *FILES).stdout)
    (run,) = json.loads(lint("--format", "sarif", *FILES).stdout)["runs"]
    assert document["ok"] is False
    assert {finding["rule"] for finding in document["findings"]} == set(EXPECTED)
    assert [item["ruleId"] for item in run["results"]] == [
        finding["rule"] for finding in document["findings"]
    ]


def test_a_missing_file_is_wrong_usage() -> None:
    """The message is a sentence, not a traceback."""
    result = lint("/nonexistent")
    assert (result.returncode, result.stderr) == (
        64,
        "kafka lint: /nonexistent: No such file or directory\n",
    )
