"""Run the suite and the operator's own tests beside the inventory, with pytest in this process.

It prints nothing, and writes only the JUnit file, where one is given.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from provision.checks.verify.result import OWN_TESTS, SUITE, Check, Verification
from provision.checks.verify.snapshot import VerifySnapshot, take
from provision.core.coverage import Coverage
from provision.core.errors import HactlError
from provision.core.events import Events
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions


def run(
    project: Project, sessions: Sessions, events: Events, junit: Path | None = None
) -> Verification:
    """Inspect the site once, then check it; `sessions` has all managed hosts and the client.

    Raises:
        HactlError: pytest itself failed.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(1, thread_name_prefix="snapshot") as pool:
        taken = pool.submit(take, project, sessions, events)
        # The import of pytest takes a moment: it runs while the hosts answer.
        import_module("provision.checks.verify.plugin")
        snapshot = taken.result()
    checks = examine(project, sessions, snapshot, junit)
    reasons = {host: error.line() for host, error in snapshot.errors.items()}
    coverage = Coverage(tuple(sessions.targets), reasons)
    return Verification(checks, coverage, time.monotonic() - started)


def examine(
    project: Project, sessions: Sessions, snapshot: VerifySnapshot, junit: Path | None = None
) -> tuple[Check, ...]:
    """Check the snapshot: a check for each test of the suite and for each of the operator's tests.

    Raises:
        HactlError: pytest itself failed.
    """
    import pytest

    from provision.checks.verify.plugin import VerifyPlugin

    plugin = VerifyPlugin(project, sessions, snapshot)
    folder = project.path.parent.resolve()
    own_tests = folder / OWN_TESTS
    arguments = ["-c", str(SUITE / "pytest.ini"), "--rootdir", str(folder)]
    arguments += ["--confcutdir", str(folder), "--import-mode=importlib"]
    arguments += ["-o", f"pythonpath={own_tests}", "--capture=sys", "-p", "no:cacheprovider"]
    arguments += ["--continue-on-collection-errors"]
    arguments += [f"--junit-xml={junit}"] if junit else []
    arguments += [str(SUITE), *([str(own_tests)] if own_tests.is_dir() else [])]
    with _isolated(own_tests) as output:
        code = pytest.main(arguments, plugins=[plugin])
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    expected = (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    )
    if code not in expected and all(check.ok for check in plugin.checks):
        raise HactlError(f"pytest ended with {code!r}", output.getvalue().strip()[-2000:])
    return (*plugin.checks, *_missing_tests(own_tests, plugin.checks))


def _missing_tests(own_tests: Path, checks: list[Check]) -> Iterator[Check]:
    """A failed check where the operator's folder has no test, because of a typing mistake."""
    if own_tests.is_dir() and not any(check.name.startswith(f"{OWN_TESTS}/") for check in checks):
        message = f"{own_tests} has no test: name the files test_*.py, and the functions test_*"
        yield Check(f"{OWN_TESTS}/", "", False, None, 0.0, message)


@contextlib.contextmanager
def _isolated(own_tests: Path) -> Iterator[io.StringIO]:
    """Keep pytest from printing, from writing compiled files, and from loading installed plugins.

    The operator's modules are unloaded at the end: this process may run them again.
    """
    environment, dont_write_bytecode, output = (
        dict(os.environ),
        sys.dont_write_bytecode,
        io.StringIO(),
    )
    sys.dont_write_bytecode = True
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield output
    finally:
        sys.dont_write_bytecode = dont_write_bytecode
        os.environ.clear()
        os.environ.update(environment)
        for name, module in list(sys.modules.items()):
            if own_tests in Path(getattr(module, "__file__", None) or "/").parents:
                del sys.modules[name]
