"""A deploy's secrets: every command of both ends is traced, and all output is searched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hosts.conftest import Net

pytestmark = pytest.mark.ssh

HACTL = str(Path(sys.executable).parent / "hactl")
PASSWORD = "right horse"  # noqa: S105 (of the user `asked` of these hosts)
SECRET = "Tr0ub4dor & three"  # noqa: S105
CONF = "/etc/hactl-security/app.conf"

INVENTORY = """
all:
  vars:
    ansible_user: asked
    ansible_become: true
    ansible_become_password: !env SUDO
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: >-
      -F none -o IdentitiesOnly=yes -o UserKnownHostsFile={known}
      -o "ProxyCommand=nsenter --net={net} nc %h %p"
    app_password: !env APP
    frontends:
      - {{name: web, vips: [10.77.9.1], directors: directors, vrrp: {{virtual_router_id: 10}},
         services: [{{port: 80, real_servers: web, check: {{type: tcp}}}}]}}
  children:
    directors: {{hosts: {{lvs1: {{ansible_host: 10.77.9.2}}, lvs2: {{ansible_host: 10.77.9.3}}}}}}
    web: {{hosts: {{web1: {{ansible_host: 10.77.9.4}}}}}}
    apps: {{hosts: {{app1: {{ansible_host: 10.77.0.2, hactl_roles: [{role}]}}}}}}
"""
ROLES = {
    "app": "grep -q password %s",
    "picky": "sed -n -e p -e 2q1 %s",  # a parser that quotes what it does not like
}


class Desk:
    """An operator with an inventory whose secrets are in the environment."""

    def __init__(self, folder: Path, net: Net) -> None:
        self.folder = folder
        self.inventory = folder / "site.yml"
        self.trace = folder / "controller.trace"
        self._values = {
            "key": str(net.key),
            "known": str(net.near.known_hosts(folder / "known")),
            "net": net.client.path,
        }
        for role, parser in ROLES.items():
            templates = folder / "roles" / role / "templates"
            templates.mkdir(parents=True)
            (templates / "app.conf.j2").write_text("user app\npassword {{ app_password }}\n")
            entry = {"path": CONF, "template": "app.conf.j2", "mode": "0640", "validate": parser}
            (templates.parent / "meta").mkdir()
            options = {"app_password": {"type": "str", "required": True}}
            specs = {
                "argument_specs": {
                    "main": {"short_description": "Of the tests.", "options": options}
                }
            }
            (templates.parent / "meta/argument_specs.yml").write_text(json.dumps(specs))
            (templates.parent / "manifest.yml").write_text(json.dumps({"files": [entry]}))

    def run(self, role: str, *words: str) -> subprocess.CompletedProcess[str]:
        self.inventory.write_text(INVENTORY.format(role=role, **self._values))
        tracer = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-A",
            "-s",
            "65536",
            "-e",
            "trace=execve,execveat",
            "-o",
            str(self.trace),
        ]
        env = {**os.environ, "SUDO": PASSWORD, "APP": SECRET, "NO_COLOR": "1"}
        return subprocess.run(
            [*tracer, HACTL, *words, str(self.inventory)],
            env=env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def traced(pid: int, trace: Path) -> Iterator[None]:
    """Trace the commands of `pid` and its children, with all arguments and environments."""
    words = [
        "-f",
        "-qq",
        "-v",
        "-s",
        "65536",
        "-e",
        "trace=execve,execveat",
        "-o",
        str(trace),
        "-p",
        str(pid),
    ]
    process = subprocess.Popen(["strace", *words], stderr=subprocess.PIPE)
    end = time.monotonic() + 10
    while f"TracerPid:\t{process.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
        assert process.poll() is None and time.monotonic() < end, "strace does not begin"
        time.sleep(0.02)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


@pytest.fixture
def desk(net: Net, tmp_path: Path) -> Iterator[Desk]:
    yield Desk(tmp_path, net)
    for path in (CONF, "/var/log/hactl.log"):
        net.near.path(path).unlink(missing_ok=True)


def holding(root: Path, secret: str, since: float) -> list[str]:
    """Return the files with a secret that were written since. Compressed files are not read."""
    words = [
        "find",
        "etc",
        "var",
        "run",
        "tmp",
        "root",
        "home",
        "-xdev",
        "-newermt",
        f"@{since}",
        "-type",
        "f",
    ]
    searched = subprocess.run(
        [*words, "-exec", "grep", "-laF", "--", secret, "{}", "+"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return searched.stdout.split()


def test_secrets_are_in_no_argument_no_environment_no_output_and_no_other_file(
    net: Net,
    desk: Desk,
    tmp_path: Path,
) -> None:
    began, trace = time.time() - 1, tmp_path / "host.trace"
    runs = {}
    with traced(net.near.process.pid, trace):
        runs["plan"] = desk.run("app", "plan", "--limit", "app1")
        runs["render"] = desk.run("app", "render", "--host", "app1")
        runs["refused"] = desk.run("picky", "deploy", "--yes", "--json", "--limit", "app1")
        runs["deploy"] = desk.run("app", "deploy", "--yes", "--limit", "app1")
        runs["history"] = desk.run("app", "history", "--host", "app1", "--json", "--diff", "1")
        runs["list"] = desk.run("app", "inventory", "--list")
    codes = {name: (run.returncode, run.stderr[-400:]) for name, run in runs.items()}
    assert [code for code, _ in codes.values()] == [2, 0, 3, 0, 0, 0], codes
    for run in runs.values():
        assert SECRET not in run.stdout + run.stderr and PASSWORD not in run.stdout + run.stderr
    assert "password" in runs["refused"].stdout, "the parser's words are shown, without the secret"

    assert net.near.path(CONF).read_text() == f"user app\npassword {SECRET}\n"
    both = {"host": trace.read_text(), "controller": desk.trace.read_text()}
    for name, text in both.items():
        assert SECRET not in text and PASSWORD not in text, name
    assert both["host"].count("execve") > 100 and "sudo" in both["host"] and CONF in both["host"]
    assert "nsenter" in both["controller"]
    assert holding(net.near.path("/"), SECRET, began) == [CONF.lstrip("/")]
    assert holding(net.near.path("/"), PASSWORD, began) == []


def test_a_secret_in_an_argument_or_an_environment_would_be_seen(
    net: Net,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "host.trace"
    with traced(net.near.process.pid, trace):
        target = net.target(net.near.known_hosts(tmp_path / "known"))
        with net.connect(target) as session:
            channel = session.run_agent(
                "true in-argument; IN=in-environment /bin/true; /bin/true in-argument; echo ok"
            )
            assert channel.read_line() == b"ok\n"
    assert "in-argument" in trace.read_text() and "in-environment" in trace.read_text()


def test_a_process_that_holds_secrets_leaves_no_core_file() -> None:
    """RLIMIT_CORE is 0 in the process. systemd-coredump and apport obey it, too (core(5))."""
    code = (
        "import resource, sys; from provision.commands.main import main\n"
        "sys.argv = ['hactl', '--help']\n"
        "try: main()\nexcept SystemExit: print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    done = subprocess.run(
        ["sh", "-c", 'ulimit -S -c unlimited; exec "$@"', "sh", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0"
