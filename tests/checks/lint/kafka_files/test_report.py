"""`hactl kafka lint` as a user runs it: exit codes and forms."""

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
    command = [HACTL, "kafka", "lint", *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=60, check=False)


def test_errors_end_in_3() -> None:
    """One line a finding, the counts last."""
    done = lint(*FILES)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (3, "")
    assert len(lines) == 1 + sum(line.startswith(("error: ", "warning: ")) for line in lines)
    assert lines[-1].endswith(f"{len(lines) - 1} findings.")


def test_warnings_alone_end_in_0(tmp_path: Path) -> None:
    """They are printed all the same."""
    file = tmp_path / "server.properties"
    file.write_text("broker.id=1\nlog.dirs=/tmp/kafka\n")
    done = lint(str(file))
    assert done.returncode == 0
    assert done.stdout.startswith(f"warning: {file}:2:1: data-in-tmp: ")


def test_json_and_sarif_hold_the_same_findings() -> None:
    """Every rule of the published files, in both."""
    found = json.loads(lint("--format", "json", *FILES).stdout)
    (run,) = json.loads(lint("--format", "sarif", *FILES).stdout)["runs"]
    assert found["ok"] is False
    assert {finding["rule"] for finding in found["findings"]} == set(EXPECTED)
    assert [result["ruleId"] for result in run["results"]] == [
        finding["rule"] for finding in found["findings"]
    ]


def test_a_missing_file_is_wrong_usage() -> None:
    """No traceback."""
    done = lint("/nonexistent")
    assert (done.returncode, done.stderr) == (
        64,
        "kafka lint: /nonexistent: No such file or directory\n",
    )
