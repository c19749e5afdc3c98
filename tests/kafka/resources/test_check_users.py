"""A director never gets a login that brokers refuse; test_roll_lab.py tests a whole deploy."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from provision.core.errors import HactlError
from provision.core.events import Console
from provision.core.facts import Facts
from provision.deploy.change import Change
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.project import Project, load
from provision.hosts.agent.observe import Observed
from provision.kafka import ssh_tunnel
from provision.kafka.admin import connected
from provision.kafka.resources.check_users import SETTINGS, prepare
from provision.kafka.resources.observe import NotAdmitted
from provision.kafka.rolling import deploy
from tests.kafka.resources.trio import Trio

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def loopback(three: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect to the brokers over the loopback interface."""
    monkeypatch.setattr(ssh_tunnel, "administrator", lambda *_: nullcontext(three.admin))
    monkeypatch.setattr(deploy, "logins", lambda *_: nullcontext(None))


def project_with_login(three: Trio, folder: Path, login: str, **known_users: str) -> Project:
    """Return the inventory with another login of the check, and with these passwords."""
    document = yaml.safe_load((three.folder / "inventory.yml").read_text())
    variables = document["all"]["vars"]
    variables["frontends"][0]["services"][0]["check"]["login"] = login
    passwords = {user: {"password": password} for user, password in known_users.items()}
    variables["kafka"]["users"] |= passwords
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(document))
    return load(path)


def prepare_changes(project: Project, *changed: str) -> None:
    """Prepare a deploy that changes these files of the director."""
    desired = project.render("director", Facts(default_interface="eth0"))
    changes = tuple(Change("file", path, "update") for path in changed)
    plan = HostPlan("director", changes, desired, Observed(Facts(), {}))
    prepare(project, Inspection({"director": plan}), Console(), lab=False)


def known_users(three: Trio) -> set[str]:
    """Return the users of the cluster."""
    with connected(three.admin) as admin:
        return set(admin.describe_user_scram_credentials())


def test_another_password_of_the_check_s_user_is_refused_before_any_host_is_changed(
    three: Trio, tmp_path: Path
) -> None:
    changed = project_with_login(three, tmp_path, "check", check="an0ther")
    with pytest.raises(
        HactlError,
        match=r"refused by 127\.0\.0\.1 as check, 127\.0\.0\.2 as check, 127\.0\.0\.3 as ch",
    ):
        prepare_changes(changed, SETTINGS)
    prepare_changes(changed, "/etc/keepalived/keepalived.conf")


def test_a_new_user_is_created_before_directors_log_in_as_it(
    three: Trio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "next" not in known_users(three)
    project = project_with_login(three, tmp_path, "next", next="pr0be-2", other="n0t-now")
    prepare_changes(project, SETTINGS)
    assert known_users(three) == {"admin", "check", "next"}
    assert "created user next first" in capsys.readouterr().err
    prepare_changes(project, SETTINGS)
    assert capsys.readouterr().err == ""


def test_a_broker_that_is_down_does_not_count_as_a_refusal(three: Trio, tmp_path: Path) -> None:
    with three.without(2):
        prepare_changes(project_with_login(three, tmp_path, "check"), SETTINGS)


def test_another_password_of_the_admin_is_refused(
    three: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = type(three.admin)(**{**vars(three.admin), "password": "wr0ng"})
    monkeypatch.setattr(ssh_tunnel, "administrator", lambda *_: nullcontext(wrong))
    with pytest.raises(NotAdmitted) as caught:
        prepare_changes(project_with_login(three, tmp_path, "check"), SETTINGS)
    assert "change to a second admin" in caught.value.hint
