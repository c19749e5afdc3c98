"""docs/verify.md lists every check, and its example of an operator's tests runs."""

from __future__ import annotations

import re
from collections.abc import Callable

from provision.checks.verify.result import SUITE
from provision.checks.verify.snapshot import VerifySnapshot
from provision.deploy.project import Project
from provision.hosts.live.checks import DIRECTOR, FRONTEND, HOST, REAL_SERVER
from tests import REPOSITORY
from tests.checks.verify.test_run import own, project, run, well

__all__ = ["own", "project", "well"]

DOCUMENT = (REPOSITORY / "docs/verify.md").read_text()


def test_every_check_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)
    tests = re.findall(
        r"^def test_(\w+)\(",
        "".join(path.read_text() for path in SUITE.glob("test_*.py")),
        re.MULTILINE,
    )
    generic = {"host", "director", "real_server", "front_end"}
    judgements = {check.__name__ for check in (*HOST, *DIRECTOR, *REAL_SERVER, *FRONTEND)}
    assert set(listed) == judgements | (set(tests) - generic)
    assert generic <= set(tests)
    assert len(listed) == len(set(listed))


def test_the_example_of_own_tests(
    project: Project, well: VerifySnapshot, own: Callable[[str], None]
) -> None:
    """Without hosts: a test that needs a host fails at the login."""
    own(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)[0])
    checks = {
        name: check for (name, _), check in run(project, well).items() if name.startswith("tests/")
    }
    assert checks["tests/test_own.py::test_two_directors"].ok
    assert checks["tests/test_own.py::test_little_traffic"].ok
    on_hosts = {name.partition("::")[2]: check for name, check in checks.items() if check.host}
    assert set(on_hosts) == {
        "test_page_names_its_server[web1]", "test_page_names_its_server[web2]",
        "test_enough_memory[lvs1]", "test_enough_memory[lvs2]",
    }  # fmt: skip
    assert all("127.0.0.1" in check.message for check in on_hosts.values())
