"""Hostile values of an inventory in real shells: refused, or passed unchanged, and never run."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.core.errors import HactlError, InputError, Position
from provision.core.facts import Facts
from provision.deploy.project import Project, load
from provision.desired.items import DesiredHost, File
from provision.desired.render import render_host
from provision.hosts.agent.observe import observe
from provision.hosts.agent.payload import Op
from provision.hosts.protocol import ProtocolError
from provision.hosts.target import Target
from provision.hosts.transport import dial
from provision.inventory.hosts import Host
from provision.inventory.source import Node
from tests.hosts.agent.local import GROUP, ME, LocalHost
from tests.hosts.agent.scenario import begin, install, leftovers

pytestmark = pytest.mark.agent

#: What a shell would run, if any read it, makes this file in the folder it is in.
PWNED = "pwned"
RUNS = [
    f"$(touch {PWNED})",
    f"`touch {PWNED}`",
    f"; touch {PWNED};",
    f"\ntouch {PWNED}\n",
    f"' ; touch {PWNED} ; '",
    f'" ; touch {PWNED} ; "',
    f"| touch {PWNED}",
    f"&& touch {PWNED}",
    f"& touch {PWNED} &",
    f"<(touch {PWNED})",
    f"${{x:-$(touch {PWNED})}}",
    f"\\$(touch {PWNED})",
    f"x\x1f$(touch {PWNED})",
    f"x\x00$(touch {PWNED})",
    f"x\r\ntouch {PWNED}\r\n",
    f"-oProxyCommand=touch${{IFS}}{PWNED}",
    f"{{touch,{PWNED}}}",
    f"é'$(touch {PWNED})'",
]
HOSTILE = st.one_of(
    st.sampled_from(RUNS),
    st.builds(
        "".join,
        st.lists(
            st.sampled_from([*RUNS, "lvs1", " ", "%s", "*", "..", "/", "~", "#", "!", "\t"]),
            max_size=3,
        ),
    ),
    st.text(min_size=1, max_size=12),
).filter(bool)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A fresh working folder in which nothing may come to be."""
    folder, before = Path(tempfile.mkdtemp(prefix="hactl-security-")), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
        shutil.rmtree(folder)


def encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


# ------------------------------------------------------------------------------ on the controller


@given(
    HOSTILE,
    st.sampled_from(["ansible_host", "ansible_user", "name"]),
    st.sampled_from(["%h %p", "'%h' %r", '"%h" "%r"']),
)
@example(f"$(touch {PWNED})", "ansible_host", "%h %p")
@example(f"x';touch {PWNED};'", "ansible_user", "'%h' %r")
@example(f"`touch {PWNED}`", "name", '"%h" "%r"')
@settings(max_examples=120, deadline=None)
def test_a_proxy_command_runs_nothing_of_a_name(hostile: str, where: str, tokens: str) -> None:
    """A shell reads inventory values in one place only: a proxy command, as with ssh(1)."""
    with scratch() as folder:
        place = Position("lab.yml", 1)
        values = {
            "ansible_ssh_common_args": "-F none -o 'ProxyCommand="
            + f"echo {tokens}".replace("'", "'\\''")
            + "'"
        }
        if where != "name":
            values[where] = hostile
        host = Host(
            hostile if where == "name" else "web1",
            place,
            {k: Node(v, place) for k, v in values.items()},
            (),
        )
        with contextlib.suppress(InputError):
            target = Target.of(host)
            assert target.proxy_command
            if encodable(target.proxy_command):
                dialled = dial(target, lambda _target, _dialled: None)
                while dialled.sock.recv(4096):
                    pass
                dialled.close()
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("line", ["one\ntwo", "one\rtwo", "one\x00two"])
@pytest.mark.parametrize(
    "name", ["ansible_become_password", "ansible_password", "ansible_ssh_pass"]
)
def test_a_password_is_one_line(name: str, line: str) -> None:
    """What came behind its end would be read by the shell that sudo starts, not by sudo."""
    place = Position("lab.yml", 3, 7)
    with pytest.raises(
        InputError, match=r"lab.yml:3:7: .*a password contains a newline"
    ) as failure:
        Target.of(Host("web1", place, {name: Node(line, place, secret=True)}, ()))
    assert "one" not in str(failure.value).replace("one line", "")


def project(folder: Path, host: str, vip: str, password: str) -> Project:
    """The project of an inventory that holds these. Raises InputError."""
    vrrp = {"virtual_router_id": 10, "version": 2, "advert_int": 1, "auth_pass": password}
    frontend = {
        "name": "web",
        "vips": [vip],
        "directors": "directors",
        "vrrp": vrrp,
        "services": [{"port": 80, "real_servers": "web", "check": {"type": "tcp"}}],
    }
    directors = {
        host: {"ansible_host": "192.168.227.101"},
        "lvs2": {"ansible_host": "192.168.227.102"},
    }
    groups = {
        "directors": {"hosts": directors},
        "web": {"hosts": {"web1": {"ansible_host": "192.168.227.103"}}},
    }
    path = folder / "site.yml"
    path.write_text(
        yaml.safe_dump({"all": {"vars": {"frontends": [frontend]}, "children": groups}})
    )
    return load(path)


@given(st.sampled_from(["host", "vip", "password"]), HOSTILE.filter(encodable))
@example("host", f"../../{PWNED}")
@example("password", "$(x)")
@example("vip", f"192.168.227.10\n; touch {PWNED}")
@settings(max_examples=60, deadline=None)
def test_a_hostile_inventory_is_refused_or_its_words_stay_words(where: str, hostile: str) -> None:
    words = {"host": "lvs1", "vip": "192.168.227.10", "password": "s3cret", where: hostile}
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(InputError):
        hostile_project = project(Path(name), **words)
        host = next(iter(hostile_project.topology.directors()))
        assert "/" not in host and not host.startswith((".", "-"))
        desired = render_host(
            hostile_project.topology,
            hostile_project.inventory,
            host,
            Facts(default_interface="eth0"),
        )
        for item in desired.of("file"):
            assert isinstance(item, File)
            assert PWNED.encode() not in item.content or where != "vip"
            assert "touch" not in item.validate


# ----------------------------------------------------------------------------------- on the hosts


@pytest.fixture(scope="module", params=["dash", "busybox", "bash"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalHost:
    return LocalHost(tmp_path_factory.mktemp(request.param), request.param)


def ran(host: LocalHost) -> list[Path]:
    return [path for path in (*host.root.rglob(PWNED), Path(PWNED)) if path.exists()]


@given(HOSTILE.filter(encodable), st.integers(0, 8))
@settings(max_examples=20, deadline=None)
def test_an_agent_runs_nothing_of_its_data(shell: LocalHost, hostile: str, place: int) -> None:
    """In all places of values: contents, paths, parameters, addresses, units, parsers, owners."""
    every = [
        install(f"/etc/app/{hostile}"),
        install("/etc/app/conf", validate=f"test -e {hostile} %s"),
        [Op("stage", ("1", "/etc/app/conf", hostile, ME, GROUP, ""))],
        [Op("stage", ("1", "/etc/app/conf", "0600", hostile, hostile, ""))],
        [Op("sysctl", ("net.ipv4.ip_forward", hostile))],
        [Op("address", ("add", hostile, hostile, hostile))],
        [Op("unit", (hostile, "start"))],
        [Op("remove", (f"/etc/app/{hostile}", hostile))],
        [Op("module", (hostile,))],
    ]
    with contextlib.suppress(ProtocolError, HactlError):
        begin(shell, every[place], hostile.encode()).roll_back()
    assert ran(shell) == [] and leftovers(shell) == [], every[place]


@given(HOSTILE.filter(encodable))
@settings(max_examples=8, deadline=None)
def test_contents_and_paths_arrive_as_they_are(shell: LocalHost, hostile: str) -> None:
    name = hostile.replace("/", "_")[:40].strip(".") or "x"
    path = f"/etc/as-it-is/{name}"
    with contextlib.suppress(ProtocolError):
        begin(shell, install(path), hostile.encode()).confirm()
        desired = DesiredHost("web1", (File(path, hostile.encode(), "0640", ME, GROUP),))
        _, observed = observe(shell, lambda _facts: desired)
        assert observed.items["file", path].attributes == desired.items[0].attributes()
        (shell.root / path.lstrip("/")).unlink()
    assert ran(shell) == []
