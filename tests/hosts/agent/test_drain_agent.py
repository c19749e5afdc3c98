"""The drain agent under several shells: its files, its refusals, and other agents' view of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.deploy.drain import DrainRequest, carry_out
from provision.desired.items import DesiredHost
from provision.hosts.agent import program
from provision.hosts.agent.look import look
from provision.hosts.agent.observe import observe
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

STATES = "MainPID=0\\nId=keepalived.service\\nActiveState=active\\nUnitFileState=enabled\\n"
SYSTEMCTL = f"#!/bin/sh\nprintf '{STATES}'\n"
WHEN = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def order(verb: str, kind: str, host: str, who: str = "ops@desk") -> DrainRequest:
    return DrainRequest(verb, kind, host, who, "3f2a")


@pytest.fixture
def director(host: LocalHost) -> LocalHost:
    host.write("var/lib/hactl/drain/README", "what this is\n")
    host.write("var/lib/hactl/drain/web1", "0\n")
    host.write("var/lib/hactl/handover/README", "what this is\n")
    host.write("var/lib/hactl/handover/web", "0\n")
    host.write("var/lib/hactl/handover/db", "0\n")
    (host.root / "var/lib/hactl/generations/7").mkdir(parents=True)
    return host


def test_a_real_server_is_drained_and_given_back(director: LocalHost) -> None:
    carry_out(director, order("drain", "server", "web2"))
    assert re.fullmatch(
        rf"-2147483647 ops@desk {WHEN}\n", director.read("var/lib/hactl/drain/web2")
    )
    carry_out(director, order("undrain", "server", "web2"))
    assert director.read("var/lib/hactl/drain/web2") == "0\n"
    assert sorted(path.name for path in (director.root / "var/lib/hactl/drain").iterdir()) == [
        "README",
        "web1",
        "web2",
    ]


def test_who_drained_it_first_stays_on_record(director: LocalHost) -> None:
    carry_out(director, order("drain", "server", "web2"))
    before = director.read("var/lib/hactl/drain/web2")
    carry_out(director, order("drain", "server", "web2", "somebody@else"))
    assert director.read("var/lib/hactl/drain/web2") == before


def test_a_director_is_last_in_line_for_all_its_front_ends(director: LocalHost) -> None:
    carry_out(director, order("drain", "director", "lvs1"))
    assert {director.read(f"var/lib/hactl/handover/{name}") for name in ("web", "db")} == {"-253\n"}
    assert re.fullmatch(rf"ops@desk {WHEN}\n", director.read("var/lib/hactl/drained"))
    assert director.read("var/lib/hactl/handover/README") == "what this is\n"
    carry_out(director, order("undrain", "director", "lvs1"))
    assert {director.read(f"var/lib/hactl/handover/{name}") for name in ("web", "db")} == {"0\n"}
    assert not director.exists("var/lib/hactl/drained")


def test_both_are_in_the_hosts_log_with_its_generation(director: LocalHost) -> None:
    carry_out(director, order("drain", "server", "web2"))
    carry_out(director, order("undrain", "server", "web2"))
    first, second = director.read("var/log/hactl.log").splitlines()
    assert re.fullmatch(
        rf"{WHEN} ops@desk inventory=3f2a generation=7 changes=- outcome=drained server=web2", first
    )
    assert second.endswith("outcome=undrained server=web2")


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", ""])
def test_no_name_leads_out_of_the_folder(director: LocalHost, name: str) -> None:
    before = director.snapshot()
    with pytest.raises(HostError, match="no host's name"):
        carry_out(director, order("drain", "server", name))
    assert director.snapshot() == before


def test_a_director_that_was_never_deployed_says_so(host: LocalHost) -> None:
    for kind in ("server", "director"):
        with pytest.raises(HostError, match="deploy first"):
            carry_out(host, order("drain", kind, "web2"))


def test_a_folder_that_cannot_be_written_is_said_and_leaves_nothing(director: LocalHost) -> None:
    director.command("mktemp", "#!/bin/sh\nexit 1\n")
    if director.shell == "busybox":
        (director.root / "applets/mktemp").unlink()
    with pytest.raises(HostError, match="cannot write /var/lib/hactl/drain/web2"):
        carry_out(director, order("drain", "server", "web2"))
    assert not director.exists("var/lib/hactl/drain/web2")


def test_whoever_looks_sees_it(director: LocalHost) -> None:
    director.command("systemctl", SYSTEMCTL)
    director.command("ss", "#!/bin/sh\n")
    carry_out(director, order("drain", "server", "web2"))
    carry_out(director, order("drain", "director", "lvs1"))
    live = look(director)
    assert list(live.drained) == ["web2"] and re.fullmatch(
        rf"ops@desk, {WHEN}", live.drained["web2"]
    )
    assert live.drained_by.startswith("ops@desk, ")
    _, observed = observe(director, lambda _: DesiredHost("lvs1"))
    assert observed.drained == {**live.drained, ".": live.drained_by}
    carry_out(director, order("undrain", "server", "web2"))
    carry_out(director, order("undrain", "director", "lvs1"))
    assert (look(director).drained, look(director).drained_by) == ({}, "")


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    parts = "shell=sh disable=SC2034,SC2086,SC2154"
    (tmp_path / "agent.sh").write_text(program("drain").replace(parts, "shell=sh disable=SC2086"))
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "install shellcheck"
    shown = subprocess.run(
        [shellcheck, str(tmp_path / "agent.sh")], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout) == (0, "")
