"""docs/inventory.md: its tables match the model, its claims hold, its example works."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from provision.core.errors import InputError
from provision.core.facts import Facts
from provision.deploy.project import Project, load
from provision.desired.items import DesiredHost, File
from provision.hosts.target import Target
from provision.inventory.model.frontend import Frontend
from provision.inventory.model.vrrp import Vrrp
from provision.inventory.reader import read_inventory
from tests import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "inventory.md"
FULL = REPOSITORY / "docs" / "examples" / "full.yml"


def script(name: str) -> ModuleType:
    """A Python script of the repository as a module."""
    loader = SourceFileLoader(name, str(REPOSITORY / "scripts" / name))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


reference = script("reference")


def test_the_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text()
    assert reference.regenerated(text) == text, "run .venv/bin/python scripts/reference"


def test_every_part_is_in_the_document() -> None:
    assert {match[1] for match in reference.PART.finditer(DOCUMENT.read_text())} == set(
        reference.PARTS
    )


def test_a_stale_table_is_noticed() -> None:
    stale = DOCUMENT.read_text().replace("| `virtual_router_id` |", "| `vrid` |")
    assert reference.regenerated(stale) == DOCUMENT.read_text() != stale


def test_all_models_are_reached() -> None:
    names = {model.__name__ for model in reference.reachable()}
    assert {
        "Frontend",
        "HostSettings",
        "Keepalived",
        "SyncGroup",
        "Url",
        "BfdTiming",
        "SorryServer",
    } <= names


def test_a_field_without_a_meaning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['"A door."', "wide: int", '"Its width."', "high: int"]
    text = "\n    ".join(["from pydantic import BaseModel\n\nclass Door(BaseModel):", *lines])
    (tmp_path / "doors.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import doors  # type: ignore[import-not-found]

    with pytest.raises(LookupError, match="Door: no docstring below high"):
        reference.meanings(doors.Door)


@pytest.mark.parametrize("kind", reference.KINDS, ids=lambda kind: kind.name)
def test_the_examples_of_types_are_valid(kind: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind.annotation)
    adapter.validate_python(kind.good)
    with pytest.raises(ValidationError):
        adapter.validate_python(kind.bad)


@pytest.mark.parametrize(
    ("model", "field", "words"),
    [
        (Frontend, "vips", "list of [Vip](#vip) or just its `address`, not empty"),
        (Frontend, "directors", "list of word or just one, not empty"),
        (Frontend, "priorities", "mapping of word to whole number, 1 to 254"),
        (Vrrp, "unicast", "[Unicast](#unicast) or `true`, `false`"),
        (Vrrp, "advert_int", "number, 0.01 to 255"),
        (Vrrp, "auth_type", "`PASS`, `AH`"),
        (Vrrp, "auth_pass", "password"),
    ],
)
def test_types_in_words(model: Any, field: str, words: str) -> None:
    assert reference.words(reference.added_fields(model)[field]) == words


REFUSED = [
    ("all: {host: {h: }}", "inventory-unknown-field"),
    ("all: {hosts: [h]}", "inventory-shape"),
    ("all: {vars: {a: 1, a: 2}}", "yaml-duplicate-key"),
    ("all: {hosts: {web: }, children: {web: {hosts: {h: }}}}", "inventory-name-clash"),
    ("all: {hosts: {'w[3:1]': }}", "inventory-host-pattern"),
    ("all: {hosts: {h: {unused: '{{ nothing }}'}}}", "template-undefined"),
    ("all: {hosts: {h: {unused: \"{{ lookup('env', 'HACTL_NOT_SET') }}\"}}}", "template-env"),
    ("all: {hosts: {h: {unused: !env HACTL_NOT_SET}}}", "env-missing"),
    ("all: {hosts: {h: {keepalived: {router: x}}}}", "unknown-field"),
    ("all: {hosts: {h: {keepalived: {router_id: 'a\"b'}}}}", "unsafe-text"),
    ("all: {children: {g: {vars: {frontends: []}, hosts: {h: }}}}", "frontends-misplaced"),
]


@pytest.mark.parametrize(("text", "rule"), REFUSED, ids=[rule for _, rule in REFUSED])
def test_mistakes_named_in_the_document_are_refused(text: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert rule in {problem.rule for problem in caught.value.problems}


LOGIN = {
    "ansible_host": ("192.0.2.1", "address"),
    "ansible_port": (2222, "port"),
    "ansible_user": ("deploy", "user"),
    "ansible_ssh_private_key_file": ("/k", "key_files"),
    "ansible_password": ("p", "password"),
    "ansible_become": (True, "become"),
    "ansible_become_password": ("p", "become_password"),
    "ansible_ssh_common_args": ("-p 23", "port"),
    "ansible_ssh_extra_args": ("-J bastion", "jumps"),
}


def section(heading: str) -> str:
    """The text below a heading, up to the next of any level."""
    return re.split(
        r"^#+ ", DOCUMENT.read_text().split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE
    )[0]


def test_the_variables_of_a_login_are_those_in_the_document() -> None:
    cells = "".join(
        re.findall(r"^\| (`ansible.*?) \|", section("How to reach a host"), re.MULTILINE)
    )
    assert set(re.findall(r"`(\w+)`", cells)) == set(LOGIN)


@pytest.mark.parametrize("name", LOGIN)
def test_every_variable_of_a_login_has_an_effect(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    value, attribute = LOGIN[name]
    path = tmp_path / "hosts.yml"
    plain = {"ansible_user": "nobody"}
    path.write_text(json.dumps({"all": {"hosts": {"h": plain, "other": plain | {name: value}}}}))
    hosts = read_inventory(path).hosts
    assert getattr(Target.of(hosts["other"]), attribute) != getattr(
        Target.of(hosts["h"]), attribute
    )


def test_the_facts_are_those_in_the_document() -> None:
    cells = re.findall(r"^\| (`[^|]*) \|", section("hactl's own variables"), re.MULTILINE)
    names = re.findall(r"`(\w+)`", "".join(cells))
    roles = re.findall(r"^\| `(\w+)`", reference.roles(), re.MULTILINE)
    facts = set(names) - set(roles)
    assert facts == {field.name for field in dataclasses.fields(Facts)} - {
        "hostname",
        "interfaces",
        "selinux",
    }


def test_links_have_a_target() -> None:
    text = DOCUMENT.read_text()
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    headings = {title.lower().replace(" ", "-").replace("'", "") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        assert (DOCUMENT.parent / path).exists(), target
        assert not anchor or path or anchor in headings, target


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("HACTL_VRRP_PASS", "s3cret")
    return load(FULL)


def rendered(project: Project, host: str) -> DesiredHost:
    """The desired state of a host whose facts are not known."""
    return project.render(host, Facts())


def keepalived_conf(project: Project, host: str) -> str:
    """The keepalived.conf of a director."""
    item = rendered(project, host).get("file", "/etc/keepalived/keepalived.conf")
    assert isinstance(item, File)
    assert not item.secret, "its diffs are shown, with the password masked"
    return item.content.decode()


def test_the_full_example_renders_for_every_host(full: Project) -> None:
    assert full.managed() == ("lvs1", "lvs2", "web1", "web2", "web3")
    addresses = {item.name for item in rendered(full, "web2").of("address")}
    assert addresses == {"192.0.2.10/32", "192.0.2.11/32"}


@pytest.mark.parametrize(
    "line",
    [
        "version 2",
        "priority 150",
        'auth_pass "s3cret"',
        "unicast_src_ip 192.0.2.101",
        "192.0.2.102 min_ttl 255",
        "preempt_delay 30",
        "sshd weight -10",
        "real_server 192.0.2.105 443 {",
        "quorum 2",
        "hysteresis 1",
        "sorry_server 192.0.2.90 443",
        "status_code 200 301-302",
        "SSL_GET {",
        "PING_CHECK {",
    ],
)
def test_the_full_example_shows_the_features_in_its_heading(full: Project, line: str) -> None:
    assert line in map(str.strip, keepalived_conf(full, "lvs1").splitlines())


NETWORK = """
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth0 up; ip link set eth1 up
ip addr add 192.0.2.101/24 dev eth0
exec env --ignore-signal=TERM keepalived -t -f "$0"
"""


@pytest.mark.keepalived
@pytest.mark.skipif(
    shutil.which("keepalived") is None or os.geteuid() != 0,
    reason="needs root and the package keepalived",
)
def test_keepalived_accepts_the_full_example(full: Project, tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(keepalived_conf(full, "lvs1"))
    process = subprocess.run(
        ["unshare", "--net", "sh", "-ec", NETWORK, str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (process.returncode, process.stdout + process.stderr) == (0, "")
