"""Prints the wall-clock seconds of each phase of `hactl plan bench.yml --limit web`, as JSON."""

# ruff: noqa: E402 - the imports are what is measured
import gc
import json
import os
import time
from pathlib import Path

clock = [time.perf_counter()]
phases: dict[str, float] = {}


def done(phase: str) -> None:
    clock.append(time.perf_counter())
    phases[phase] = clock[-1] - clock[-2]


# Field 22 of proc_pid_stat(5): when this process began, in ticks since boot.
ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
uptime = float(Path("/proc/uptime").read_text().split()[0])
phases["Python starts"] = max(0.0, uptime - ticks / os.sysconf("SC_CLK_TCK"))
gc.set_threshold(100_000)  # as the command line does

import provision.commands.main

done("import the command line (typer)")
import fabric  # noqa: F401

done("import fabric, paramiko, cryptography")
import jinja2  # noqa: F401
import pydantic  # noqa: F401
import yaml  # noqa: F401

done("import pydantic, jinja2, yaml")
import provision.commands.plan  # noqa: F401
from provision.checks.lint.rules import check
from provision.core.events import Console
from provision.deploy.inspection import inspect
from provision.deploy.project import load

done("import hactl's own modules, the model's classes")
project = load(Path("bench.yml"))
check(project)
done("read, validate and lint the inventory")
targets = project.targets(project.managed("web"))
with inspect(targets, project.render, project.inventory.secrets, Console()) as inspection:
    inspection.raise_failures()
    done("log in, observe, render and compare, four hosts at once")
done("close the connections")
print(json.dumps(phases))
