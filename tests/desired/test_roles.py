"""Roles: their folders, the checks of their files, and the order of their variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from provision.core.errors import InputError, Position
from provision.core.shipped import shipped
from provision.desired.roles import Role, bind, load_role, search_path
from provision.inventory.hosts import Host
from provision.inventory.source import Node

SPECS = """\
    argument_specs:
      main:
        short_description: An example
        options:
          motd: {type: str, required: true, description: The text}
          lines: {type: int, default: 3, choices: [3, 4]}
          colours: {type: list, elements: str}
          frame: {type: dict, options: {width: {type: int, required: true}}}
"""
GOOD = {
    "manifest.yml": "files: [{path: /etc/motd, template: motd.j2}]",
    "meta/argument_specs.yml": SPECS,
    "defaults/main.yml": "lines: 3",
    "templates/motd.j2": "{{ motd }}",
}


def write_role(folder: Path, name: str = "motd", **files: str) -> Path:
    """Write a role with the files of GOOD and `files`; returns the parent folder."""
    for path, text in {**GOOD, **files}.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text))
    return folder


def load(tmp_path: Path, **files: str) -> Role:
    return load_role("motd", (write_role(tmp_path, **files),))


def host(variables: Mapping[str, Any]) -> Host:
    position = Position("inventory.yml", 4, 7)
    return Host(
        "web1", position, {name: Node.of(value, position) for name, value in variables.items()}, ()
    )


def mistakes(tmp_path: Path, **files: str) -> str:
    """The messages about a role with these files, with paths relative to the role."""
    with pytest.raises(InputError) as error:
        load(tmp_path, **files)
    return str(error.value).replace(f"{tmp_path}/motd/", "")


def test_a_role_beside_the_inventory_replaces_a_shipped_role(tmp_path: Path) -> None:
    search = search_path(tmp_path / "site" / "inventory.yml")
    assert search == (tmp_path / "site" / "roles", tmp_path / "roles", shipped("roles"))
    assert load_role("web", search).path == shipped("roles") / "web"
    write_role(tmp_path / "roles", "web")
    assert load_role("web", search).path == tmp_path / "roles" / "web"
    write_role(tmp_path / "site" / "roles", "web")
    assert load_role("web", search).path == tmp_path / "site" / "roles" / "web"


def test_an_unknown_role_is_refused_where_the_inventory_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_role("wbe", search_path(tmp_path / "inventory.yml"), Position("inventory.yml", 9, 21))
    assert str(error.value).startswith("inventory.yml:9:21: role-unknown: there is no role `wbe`; ")
    assert str(error.value).endswith("the nearest known one is `web`")


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("manifest.yml", "files: [", "manifest.yml:1:9: yaml-syntax: "),
        ("manifest.yml", "", "manifest.yml:1:1: role-empty: "),
        (
            "manifest.yml",
            "filse: []",
            "manifest.yml:1:1: unknown-field: unknown field `filse`; "
            "the nearest known one is `files`",
        ),
        (
            "manifest.yml",
            "files: [{path: /a, template: motd.j2, mod: '0600'}]",
            "manifest.yml:1:39: unknown-field: unknown field `mod`; "
            "the nearest known one is `mode`",
        ),
        (
            "manifest.yml",
            "files: {path: /a}",
            "manifest.yml:1:8: wrong-type: `files` does not fit; it is a mapping",
        ),
        (
            "manifest.yml",
            "units: [{name: 5}]",
            "manifest.yml:1:16: wrong-type: `name` does not fit; it is a number",
        ),
        ("manifest.yml", "units: [{}]", "manifest.yml:1:9: missing-field: `name` is missing"),
        (
            "manifest.yml",
            "units: [{name: a, on_change: kill}]",
            "manifest.yml:1:30: wrong-value: `on_change` cannot be `kill`",
        ),
        (
            "manifest.yml",
            "units: [{name: a, when: x == 1}]",
            "manifest.yml:1:25: wrong-value: `when`: 'x == 1' is not a condition",
        ),
        (
            "manifest.yml",
            "files: [{path: /a, template: motd.j2, mode: 0644}]",
            "manifest.yml:1:45: wrong-type: `mode` does not fit",
        ),
        (
            "manifest.yml",
            "files: [{path: /a, template: motd.j2, mode: '644'}]",
            "manifest.yml:1:45: wrong-value: `mode`: '644' is not a file mode",
        ),
        (
            "manifest.yml",
            "files:\n  - {path: /a, template: mot.j2}",
            "manifest.yml:2:26: template-missing: there is no template `mot.j2` in ",
        ),
        (
            "meta/argument_specs.yml",
            "argument_specs: {main: {option: {}}}",
            "meta/argument_specs.yml:1:25: unknown-field: ",
        ),
        (
            "meta/argument_specs.yml",
            SPECS.replace("type: int,", "type: number,", 1),
            "meta/argument_specs.yml:6:21: wrong-value: ",
        ),
        (
            "defaults/main.yml",
            "- lines",
            "defaults/main.yml:1:1: wrong-type: defaults must be a mapping",
        ),
        (
            "defaults/main.yml",
            "line: 3",
            "defaults/main.yml:1:7: undeclared-variable: `line` has a default but is not declared",
        ),
    ],
)
def test_a_mistake_in_a_role_is_reported_with_its_line(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    assert mistakes(tmp_path, **{file: text}).startswith(complaint)


def test_computed_variables_come_before_host_variables_and_these_before_defaults(
    tmp_path: Path,
) -> None:
    role = load(tmp_path, **{"defaults/main.yml": "lines: 3\nmotd: a default"})
    assert bind(role, host({}), {})["motd"] == "a default"
    assert bind(role, host({"motd": "the host's"}), {})["motd"] == "the host's"
    assert bind(role, host({"motd": "the host's"}), {"motd": "computed"})["motd"] == "computed"


def test_a_default_may_use_computed_variables_and_the_defaults_above_it(tmp_path: Path) -> None:
    defaults = 'motd: "I am {{ inventory_hostname }}"\ncolours: ["{{ motd }}!"]'
    bound = bind(
        load(tmp_path, **{"defaults/main.yml": defaults}), host({}), {"inventory_hostname": "web1"}
    )
    assert bound["colours"] == ["I am web1!"]


def test_a_role_sees_only_declared_variables(tmp_path: Path) -> None:
    assert "ansible_password" not in bind(
        load(tmp_path), host({"motd": "x", "ansible_password": "p"}), {}
    )


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "missing-variable: host `web1` has role `motd` but no `motd`; the role requires it"),
        ({"motd": 5}, "wrong-type: `motd` must be text; it is a number; put it in quotes"),
        (
            {"motd": "x", "lines": True},
            "wrong-type: `lines` must be a whole number; it is true or false",
        ),
        ({"motd": "x", "lines": 5}, "wrong-value: `lines` must be one of `3`, `4`"),
        (
            {"motd": "x", "colours": ["red", 1]},
            "wrong-type: `colours[1]` must be text; it is a number",
        ),
        ({"motd": "x", "frame": {}}, "missing-field: `frame.width` is missing"),
        (
            {"motd": "x", "frame": {"width": 1, "hight": 2}},
            "unknown-field: unknown field `hight` in `frame`",
        ),
    ],
)
def test_a_variable_that_does_not_match_its_declaration_is_refused(
    tmp_path: Path, variables: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as error:
        bind(load(tmp_path), host(variables), {})
    assert str(error.value).startswith(f"inventory.yml:4:7: {complaint}")


@pytest.mark.parametrize("name", sorted(path.name for path in shipped("roles").iterdir()))
def test_a_shipped_role_loads_and_its_documents_agree_with_its_defaults(name: str) -> None:
    role = load_role(name, (shipped("roles"),))
    for name, node in role.defaults.items():
        default, documented = node.plain(), role.options[name].default
        # The documentation of a templated default may be prose.
        templated = isinstance(default, str) and "{{" in default
        assert templated or default in (documented, None), (
            f"{name} is {default}, documented as {documented}"
        )
    readme = (role.path / "README.md").read_text()
    assert [option for option in role.options if f"`{option}`" not in readme] == []
