"""Role keepalived: Keepalived accepts its file, and all fields of the inventory have an effect."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from provision.core.errors import InputError
from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.desired.host_variables import host_variables
from provision.desired.templates import render_file
from provision.inventory.model import Frontend
from provision.inventory.settings import HostSettings
from provision.inventory.validation import candidates
from tests.inventory.building import DUAL, frontend, topology
from tests.roles.keepalived_cases import CASES
from tests.roles.keepalived_cases.case import Case

TEMPLATES = shipped("roles") / "keepalived" / "templates"

needs_keepalived = pytest.mark.skipif(
    shutil.which("keepalived") is None or os.geteuid() != 0,
    reason="needs root and the package keepalived",
)

NETWORK = """
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth0 up; ip link set eth1 up
ip addr add 192.168.227.101/24 dev eth0; ip addr add fd00:227::101/64 dev eth0 nodad
exec env --ignore-signal=TERM keepalived -t -f "$0"  # as the role calls 2.2.7
"""


def rendered(case: Case, host: str = "lvs1") -> str:
    """keepalived.conf of a director."""
    site = topology(case.frontends, hosts=case.hosts, keepalived=case.keepalived, **case.common)
    return render_file(TEMPLATES, "keepalived.conf.j2", host_variables(site, host, Facts()))


def keepalived_test(text: str, folder: Path) -> tuple[int, str]:
    """Exit status and messages of the real `keepalived -t`, in a network with eth0 and eth1."""
    path = folder / "keepalived.conf"
    path.write_text(text)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", NETWORK, str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.keepalived
@needs_keepalived
@pytest.mark.parametrize("host", ["lvs1", "lvs2"])
@pytest.mark.parametrize("name", CASES)
def test_keepalived_accepts_the_file_without_a_message(
    name: str, host: str, tmp_path: Path
) -> None:
    text = rendered(CASES[name], host)
    status, messages = keepalived_test(text, tmp_path)
    assert (status, messages) == (0, ""), text


@pytest.mark.parametrize("vip", ["fd00:227::10", "fd00:227::10/64"])
def test_no_check_uses_an_ipv6_vip_as_source(vip: str) -> None:
    """With any prefix: the real servers have the VIP too, so their answers would not come back."""
    text = rendered(Case([frontend(vips=[vip])], hosts=DUAL))
    assert re.search(r"^ +fd00:227::10/\d+ preferred_lft 0$", text, re.MULTILINE)


def fields_of(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, str]]:
    """The fields of a model and of the models below it: the declaring class and the name."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield _owner(model, name), name
        for part in _models(field.annotation):
            yield from fields_of(part, seen)


def _owner(model: type[BaseModel], name: str) -> str:
    owners = [base for base in model.__mro__ if name in inspect.get_annotations(base)]
    return owners[-1].__name__


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for candidate in candidates(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield candidate
        else:
            for argument in get_args(candidate):
                yield from _models(argument)


def fields_set(value: Any) -> Iterator[tuple[str, str]]:
    """The fields of a model that have a value, at any depth."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield _owner(type(value), name), name
            yield from fields_set(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            yield from fields_set(part)
    elif isinstance(value, dict):
        yield from fields_set(tuple(value.values()))


def used_fields(case: Case) -> set[tuple[str, str]]:
    site = topology(case.frontends, hosts=case.hosts, keepalived=case.keepalived, **case.common)
    models = [*(frontend.model for frontend in site.frontends), *site.hosts.values()]
    return {field for model in models for field in fields_set(model)}


def test_every_field_of_the_model_is_in_some_case() -> None:
    """A field without a case would be untested."""
    known = {*fields_of(Frontend, set()), *fields_of(HostSettings, set())}
    used = {field for case in CASES.values() for field in used_fields(case)}
    assert known - used == set()


def variations(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """`value` without one key of a mapping, for every key at any depth, with the path of that key.

    The path has no list indices, but the types of checks.
    """
    if isinstance(value, dict):
        here = (*path, value["type"]) if isinstance(value.get("type"), str) else path
        for key in value:
            yield (*here, key), {name: field for name, field in value.items() if name != key}
            yield from (
                (deep, {**value, key: changed})
                for deep, changed in variations(value[key], (*here, key))
            )
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from (
                (deep, [*value[:index], changed, *value[index + 1 :]])
                for deep, changed in variations(part, path)
            )


def outputs(case: Case) -> list[Any]:
    """Everything that a case sets on hosts."""
    site = topology(case.frontends, hosts=case.hosts, keepalived=case.keepalived, **case.common)
    results: list[Any] = []
    for host in ("lvs1", "lvs2", "web1", "web2"):
        variables = host_variables(site, host, Facts())
        text = (
            render_file(TEMPLATES, "keepalived.conf.j2", variables)
            if site.directed_by(host)
            else ""
        )
        rules = [service.lines for service in variables["ipvs_services"]]
        results.append(
            (
                text,
                rules,
                variables["firewall_openings"],
                variables["ipvs_manager"],
                site.roles_of(host),
            )
        )
        results.append([variables[name] for name in ("kafka", "zookeeper", "kafka_check")])
    return results


def test_every_field_has_an_effect() -> None:
    """In at least one case, the removal of a field changes the results."""
    effects: dict[tuple[str, ...], bool] = {}
    for case in CASES.values():
        before = outputs(case)
        everything = {
            "frontends": case.frontends,
            "keepalived": case.keepalived,
            "common": case.common,
        }
        for path, changed in variations(everything):
            if len(path) == 1:
                continue
            try:
                differs = outputs(replace(case, **changed)) != before
            except InputError:
                differs = True  # the field is required
            effects[path] = effects.get(path, False) or differs
    idle = [path for path, differs in effects.items() if not differs]
    assert idle == [], idle
