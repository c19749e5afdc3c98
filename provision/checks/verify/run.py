"""Runs the suite, and an operator's own tests beside the inventory, with pytest in this process.

Nothing is printed and nothing written but the JUnit file that was asked for.
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
from provision.core.errors import HactlError
from provision.core.events import Events
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions


def run(
    project: Project, sessions: Sessions, events: Events, junit: Path | None = None
) -> Verification:
    """Look at everything once, then judge it; `sessions` are those of all managed hosts and the client.

    Raises:
        HactlError: pytest itself could not do its work.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(1, thread_name_prefix="snapshot") as pool:
        taken = pool.submit(take, project, sessions, events)
        import_module(
            "provision.checks.verify.plugin"
        )  # pytest takes a moment: spent while hosts are asked
        snapshot = taken.result()
    checks = examine(project, sessions, snapshot, junit)
    return Verification(checks, tuple(snapshot.errors), time.monotonic() - started)


def examine(
    project: Project, sessions: Sessions, snapshot: VerifySnapshot, junit: Path | None = None
) -> tuple[Check, ...]:
    """Judge what was found: a check for each test of the suite and each of the operator's own.

    Raises:
        HactlError: pytest itself could not do its work.
    """
    import pytest

    from provision.checks.verify.plugin import VerifyPlugin

    plugin = VerifyPlugin(project, sessions, snapshot)
    own = project.path.parent.resolve() / OWN_TESTS
    beside = str(project.path.parent.resolve())
    words = ["-c", str(SUITE / "pytest.ini"), "--rootdir", beside, "--confcutdir", beside]
    words += [
        "--import-mode=importlib",
        "-o",
        f"pythonpath={own}",
        "--capture=sys",
        "-p",
        "no:cacheprovider",
    ]
    words += ["--continue-on-collection-errors"]
    words += [f"--junit-xml={junit}"] if junit else []
    words += [str(SUITE), *([str(own)] if own.is_dir() else [])]
    with _quiet(own) as output:
        code = pytest.main(words, plugins=[plugin])
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    ended = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    if code not in ended and all(check.ok for check in plugin.checks):
        raise HactlError(f"pytest ended with {code!r}", output.getvalue().strip()[-2000:])
    return (*plugin.checks, *_nothing(own, plugin.checks))


def _nothing(own: Path, checks: list[Check]) -> Iterator[Check]:
    """An operator's folder of tests in which pytest finds none: a typing mistake must not look like a success."""
    if own.is_dir() and not any(check.name.startswith(f"{OWN_TESTS}/") for check in checks):
        message = f"no test was found in {own}: files are called test_*.py, functions test_*"
        yield Check(f"{OWN_TESTS}/", "", False, None, 0.0, message)


@contextlib.contextmanager
def _quiet(own: Path) -> Iterator[io.StringIO]:
    """Keep pytest from printing, from leaving compiled files beside tests, and from taking in whatever is installed.

    The operator's modules are forgotten, for there may be a second run in this process.
    """
    kept, bytecode, output = dict(os.environ), sys.dont_write_bytecode, io.StringIO()
    sys.dont_write_bytecode = True
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield output
    finally:
        sys.dont_write_bytecode = bytecode
        os.environ.clear()
        os.environ.update(kept)
        for name, module in list(sys.modules.items()):
            if own in Path(getattr(module, "__file__", None) or "/").parents:
                del sys.modules[name]
