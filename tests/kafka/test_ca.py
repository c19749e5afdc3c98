"""Only a first deploy makes a cluster's CA; a second machine needs the CA of the brokers."""

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

from provision.commands.deploy import deploy
from provision.commands.plan import plan
from provision.core.coverage import Coverage
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
from provision.kafka.ca import CA_FILE, keep_new, new_ca_notice, replan, with_authority
from tests.hosts.answering import Host
from tests.kafka.inventory import project as deployed_project

BIN = Path(sys.executable).parent
HOSTS = ("lvs1", "kafka1", "kafka2", "kafka3")
FACTS = Facts(default_interface="eth0")
KEYED = {"/etc/kafka/ca.pem", "/etc/kafka/node.pem"}


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return the project on the machine that has deployed the cluster."""
    return machine(tmp_path, "first", monkeypatch)


def machine(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Deploy the cluster from another machine, which keeps a CA of its own."""
    use_machine(folder, name, monkeypatch)
    return deployed_project(folder)


def use_machine(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a machine of this name, with a state folder of its own; return its home."""
    home = folder / name
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home


def observed(desired: DesiredHost | None = None) -> Observed:
    """Return the state of a host after a deploy of `desired`; without it, of a new host."""
    items = (
        [_observed_item(item) for item in desired.items if item.kind not in ("vip", "virtual")]
        if desired
        else []
    )
    table = [
        line
        for item in (desired.items if desired else ())
        if isinstance(item, VirtualService)
        for line in _saved(item)
    ]
    return Observed(FACTS, {(item.kind, item.name): item for item in items}, table=tuple(table))


def _saved(virtual: VirtualService) -> list[str]:
    """Return the lines of ipvsadm(8) -S for a service."""
    servers = (text.partition(" ")[2] for text in virtual.servers)
    return [
        f"-A {virtual.name} {virtual.options}",
        *(f"-a {virtual.name} -r {server}" for server in servers),
    ]


def _observed_item(item: Item) -> ObservedItem:
    content = item.content if isinstance(item, File) else None
    attributes = (
        {"enabled": "yes", "active": "yes", "current": "yes"}
        if isinstance(item, Unit)
        else item.attributes()
    )
    return ObservedItem(item.kind, item.name, attributes, content)


def plans(project: Project, hosts: Mapping[str, Observed]) -> dict[str, HostPlan]:
    """Return the project's plans for hosts in these states."""
    return {
        host: plan_host(project.render(host, FACTS), current, frozenset())
        for host, current in hosts.items()
    }


def running(project: Project) -> dict[str, Observed]:
    """Return the state of all hosts after a deploy of the project."""
    return {host: observed(project.render(host, FACTS)) for host in HOSTS}


def refusal(project: Project, new_plans: Mapping[str, HostPlan]) -> str:
    with pytest.raises(InputError) as caught:
        new_ca_notice(project, new_plans)
    assert [problem.rule for problem in caught.value.problems] == ["kafka-ca"]
    return str(caught.value)


def test_a_first_plan_works_and_says_that_the_deploy_makes_the_ca(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = use_machine(tmp_path, "fresh", monkeypatch)
    fresh = load(first.path)
    new_plans = plans(fresh, dict.fromkeys(HOSTS, observed()))
    assert {change.name for change in new_plans["kafka1"].changes} >= KEYED
    assert (
        new_ca_notice(fresh, new_plans)
        == f"Deploy makes the CA of cluster kafka and keeps it in {home}/state/hactl/kafka/kafka."
    )
    assert list(home.iterdir()) == [], "a plan writes nothing"
    with pytest.raises(AssertionError, match="is not known"):
        operations(new_plans["kafka1"])


def test_a_first_deploy_plans_again_with_its_ca_and_keeps_it(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine(tmp_path, "fresh", monkeypatch)
    fresh = with_authority(load(first.path))
    before = plans(load(first.path), dict.fromkeys(HOSTS, observed()))
    new_plans = replan(fresh, before)
    assert {host: [c.name for c in plan.changes] for host, plan in new_plans.items()} == {
        host: [c.name for c in plan.changes] for host, plan in before.items()
    }
    for host in HOSTS:
        operations(new_plans[host])
    keep_new(fresh)
    again = load(first.path)
    after = plans(again, {host: observed(plan.desired) for host, plan in new_plans.items()})
    assert not any(plan.changes for plan in after.values())
    assert new_ca_notice(again, after) == ""
    assert with_authority(again) is again, "a CA that is kept is not made again"


def test_changes_from_comparing_hosts_stay_in_a_repeated_plan(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine(tmp_path, "fresh", monkeypatch)
    project = load(first.path)
    alone = plans(project, {"kafka1": observed()})["kafka1"]
    extra = replace(alone.changes[0], name="extra")
    new_plans = replan(with_authority(project), {"kafka1": alone.with_changes(extra)})["kafka1"]
    assert new_plans.changes[-1] == extra and len(new_plans.changes) == len(alone.changes) + 1


def test_a_second_machine_without_the_ca_compares_no_certificate_and_says_so(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = running(first)
    home = use_machine(tmp_path, "second", monkeypatch)
    second = load(first.path)
    new_plans = plans(second, hosts)
    assert not any(plan.changes for plan in new_plans.values()), "an unknown file is no change"
    assert set(new_plans["kafka1"].unknown) == KEYED and new_plans["lvs1"].unknown == (
        "/etc/hactl/kafka-ready.json",
    )
    assert plan_json(new_plans, Coverage(tuple(new_plans)))["not_compared"]["kafka2"] == sorted(
        KEYED
    )
    shown = [line for line, _ in plan_lines(new_plans, Coverage(tuple(new_plans)))]
    assert "not compared on kafka1, kafka2, kafka3: file /etc/kafka/ca.pem" in shown
    message = refusal(second, new_plans)
    assert (
        "kafka1, kafka2, kafka3 has a CA of cluster kafka that this machine does not have"
        in message
    )
    assert (
        "copy that folder from the machine that deployed first" in message
        and "nothing was changed" in message
    )
    with pytest.raises(InputError, match="this machine has no CA of cluster kafka"):
        trusted(second.topology.kafka)  # type: ignore[arg-type]
    assert list(home.iterdir()) == []


def test_one_broker_with_a_ca_suffices_for_a_refusal(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = {**dict.fromkeys(HOSTS, observed()), "kafka3": running(first)["kafka3"]}
    use_machine(tmp_path, "second", monkeypatch)
    second = load(first.path)
    assert "kafka3 has a CA" in refusal(second, plans(second, hosts))


def test_a_limited_deploy_makes_no_ca_because_it_does_not_inspect_all_nodes(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_machine(tmp_path, "second", monkeypatch)
    second = load(first.path)
    message = refusal(second, plans(second, {"kafka1": observed()}))
    assert "hactl did not inspect kafka2, kafka3" in message and "--limit" in message
    assert "hactl did not inspect" in refusal(second, plans(second, {"lvs1": observed()})), (
        "a director gets the CA, too"
    )


def test_a_machine_with_another_ca_is_refused_too(
    first: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = running(first)
    other = machine(tmp_path, "other", monkeypatch)
    message = refusal(other, plans(other, hosts))
    assert (
        "has another CA of cluster kafka than this machine" in message
        and "both certificates" in message
    )


def test_two_deploys_change_a_ca_and_nodes_trust_both_in_between(first: Project) -> None:
    old, new = trusted(first.topology.kafka), make("kafka")  # type: ignore[arg-type]
    both = with_ca(first, Authority(new.trusted + old, new.key))
    assert new_ca_notice(both, plans(both, running(first))) == ""
    alone = with_ca(first, new)
    assert new_ca_notice(alone, plans(alone, running(both))) == ""
    assert "another CA" in refusal(alone, plans(alone, running(first)))


def with_ca(project: Project, authority: Authority) -> Project:
    """Return the project of the same inventory with this CA in it."""
    text = yaml.safe_load(project.path.read_text())
    text["all"]["vars"]["kafka"]["tls"] = {"ca": authority.trusted, "key": authority.key}
    path = project.path.with_name("given.yml")
    path.write_text(yaml.safe_dump(text))
    return load(path)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_damaged_ca_file_on_a_host_counts_as_another_ca(content: bytes, first: Project) -> None:
    hosts = running(first)
    damaged = ObservedItem(
        "file", CA_FILE, {"sha256": "0", "mode": "0640", "owner": "root", "group": "root"}, content
    )
    hosts["kafka1"] = replace(
        hosts["kafka1"], items={**hosts["kafka1"].items, ("file", CA_FILE): damaged}
    )
    assert "kafka1 has another CA" in refusal(first, plans(first, hosts))


class Site:
    """The hosts of the cluster, simulated without a connection; they record their agents."""

    def __init__(self, project: Project, patch: pytest.MonkeyPatch, *, fresh: bool = False) -> None:
        self.hosts: dict[str, Host] = {}
        for host in HOSTS:
            address = f"{project.topology.hosts[host].address[0]}/24"
            facts = Facts(interfaces=(Interface("eth0", (address,)),))
            desired = project.render(host, facts)
            table = observed(desired).table
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
    home = use_machine(tmp_path, "fresh", monkeypatch)
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
    home = use_machine(tmp_path, "second", monkeypatch)
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
    shutil.copytree(source, use_machine(tmp_path, "second", monkeypatch) / "state")
    issue.cache_clear()
    second = load(first.path)
    new_plans = plans(second, hosts)
    assert not any(each.changes or each.unknown for each in new_plans.values())
    assert new_ca_notice(second, new_plans) == ""


def hactl(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty environment with this home."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), **variables}
    return subprocess.run(
        [BIN / "hactl", *arguments],
        env=environ,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def vaulted(text: str, password: Path) -> str:
    """Encrypt a text with `ansible-vault encrypt_string`."""
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
    """Return an inventory with its CA's key in the vault, the password's file, and the CA."""
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
        out, clients_out = tmp_path / f"{name}-out", tmp_path / f"{name}-clients"
        vault_password = {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)}
        files = hactl(home, "render", str(path), "--out", str(out), **vault_password)
        assert files.returncode == 0 and "not whole" not in files.stderr, files
        clients = hactl(
            home, "kafka", "clients", str(path), "--out", str(clients_out), **vault_password
        )
        assert clients.returncode == 0, clients
        assert list(home.iterdir()) == []
        shown = hactl(home, "render", str(path), **vault_password)
        lint = hactl(home, "lint", str(path), **vault_password)
        for run in (files, clients, shown, lint):
            assert not any(
                line in run.stdout + run.stderr for line in authority.key.splitlines()[1:-1]
            )
        trees.append({file.relative_to(out): file.read_bytes() for file in out.rglob("*.pem")})
        assert (clients_out / "ca.pem").read_text() == authority.trusted
    assert len(trees[0]) == 6 and trees[0] == trees[1], (
        "two machines with the CA render the same certificates"
    )
    assert not any(authority.key.encode() in content for content in trees[0].values())


def test_without_the_vaults_password_the_error_names_the_option(
    vault: tuple[Path, Path, Authority], tmp_path: Path
) -> None:
    result = hactl(tmp_path, "render", str(vault[0]))
    assert result.returncode == 3 and "vault-password" in result.stderr


def test_without_a_ca_client_files_are_refused_and_render_names_the_incomplete_files(
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


def test_a_secret_that_is_no_pem_is_refused_and_not_shown(first: Project, tmp_path: Path) -> None:
    home = tmp_path / "ci"
    home.mkdir()
    (tmp_path / "ca.pem").write_text(make("kafka").trusted)
    text = first.path.read_text().replace("tls: generated", "tls: {ca: ca.pem, key: !env CA_KEY}")
    (tmp_path / "env.yml").write_text(text)
    result = hactl(home, "render", str(tmp_path / "env.yml"), CA_KEY="c2VjcmV0LWtleQ")
    assert result.returncode == 3 and "the secret in `key` is not a PEM text" in result.stderr
    assert "c2VjcmV0LWtleQ" not in result.stdout + result.stderr


def test_a_missing_key_file_is_an_error_with_its_path(first: Project) -> None:
    text = yaml.safe_load(first.path.read_text())
    text["all"]["vars"]["kafka"]["tls"] = {"ca": make("kafka").trusted, "key": "keys/ca.key"}
    first.path.write_text(yaml.safe_dump(text))
    project = load(first.path)
    with pytest.raises(InputError, match=r"kafka-certificate: .*keys/ca\.key"):
        project.render("kafka1", FACTS)
