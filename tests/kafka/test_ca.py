"""Who makes a cluster's CA: a first deploy, and nobody else; a second machine needs the one that the brokers have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from provision.commands.deploy import deploy, plan
from provision.core.errors import Exit, InputError
from provision.core.facts import Facts, Interface
from provision.deploy.operations import operations
from provision.deploy.plan import HostPlan, plan_host
from provision.deploy.plan_output import plan_json, plan_lines
from provision.deploy.project import Project, load
from provision.desired.items import DesiredHost, File, Item, Unit, VirtualService
from provision.desired.kafka_tls import trusted
from provision.formats.certificates import Authority, issue, make
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.kafka.ca import CA_FILE, keep_new, new_authority, planned_with, with_authority
from tests.hosts.answering import Host
from tests.kafka.inventory import project as deployed_project

BIN = Path(sys.executable).parent
HOSTS = ("lvs1", "kafka1", "kafka2", "kafka3")
FACTS = Facts(default_interface="eth0")
KEYED = {"/etc/kafka/ca.pem", "/etc/kafka/node.pem"}


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The machine that has deployed the cluster."""
    return machine(tmp_path, "first", monkeypatch)


def machine(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A machine that has deployed the cluster and keeps a CA of its own."""
    state(folder, name, monkeypatch)
    return deployed_project(folder)


def state(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work on the machine called so: what it keeps is in a folder of its own."""
    home = folder / name
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home


def seen(desired: DesiredHost | None = None) -> Observed:
    """A host as it is after it became `desired`; without that, a fresh one."""
    items = (
        [_found(item) for item in desired.items if item.kind not in ("vip", "virtual")]
        if desired
        else []
    )
    table = [
        line
        for item in (desired.items if desired else ())
        if isinstance(item, VirtualService)
        for line in _saved(item)
    ]
    return Observed(FACTS, {(each.kind, each.name): each for each in items}, table=tuple(table))


def _saved(virtual: VirtualService) -> list[str]:
    """What ipvsadm(8) -S prints of a service."""
    servers = (text.partition(" ")[2] for text in virtual.servers)
    return [
        f"-A {virtual.name} {virtual.options}",
        *(f"-a {virtual.name} -r {server}" for server in servers),
    ]


def _found(item: Item) -> ObservedItem:
    content = item.content if isinstance(item, File) else None
    own = (
        {"enabled": "yes", "active": "yes", "current": "yes"}
        if isinstance(item, Unit)
        else item.attributes()
    )
    return ObservedItem(item.kind, item.name, own, content)


def plans(project: Project, hosts: Mapping[str, Observed]) -> dict[str, HostPlan]:
    """What the project plans for hosts that were found so."""
    return {
        host: plan_host(project.render(host, FACTS), was, frozenset())
        for host, was in hosts.items()
    }


def running(project: Project) -> dict[str, Observed]:
    """All hosts as a deploy of the project leaves them."""
    return {host: seen(project.render(host, FACTS)) for host in HOSTS}


def refusal(project: Project, made: Mapping[str, HostPlan]) -> str:
    with pytest.raises(InputError) as caught:
        new_authority(project, made)
    assert [problem.rule for problem in caught.value.problems] == ["kafka-ca"]
    return str(caught.value)


def test_a_first_plan_works_and_says_that_the_deploy_makes_the_ca(first: Project, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    home = state(tmp_path, "fresh", monkeypatch)
    fresh = load(first.path)
    made = plans(fresh, dict.fromkeys(HOSTS, seen()))
    assert {change.name for change in made["kafka1"].changes} >= KEYED
    assert (
        new_authority(fresh, made)
        == f"Deploy makes the CA of cluster kafka and keeps it in {home}/state/hactl/kafka/kafka."
    )
    assert list(home.iterdir()) == [], "a plan writes nothing"
    with pytest.raises(AssertionError, match="is not whole"):
        operations(made["kafka1"])


def test_a_first_deploy_plans_anew_with_its_ca_keeps_it_and_has_nothing_to_do_then(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(tmp_path, "fresh", monkeypatch)
    fresh = with_authority(load(first.path))
    before = plans(load(first.path), dict.fromkeys(HOSTS, seen()))
    made = planned_with(fresh, before)
    assert {host: [c.name for c in plan.changes] for host, plan in made.items()} == {
        host: [c.name for c in plan.changes] for host, plan in before.items()
    }
    for host in HOSTS:
        operations(made[host])
    keep_new(fresh)
    again = load(first.path)
    after = plans(again, {host: seen(plan.desired) for host, plan in made.items()})
    assert not any(plan.changes for plan in after.values())
    assert new_authority(again, after) == ""
    assert with_authority(again) is again, "a CA that is kept is not made again"


def test_changes_found_by_comparing_hosts_stay_in_a_plan_that_is_made_anew(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(tmp_path, "fresh", monkeypatch)
    project = load(first.path)
    alone = plans(project, {"kafka1": seen()})["kafka1"]
    extra = replace(alone.changes[0], name="extra")
    made = planned_with(with_authority(project), {"kafka1": alone.with_changes(extra)})["kafka1"]
    assert made.changes[-1] == extra and len(made.changes) == len(alone.changes) + 1


def test_a_second_machine_without_the_ca_says_so_and_compares_no_certificate(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = running(first)
    home = state(tmp_path, "second", monkeypatch)
    second = load(first.path)
    made = plans(second, hosts)
    assert not any(plan.changes for plan in made.values()), "what is not known is no change"
    assert set(made["kafka1"].unknown) == KEYED and made["lvs1"].unknown == (
        "/etc/hactl/kafka-ready.json",
    )
    assert plan_json(made)["not_compared"]["kafka2"] == sorted(KEYED)
    shown = [line for line, _ in plan_lines(made)]
    assert "not compared on kafka1, kafka2, kafka3: file /etc/kafka/ca.pem" in shown
    said = refusal(second, made)
    assert (
        "kafka1, kafka2, kafka3 has a CA of cluster kafka that this machine does not have" in said
    )
    assert (
        "copy that folder from the machine that deployed first" in said
        and "nothing was changed" in said
    )
    with pytest.raises(InputError, match="this machine has no CA of cluster kafka"):
        trusted(second.topology.kafka)  # type: ignore[arg-type]
    assert list(home.iterdir()) == []


def test_one_broker_with_a_ca_is_enough(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = {**dict.fromkeys(HOSTS, seen()), "kafka3": running(first)["kafka3"]}
    state(tmp_path, "second", monkeypatch)
    second = load(first.path)
    assert "kafka3 has a CA" in refusal(second, plans(second, hosts))


def test_a_limited_deploy_makes_no_ca_as_it_does_not_see_all_nodes(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(tmp_path, "second", monkeypatch)
    second = load(first.path)
    said = refusal(second, plans(second, {"kafka1": seen()}))
    assert "kafka2, kafka3 was not looked at" in said and "--limit" in said
    assert "was not looked at" in refusal(second, plans(second, {"lvs1": seen()})), (
        "a director is told the CA, too"
    )


def test_a_machine_with_another_ca_is_refused_too(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = running(first)
    other = machine(tmp_path, "other", monkeypatch)
    said = refusal(other, plans(other, hosts))
    assert (
        "has another CA of cluster kafka than this machine" in said and "both certificates" in said
    )


def test_a_ca_is_changed_in_two_deploys_both_trusted_in_between(first: Project) -> None:
    old, new = trusted(first.topology.kafka), make("kafka")  # type: ignore[arg-type]
    both = given(first, Authority(new.trusted + old, new.key))
    assert new_authority(both, plans(both, running(first))) == ""
    alone = given(first, new)
    assert new_authority(alone, plans(alone, running(both))) == ""
    assert "another CA" in refusal(alone, plans(alone, running(first)))


def given(project: Project, authority: Authority) -> Project:
    """The same inventory with the CA in it, read."""
    text = yaml.safe_load(project.path.read_text())
    text["all"]["vars"]["kafka"]["tls"] = {"ca": authority.trusted, "key": authority.key}
    path = project.path.with_name("given.yml")
    path.write_text(yaml.safe_dump(text))
    return load(path)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_damaged_file_on_a_host_names_no_ca_but_is_no_empty_place_either(
    content: bytes, first: Project
) -> None:
    hosts = running(first)
    damaged = ObservedItem(
        "file", CA_FILE, {"sha256": "0", "mode": "0640", "owner": "root", "group": "root"}, content
    )
    hosts["kafka1"] = replace(
        hosts["kafka1"], items={**hosts["kafka1"].items, ("file", CA_FILE): damaged}
    )
    assert "kafka1 has another CA" in refusal(first, plans(first, hosts))


class Site:
    """The hosts of the cluster, each answered for without a connection; what is asked of them is kept."""

    def __init__(self, project: Project, patch: pytest.MonkeyPatch, *, fresh: bool = False) -> None:
        self.hosts: dict[str, Host] = {}
        for host in HOSTS:
            address = f"{project.topology.hosts[host].address[0]}/24"
            facts = Facts(interfaces=(Interface("eth0", (address,)),))
            desired = project.render(host, facts)
            table = seen(desired).table
            self.hosts[host] = Host(desired, address, () if fresh else table, (), fresh)
        patch.setattr("provision.deploy.inspection.connect", lambda target: self.hosts[target.host])

    def asked(self) -> set[str]:
        return {agent for host in self.hosts.values() for agent in host.agents}


def test_plan_before_the_first_deploy_shows_all_and_exits_2(
    first: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = state(tmp_path, "fresh", monkeypatch)
    fresh = load(first.path)
    Site(fresh, monkeypatch, fresh=True)
    assert plan(fresh, "", False, False) is Exit.CHANGES
    shown = capsys.readouterr()
    assert "/etc/kafka/node.pem" in shown.out and "PRIVATE KEY" not in shown.out
    assert "Deploy makes the CA of cluster kafka" in shown.err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("other_ca", [False, True], ids=["without a CA", "with another CA"])
def test_a_second_machine_s_deploy_ends_before_any_change_and_its_plan_says_why(
    other_ca: bool,
    first: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = Site(first, monkeypatch)
    home = state(tmp_path, "second", monkeypatch)
    second = machine(tmp_path, "second", monkeypatch) if other_ca else load(first.path)
    kept = sorted(home.rglob("*"))
    with pytest.raises(InputError, match=r"kafka-ca: .*nothing was changed"):
        deploy(second, yes=True, limit="", serial=0, json=False, lab=False)
    with pytest.raises(InputError, match="kafka-ca: kafka1, kafka2, kafka3 has a"):
        plan(second, "", False, False)
    assert site.asked() == {"observe"}, "no other agent was started"
    assert sorted(home.rglob("*")) == kept
    assert "PRIVATE KEY" not in "".join(capsys.readouterr())


def test_a_second_machine_with_the_same_ca_plans_nothing_on_the_hosts(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = running(first)
    source = tmp_path / "first" / "state"
    shutil.copytree(source, state(tmp_path, "second", monkeypatch) / "state")
    issue.cache_clear()
    second = load(first.path)
    made = plans(second, hosts)
    assert not any(each.changes or each.unknown for each in made.values())
    assert new_authority(second, made) == ""


def hactl(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a home of its own, which is all that it knows."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), **variables}
    return subprocess.run(
        [BIN / "hactl", *words],
        env=environ,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def vaulted(text: str, password: Path) -> str:
    """What `ansible-vault encrypt_string` makes of a text that it reads."""
    command = [
        str(BIN / "ansible-vault"),
        "encrypt_string",
        "--vault-password-file",
        str(password),
        "--stdin-name",
        "key",
    ]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.fixture
def vault(first: Project, tmp_path: Path) -> tuple[Path, Path, Authority]:
    """The inventory with the CA's certificate in a file and its key in the vault; the password's file; the CA."""
    authority, password = make("kafka"), tmp_path / "password"
    password.write_text("s3cret\n")
    (tmp_path / "ca.pem").write_text(authority.trusted)
    block = "".join(f"        {line}\n" for line in vaulted(authority.key, password).splitlines())
    text = re.sub(
        r"^ +tls: generated\n",
        f"      tls:\n        ca: ca.pem\n{block}",
        first.path.read_text(),
        flags=re.M,
    )
    assert "$ANSIBLE_VAULT;1.1;AES256" in text
    path = tmp_path / "vault.yml"
    path.write_text(text)
    return path, password, authority


def test_from_an_empty_home_the_ca_comes_from_the_vault_and_nothing_is_written_there(
    vault: tuple[Path, Path, Authority], tmp_path: Path
) -> None:
    path, password, authority = vault
    trees = []
    for name in ("laptop", "ci"):
        home = tmp_path / name
        home.mkdir()
        done = hactl(home, "render", str(path), "--out", str(tmp_path / f"{name}-out"),
                     ANSIBLE_VAULT_PASSWORD_FILE=str(password))  # fmt: skip
        assert done.returncode == 0 and "not whole" not in done.stderr, done
        clients = hactl(home, "kafka", "clients", str(path), "--out", str(tmp_path / f"{name}-clients"),
                        ANSIBLE_VAULT_PASSWORD_FILE=str(password))  # fmt: skip
        assert clients.returncode == 0, clients
        assert list(home.iterdir()) == []
        shown = hactl(home, "render", str(path), ANSIBLE_VAULT_PASSWORD_FILE=str(password))
        lint = hactl(home, "lint", str(path), ANSIBLE_VAULT_PASSWORD_FILE=str(password))
        for run in (done, clients, shown, lint):
            assert not any(
                line in run.stdout + run.stderr for line in authority.key.splitlines()[1:-1]
            )
        trees.append({p.relative_to(tmp_path / f"{name}-out"): p.read_bytes()
                      for p in (tmp_path / f"{name}-out").rglob("*.pem")})  # fmt: skip
        assert (tmp_path / f"{name}-clients" / "ca.pem").read_text() == authority.trusted
    assert len(trees[0]) == 6 and trees[0] == trees[1], (
        "two machines with the CA render the same certificates"
    )
    assert not any(authority.key.encode() in content for content in trees[0].values())


def test_without_the_vaults_password_the_place_is_told(
    vault: tuple[Path, Path, Authority], tmp_path: Path
) -> None:
    done = hactl(tmp_path, "render", str(vault[0]))
    assert done.returncode == 3 and "vault-password" in done.stderr


def test_from_an_empty_home_without_a_ca_files_for_clients_are_refused_and_render_says_what_is_not_whole(
    first: Project, tmp_path: Path
) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    clients = hactl(home, "kafka", "clients", str(first.path), "--out", str(tmp_path / "clients"))
    assert clients.returncode == 3 and not (tmp_path / "clients").exists()
    assert "kafka-certificate: this machine has no CA of cluster kafka" in clients.stderr
    assert "copy that folder from the machine that deployed first" in clients.stderr
    shown = hactl(home, "render", str(first.path))
    assert shown.returncode == 0
    assert "kafka1: /etc/kafka/node.pem is incomplete" in shown.stderr
    assert list(home.iterdir()) == []


def test_a_secret_that_is_no_pem_is_refused_and_never_repeated(
    first: Project, tmp_path: Path
) -> None:
    home = tmp_path / "ci"
    home.mkdir()
    (tmp_path / "ca.pem").write_text(make("kafka").trusted)
    text = first.path.read_text().replace("tls: generated", "tls: {ca: ca.pem, key: !env CA_KEY}")
    (tmp_path / "env.yml").write_text(text)
    done = hactl(home, "render", str(tmp_path / "env.yml"), CA_KEY="c2VjcmV0LWtleQ")
    assert done.returncode == 3 and "the secret in `key` is no text in PEM" in done.stderr
    assert "c2VjcmV0LWtleQ" not in done.stdout + done.stderr


def test_a_key_in_a_file_that_is_not_there_is_told_with_its_path(first: Project) -> None:
    text = yaml.safe_load(first.path.read_text())
    text["all"]["vars"]["kafka"]["tls"] = {"ca": make("kafka").trusted, "key": "keys/ca.key"}
    first.path.write_text(yaml.safe_dump(text))
    project = load(first.path)
    with pytest.raises(InputError, match=r"kafka-certificate: .*keys/ca\.key"):
        project.render("kafka1", FACTS)
