"""bench/phases.py measures the steps of `hactl plan`; here its hosts refuse the login."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import REPOSITORY

BENCH = REPOSITORY / "bench"


def test_the_measured_steps_get_as_far_as_the_login(tmp_path: Path) -> None:
    text = (BENCH / "bench.yml").read_text()
    login = "ansible_ssh_common_args: -F /run/hactl/lab/bench/ssh_config"
    assert login in text
    closed_port = text.replace(login, "ansible_port: 9").replace("192.168.232.11", "127.0.0.")
    (tmp_path / "bench.yml").write_text(closed_port)
    done = subprocess.run(
        [sys.executable, BENCH / "phases.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for number in (1, 2, 3, 4):
        refused = f"web{number}: cannot connect to 127.0.0.{number} port 9: Connection refused"
        assert refused in done.stderr, done.stderr
