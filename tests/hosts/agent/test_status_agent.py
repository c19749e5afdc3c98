"""The further sections of the agents of status and doctor, under several shells."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.checks.status.build import parse_host_log
from provision.checks.status.model import GenerationStatus
from provision.hosts.agent import program
from provision.hosts.agent.look import look_with
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

JOURNALCTL = r"""#!/bin/sh
case $* in
*Keepalived_healthcheckers*)
    echo '5.0 h Keepalived_healthcheckers[7]: TCP connection to [10.0.0.3]:tcp:80 success.' ;;
*)
    echo '4.0 h Keepalived_vrrp[8]: (VI_web) Entering MASTER STATE'
    echo '6.0 h Keepalived_vrrp[8]: Printing VRRP as json for process(8) on signal' ;;
esac
"""

SYSTEMCTL = r"""#!/bin/sh
case $1 in
is-active) echo active; echo inactive ;;
*) printf 'MainPID=1\nId=keepalived.service\nActiveState=active\nUnitFileState=enabled\n' ;;
esac
"""


@pytest.fixture
def tools(host: LocalHost) -> LocalHost:
    host.command("journalctl", JOURNALCTL)
    host.command("systemctl", SYSTEMCTL)
    host.command("nft", "#!/bin/sh\necho 'table inet x {'\necho '    ip protocol 112 drop'\n")
    host.command("ss", "#!/bin/sh\n")
    return host


def test_status_recalls_the_newest_generation_hand_overs_and_the_checks(tools: LocalHost) -> None:
    for number, operator in ((9, "old"), (10, "ops@desk"), (2, "older")):
        folder = tools.root / f"var/lib/hactl/generations/{number}"
        folder.mkdir(parents=True)
        about = {
            "format": 1,
            "number": number,
            "who": operator,
            "when": "2026-11-22",
            "digest": "3f",
        }
        (folder / "about.gz").write_bytes(gzip.compress(json.dumps(about).encode()))
    tools.write("var/lib/hactl/handover/web", "100\n")
    tools.write("var/lib/hactl/handover/db", "0\n")
    tools.write("var/lib/hactl/handover/README", "what this is\n")
    live, sections = look_with(tools, "status")
    log = parse_host_log(sections)
    assert log.generation == GenerationStatus(10, "ops@desk", "2026-11-22", "3f")
    assert log.handover == {"web": 100}
    assert [(key, word.well) for key, word in log.health.items()] == [("[10.0.0.3]:tcp:80", True)]
    assert live.units["keepalived.service"].active == "active"
    assert tools.execs == 1


def test_status_of_a_host_that_recalls_nothing(host: LocalHost) -> None:
    host.command("systemctl", SYSTEMCTL.replace("MainPID=1", "MainPID=0"))
    log = parse_host_log(look_with(host, "status")[1])
    assert (log.generation, log.handover, log.health) == (None, {}, {})


def test_doctor_traces_filters_and_the_log_without_our_own_questions(tools: LocalHost) -> None:
    tools.write("etc/keepalived/keepalived.conf", "global_defs {\n    vrrp_strict\n}\n")
    _, sections = look_with(tools, "doctor")
    assert sections["filters"] == ["table inet x {", "    ip protocol 112 drop"]
    assert sections["log"] == ["4.0 h Keepalived_vrrp[8]: (VI_web) Entering MASTER STATE"]
    assert sections["managers"] == ["active", "inactive"]
    assert sections["strict"] == ["2:    vrrp_strict"]
    assert "end" in sections and sections["ipvs_module"] == []


def test_doctor_traces_disks_without_room_that_can_be_written(tools: LocalHost) -> None:
    full = f"tmpfs 100 100 0 100% {tools.write('a disk/file', '').parent}"
    others = ("tmpfs 100 90 10 90% /", "devpts 0 0 0 - /dev/pts", "cdrom 100 100 0 100% /nowhere")
    shown = "\n".join(("Filesystem 1024-blocks Used", full, *others))
    tools.command("df", f"#!/bin/sh\ncat <<'E'\n{shown}\nE\n")
    assert look_with(tools, "doctor")[1]["full_disks"] == [full]


@pytest.mark.parametrize("name", ["status", "doctor"])
def test_shellcheck_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    parts = "shell=sh disable=SC2034,SC2086,SC2154"
    (tmp_path / "agent.sh").write_text(program(name).replace(parts, "shell=sh disable=SC2086"))
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "install shellcheck"
    shown = subprocess.run(
        [shellcheck, str(tmp_path / "agent.sh")], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout) == (0, "")
