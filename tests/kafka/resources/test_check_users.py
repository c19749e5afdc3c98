"""A director is never told of a login that brokers refuse; in tests/kafka/test_roll_lab.py a whole deploy does this."""

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
def straight(three: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to the brokers is the loopback interface."""
    monkeypatch.setattr(ssh_tunnel, "administrator", lambda *_: nullcontext(three.admin))
    monkeypatch.setattr(deploy, "logins", lambda *_: nullcontext(None))


def saying(three: Trio, folder: Path, login: str, **users: str) -> Project:
    """The inventory with another login of the check, and with these passwords."""
    document = yaml.safe_load((three.folder / "inventory.yml").read_text())
    said = document["all"]["vars"]
    said["frontends"][0]["services"][0]["check"]["login"] = login
    said["kafka"]["users"] |= {user: {"password": password} for user, password in users.items()}
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(document))
    return load(path)


def told(project: Project, *changed: str) -> None:
    """A deploy is about to change these files of the director."""
    desired = project.render("director", Facts(default_interface="eth0"))
    changes = tuple(Change("file", path, "update") for path in changed)
    found = Inspection({"director": HostPlan("director", changes, desired, Observed(Facts(), {}))})
    prepare(project, found, Console(), lab=False)


def users(three: Trio) -> set[str]:
    """Those that the brokers know."""
    with connected(three.admin) as admin:
        return set(admin.describe_user_scram_credentials())


def test_another_password_of_the_check_s_user_is_refused_before_any_host_is_changed(
    three: Trio, tmp_path: Path
) -> None:
    changed = saying(three, tmp_path, "check", check="an0ther")
    with pytest.raises(
        HactlError,
        match=r"let in by 127\.0\.0\.1 as check, 127\.0\.0\.2 as check, 127\.0\.0\.3 as ch",
    ):
        told(changed, SETTINGS)
    told(changed, "/etc/keepalived/keepalived.conf")


def test_a_new_user_is_made_before_directors_log_in_as_it(
    three: Trio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "next" not in users(three)
    wanted = saying(three, tmp_path, "next", next="pr0be-2", other="n0t-now")
    told(wanted, SETTINGS)
    assert users(three) == {"admin", "check", "next"}
    assert "user next is made first" in capsys.readouterr().err
    told(wanted, SETTINGS)
    assert capsys.readouterr().err == ""


def test_a_broker_that_is_down_is_none_of_the_login_s_business(three: Trio, tmp_path: Path) -> None:
    with three.without(2):
        told(saying(three, tmp_path, "check"), SETTINGS)


def test_another_password_of_the_admin_is_refused(
    three: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = type(three.admin)(**{**vars(three.admin), "password": "wr0ng"})
    monkeypatch.setattr(ssh_tunnel, "administrator", lambda *_: nullcontext(wrong))
    with pytest.raises(NotAdmitted) as caught:
        told(saying(three, tmp_path, "check"), SETTINGS)
    assert "go over to a second admin" in caught.value.hint
