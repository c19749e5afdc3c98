"""After every failure the operator reads the reason and the fix, and all hosts are as before."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import model
from tests.e2e.conftest import NAME
from tests.e2e.site import Env, Run, Site, Terminal, difference
from tests.waiting import wait_until

Snapshot = dict[str, list[str]]

PASSWORD = "it's a $(pass) word"  # noqa: S105  (an account of this test)
ADD_USER = f"""
export DEBIAN_FRONTEND=noninteractive
command -v sudo >/dev/null || apt-get -qq -y install sudo >/dev/null
id ops >/dev/null 2>&1 || useradd -m -s /bin/bash ops
mkdir -p /home/ops/.ssh && cp /root/.ssh/authorized_keys /home/ops/.ssh/
chown -R ops: /home/ops/.ssh
chpasswd <<'END'
ops:{PASSWORD}
END
"""


@pytest.fixture(scope="module")
def snapshots() -> list[Snapshot]:
    """The latest snapshot, kept from test to test: no test may change anything."""
    return []


@pytest.fixture(autouse=True)
def _no_host_changes(site: Site, snapshots: list[Snapshot]) -> Iterator[None]:
    if not snapshots:
        site.ssh("web1", ADD_USER)
        snapshots.append(site.snapshot())
    yield
    before, snapshots[:] = snapshots[0], [site.snapshot()]
    changed = difference(before, snapshots[0])
    assert not changed, changed


def refused(site: Site, code: int, *patterns: str, env: dict[str, str] | None = None) -> Run:
    """A deploy that must end with this exit code and match these patterns."""
    done = site.hactl("deploy", "--yes", env=env)
    assert done.code == code, done
    output = f"{done.out.split('Plan: ')[-1]}\n{done.err}"
    for pattern in patterns:
        assert re.search(pattern, output), f"{pattern!r} is not in: {done}"
    return done


def assert_nothing_was_changed(done: Run) -> None:
    """The output says that nothing was changed."""
    assert re.search("[Nn]othing was changed|Nothing changed", f"{done.out}\n{done.err}"), done


def test_a_host_without_sshd(site: Site) -> None:
    site.write(model.busy(model.base(NAME)))
    site.ssh("web2", "systemctl stop ssh.service ssh.socket 2>/dev/null")
    try:
        done = refused(site, 4, "web2: no SSH server answers at 192.168.227.104 port 22")
        json = site.hactl("deploy", "--yes", "--json")
    finally:
        site.ssh("web2", "systemctl start ssh")
    assert_nothing_was_changed(done)
    assert json.code == 4
    assert json.json["ok"] is False
    outcomes = {host: result["outcome"] for host, result in json.json["hosts"].items()}
    assert outcomes == {
        "lvs1": "skipped",
        "lvs2": "skipped",
        "web1": "skipped",
        "web2": "unreachable",
    }


def test_a_changed_host_key(site: Site, tmp_path: Path) -> None:
    keys = [
        line.split() for line in (site.ssh_config.parent / "known_hosts").read_text().splitlines()
    ]
    swapped = dict(
        zip(
            [names for names, *_ in keys],
            [*[key for _, *key in keys[1:]], keys[0][1:]],
            strict=True,
        )
    )
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"{names} {' '.join(key)}\n" for names, key in swapped.items()))
    changed = model.busy(model.base(NAME))
    model.host(changed, "web1")["ansible_ssh_extra_args"] = f"-o UserKnownHostsFile={known}"
    site.write(changed)
    done = refused(site, 4, "web1: .*host key", "(?s)SHA256:.*SHA256:", "ssh-keygen")
    assert_nothing_was_changed(done)


def as_ops(**variables: object) -> model.Model:
    """The inventory with an unprivileged login on web1."""
    changed = model.busy(model.base(NAME))
    model.host(changed, "web1").update({"ansible_user": "ops", "ansible_become": True, **variables})
    return changed


def test_a_login_that_may_not_become_root(site: Site) -> None:
    site.write(as_ops())
    assert_nothing_was_changed(
        refused(site, 4, "web1: sudo refused ops: ", "ansible_become_password")
    )


def test_a_login_that_is_not_root_and_has_no_become(site: Site) -> None:
    site.write(as_ops(ansible_become=False))
    assert_nothing_was_changed(
        refused(site, 4, "web1: the login ops is not root", "ansible_become: true")
    )


def test_a_user_that_sudo_does_not_know(site: Site) -> None:
    site.write(as_ops(ansible_become_password=PASSWORD))
    assert_nothing_was_changed(
        refused(
            site, 4, "web1: sudo refused ops: .*not in the sudoers", "allow the user in sudoers"
        )
    )


def test_sudo_with_a_wrong_and_then_the_right_password(site: Site) -> None:
    site.write(as_ops(ansible_become_password=Env("OPS_PASSWORD")))
    site.ssh("web1", "umask 337; echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops")
    try:
        done = refused(site, 4, "web1: sudo refused ops: ", env={"OPS_PASSWORD": "wrong-guess"})
        assert "wrong-guess" not in f"{done}"
        planned = site.plan("--limit", "web1", env={"OPS_PASSWORD": PASSWORD})
        assert [change["name"] for change in planned["web1"]] == ["/etc/hactl-note"]
        missing = refused(site, 3, "OPS_PASSWORD", "e2e.yml:[0-9]+:[0-9]+")
        assert "Traceback" not in missing.err
    finally:
        site.ssh("web1", "rm /etc/sudoers.d/ops")


@pytest.mark.parametrize(
    ("host", "folder"), [("lvs1", "/etc/keepalived"), ("web1", "/var/lib/hactl")]
)
def test_a_full_disk(site: Site, host: str, folder: str) -> None:
    site.write(model.busy(model.base(NAME)))
    fill = f"""
        set -e; cp -a {folder} /root/kept
        mount -t tmpfs -o size=1m tmpfs {folder}; cp -a /root/kept/. {folder}/
        dd if=/dev/zero of={folder}/full bs=1k 2>/dev/null || :
        ls -lA {folder} >/root/list
    """
    site.ssh(host, fill)
    try:
        done = refused(site, 4, f"{host} +failed", "[Nn]o space ")
        assert site.ssh(host, f"ls -lA {folder} | diff /root/list - && echo same") == "same"
    finally:
        site.ssh(host, f"umount {folder}; rm -r /root/kept /root/list")
    assert_nothing_was_changed(done)
    assert len(re.findall("not touched: as it was", done.out)) == 3, done


def test_a_file_that_its_parser_refuses(site: Site) -> None:
    site.write(model.busy(model.base(NAME), "broken"))
    done = refused(
        site,
        3,
        r"web1 +failed",
        r"/etc/broken.sh was refused by its parser \(/bin/sh\): .*[Ss]yntax error",
    )
    assert_nothing_was_changed(done)


def test_a_keepalived_conf_that_keepalived_refuses(site: Site) -> None:
    changed = model.busy(model.base(NAME))
    model.frontend(changed)["vrrp"]["extra"] = ["no_such_keyword 1"]
    site.write(changed)
    file = "/etc/keepalived/keepalived.conf"
    message = rf"{file} was refused by its parser \(.*keepalived\): .*no_such_keyword"
    assert_nothing_was_changed(refused(site, 3, r"lvs1 +failed", message))


def test_with_wrong_input_no_host_is_contacted(site: Site) -> None:
    changed = model.busy(model.base(NAME))
    model.frontend(changed)["vips"] = ["192.168.227.1000"]
    site.write(changed)
    done = refused(site, 3, r"e2e.yml:\d+:\d+: ", "192.168.227.1000")
    assert "inspected" not in done.err


def sessions(site: Site, host: str) -> set[str]:
    """The processes of the logins of a host."""
    return set(site.ssh(host, "pgrep -f '^sshd: [a-z]+@' || :").split())


def hang_up(site: Site, host: str, test_logins: set[str]) -> None:
    """End all logins of a host except for those of the test."""
    site.ssh(host, f"kill -9 {' '.join(sessions(site, host) - test_logins)}")


def test_a_connection_dropped_between_plan_and_apply(site: Site) -> None:
    site.write(model.busy(model.base(NAME)))
    test_logins = sessions(site, "web1")
    run = Terminal("deploy", str(site.inventory))
    run.until(r"\[y/N\] ")
    hang_up(site, "web1", test_logins)
    run.type("y\n")
    assert run.end() == 4, run.shown
    assert re.search("web1 +(failed|unreachable)", run.shown)
    assert "connection was lost" in run.shown
    assert len(re.findall("not touched: as it was", run.shown)) == 3, run.shown


def test_an_operator_who_says_no(site: Site) -> None:
    site.write(model.busy(model.base(NAME)))
    run = Terminal("deploy", str(site.inventory))
    run.until(r"\[y/N\] ")
    run.type("\n")
    assert run.end() == 64, run.shown
    assert "not confirmed; nothing was changed" in run.shown


def in_mid_apply(site: Site) -> Terminal:
    """A deploy that has changed files and parameters of web1, and waits for a unit there."""
    site.write(model.busy(model.base(NAME), "note", "slow"))
    run = Terminal("deploy", "--yes", str(site.inventory))
    run.until("web1: applying")
    state = "systemctl is-active slow || :"
    wait_until(lambda: site.ssh("web1", state) == "activating", 20, 0.3, "the unit is starting")
    parameter = "/proc/sys/net/ipv4/conf/all/log_martians"
    assert site.ssh("web1", f"test -e /etc/hactl-note && cat {parameter}") == "1"
    return run


def await_rollback(site: Site) -> None:
    """Wait until no host is in a transaction any more."""

    def lock(host: str) -> str:
        return site.ssh(host, "ls -d /run/hactl/lock 2>/dev/null || :")

    wait_until(lambda: not any(site.on_all(lock).values()), 40, 0.3, "no host is locked")


def test_two_deploys_at_once_and_then_ctrl_c(site: Site) -> None:
    run = in_mid_apply(site)
    second = site.hactl("deploy", "--yes", "--limit", "web1")
    assert second.code == 5, second
    assert re.search(
        r"web1 +failed.*\n +locked by root@\S+ since 20\d\d-\S+, still running", second.out
    ), second
    assert "wait for it to end" in second.out
    run.type("\x03")
    assert run.end() == 130, run.shown
    assert re.search("web1 +rolled back|web1 +rolled_back", run.shown), run.shown
    assert "as it was" in run.shown
    assert "Traceback" not in run.shown


def test_after_a_killed_hactl_the_hosts_roll_back(site: Site) -> None:
    run = in_mid_apply(site)
    run.kill()
    await_rollback(site)


def test_a_connection_lost_in_mid_apply(site: Site) -> None:
    test_logins = sessions(site, "web1")
    run = in_mid_apply(site)
    hang_up(site, "web1", test_logins)
    assert run.end() == 1, run.shown
    assert re.search("web1 +failed", run.shown), run.shown
    assert "the host rolls them back" in run.shown
    assert "No change was kept." in run.shown
    await_rollback(site)


def test_ctrl_c_while_hosts_are_looked_at(site: Site) -> None:
    site.write(model.busy(model.base(NAME)))
    run = Terminal("deploy", "--yes", str(site.inventory))
    run.until("inspected")
    started = time.monotonic()
    run.type("\x03")
    assert run.end() == 130, run.shown
    assert time.monotonic() - started < 10
    assert "Traceback" not in run.shown
