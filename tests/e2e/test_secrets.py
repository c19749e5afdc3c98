"""A VRRP password reaches keepalived.conf and no other place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import model
from tests.e2e.conftest import NAME
from tests.e2e.site import Env, Site

SECRET = "s3c;r e!"  # noqa: S105  (8 characters at most: keepalived.conf(5))
CONF = "/etc/keepalived/keepalived.conf"

WATCH = """
cat >/dev/shm/pattern <<'END'
{secret}
END
(
    while [ -e /dev/shm/pattern ]; do
        cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aFf /dev/shm/pattern && touch /root/seen
        touch /root/watched
        sleep 0.2
    done
) </dev/null >/dev/null 2>&1 &
"""
"""Watches the arguments of every process until the pattern file is deleted.

The pattern comes from standard input, so that the watcher does not see itself.
"""


@contextmanager
def watched_arguments() -> Iterator[list[str]]:
    """The command lines on this machine that had the secret while the block ran."""
    lines: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = entry.read_bytes()
                except OSError:
                    continue
                if SECRET.encode() in line:
                    lines.append(line.decode())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join()


def test_only_keepalived_sees_the_password(site: Site) -> None:
    changed = model.base(NAME)
    model.frontend(changed)["vrrp"].update(version=2, advert_int=1, auth_pass=Env("E2E_VRRP_PASS"))
    site.write(changed)
    env = {"E2E_VRRP_PASS": SECRET}
    site.ssh("lvs1", "rm -f /root/seen /root/watched")
    site.ssh("lvs1", WATCH.format(secret=SECRET))
    with watched_arguments() as argument_lines:
        planned = site.hactl("plan", env=env)
        deployed = site.hactl("deploy", "--yes", "--json", env=env)
        rendered = site.hactl("render", env=env)
    site.ssh("lvs1", "rm /dev/shm/pattern")
    assert planned.code == 2, planned
    assert deployed.code == 0, deployed
    for run in (planned, deployed, rendered):
        assert SECRET not in f"{run.out}{run.err}"
    assert "auth_pass" in rendered.out
    assert argument_lines == []
    assert site.ssh("lvs1", "ls /root/seen /root/watched 2>/dev/null || :") == "/root/watched"
    for host in ("lvs1", "lvs2"):
        assert site.ssh(host, f"stat -c '%a %U:%G' {CONF}") == "640 root:root"
        script = (
            f"grep -c auth_pass {CONF}; journalctl -q | grep -cF -f - <<'END' || :\n{SECRET}\nEND"
        )
        assert site.ssh(host, script).split() == ["1", "0"]
        folders = "/etc /var/lib /var/log /run/hactl /tmp"
        files = f"grep -rlF -f - {folders} 2>/dev/null <<'END' || :\n{SECRET}\nEND"
        assert site.ssh(host, files) in (CONF, "")
    site.assert_in_step(env=env)
    site.write(model.base(NAME))
    site.deploy()
