"""Templates in inventory values: Ansible's results, secrets, and mistakes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from provision.core.errors import InputError
from provision.inventory.hosts import Host
from provision.inventory.reader import read_inventory
from provision.inventory.source import Node
from provision.inventory.templating import resolve, resolve_inventory
from tests.inventory.test_ansible import ansible

TEMPLATES = Path(__file__).parent / "cases_templates" / "hosts.yml"


def host_of(folder: Path, variables: str) -> Host:
    """Host `h` with these lines as its variables, resolved."""
    path = folder / "hosts.yml"
    indented = "".join(f"    {line}\n" for line in variables.splitlines())
    path.write_text(
        f"all:\n  hosts: {{h: , other: {{secret: !env HACTL_SECRET, open: text}}}}\n  "
        f"vars:\n{indented}"
    )
    inventory = read_inventory(path)
    return resolve(inventory.hosts["h"], inventory)


def problem_of(folder: Path, variables: str) -> str:
    with pytest.raises(InputError) as caught:
        host_of(folder, variables)
    (problem,) = caught.value.problems
    return str(problem).removeprefix(f"{folder}/")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HACTL_SECRET", "hunter2")


@pytest.mark.parametrize("host", ["w1", "w2.example.org"])
def test_results_are_those_of_ansible(host: str, tmp_path: Path) -> None:
    """A real `ansible` renders every variable of the case, which takes about a second."""
    inventory = read_inventory(TEMPLATES)
    resolved = resolve(inventory.hosts[host], inventory)
    message = "{{ {" + ", ".join(f"'{name}': {name}" for name in resolved.vars) + "} }}"
    arguments = [
        host,
        "-i",
        str(TEMPLATES),
        "-c",
        "local",
        "-m",
        "debug",
        "-a",
        json.dumps({"msg": message}),
    ]
    printed = ansible("ansible", *arguments, home=tmp_path)
    theirs = json.loads(printed[printed.index("=> {") + 3 :])["msg"]
    assert (
        json.loads(
            json.dumps({name: node.plain() for name, node in resolved.vars.items()}, default=str)
        )
        == theirs
    )


def test_a_result_has_the_place_of_its_template(tmp_path: Path) -> None:
    host = host_of(tmp_path, 'a: 1\nb: ["x", "{{ a }}"]\nc: "{{ b }}"')
    assert str(host.vars["b"].at(1).position) == f"{tmp_path}/hosts.yml:5:14"
    assert host.vars["c"].plain() == ["x", 1]


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ s }}", "********"),
        ("a{{ s }}b", "********"),
        ("{{ s | length }}", "********"),
        ("{% if s == 'hunter2' %}yes{% endif %}", "********"),
        ("{{ lookup('env', 'HACTL_SECRET') }}", "********"),
        ("{{ again }}", "********"),
        ("{{ d.s }}", "********"),
        ("{{ d.open }}", "text"),
        ("{{ d }}", {"s": "********", "open": "text"}),
        ("{{ d | tojson }}", "********"),
        ("{{ d | list }}", ["s", "open"]),
        ("{{ d.items() | list }}", [["********", "********"], ["********", "********"]]),
        ("{{ l[1] }}", "text"),
        ("{{ l[0] }}", "********"),
        ("{{ l | tojson }}", "********"),
        ("{{ l | join(',') }}", "********"),
        ("{{ l | last }}", "text"),
        ("{{ l + ['x'] }}", ["********", "********", "********"]),
        ("{{ 'text' in l }}", "********"),
        ("{{ l | length }}", 2),
        ("{{ hostvars.other.open }}", "text"),
        ("{{ hostvars['other']['secret'] }}", "********"),
        ("{{ dict(d) }}", {"s": "********", "open": "********"}),
        ("{{ d == {} }}", "********"),
        ("x{{ d }}", "********"),
    ],
)
def test_a_template_that_used_a_secret_is_a_secret(
    template: str, shown: Any, tmp_path: Path
) -> None:
    common = (
        's: !env HACTL_SECRET\nagain: "{{ s }}"\n'
        'd: {s: "{{ s }}", open: text}\nl: ["{{ s }}", text]\n'
    )
    host = host_of(tmp_path, f"{common}t: {json.dumps(template)}")
    node = host.vars["t"]
    assert node.masked() == shown
    if shown == "********":
        assert node.secret


def test_the_result_of_a_template_is_not_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HACTL_SECRET", "{{ a }}")
    host = host_of(
        tmp_path,
        'a: 1\ns: !env HACTL_SECRET\nt: "{{ s }}"\nu: "{{ t }}"\nv: !unsafe "{{ a }}"\nw: "{{ v '
        '}}"',
    )
    assert [host.vars[name].plain() for name in "stuvw"] == ["{{ a }}"] * 5
    inventory = read_inventory(tmp_path / "hosts.yml")
    assert resolve(host, inventory).var("u") == "{{ a }}"


def test_a_value_may_refer_to_its_neighbours(tmp_path: Path) -> None:
    host = host_of(
        tmp_path,
        'web: {port: 80, url: "http://{{ web.name }}:{{ web.port }}/", name: "{{ '
        'inventory_hostname }}"}',
    )
    assert host.var("web")["url"] == "http://h:80/"


def test_values_without_templates_stay_the_same_nodes(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text('all: {hosts: {h: {a: {b: [1]}, c: "{{ a }}"}}}\n')
    inventory = read_inventory(path)
    resolved = resolve(inventory.hosts["h"], inventory)
    assert resolved.vars["a"] is inventory.hosts["h"].vars["a"]
    assert resolved.vars["c"] == inventory.hosts["h"].vars["a"]


def test_an_environment_variable_with_a_default(tmp_path: Path) -> None:
    node = host_of(tmp_path, "a: \"{{ lookup('env', 'HACTL_UNSET', default='d') }}\"").vars["a"]
    assert node == Node("d", node.position, secret=True)


MISTAKES = [
    (
        'vip: 1\na: "{{ vpi }}"',
        "hosts.yml:5:8: template-undefined: the template uses an undefined name for host 'h': "
        "variable 'vpi' is not defined; did you mean 'vip'? Otherwise define it for this host or "
        "one of its groups, or use `| default(…)`",
    ),
    (
        'd: {x: 1}\na: "{{ d.y }}"',
        "hosts.yml:5:8: template-undefined: the template uses an undefined name for host 'h': the "
        "value has no 'y'; define it for this host or one of its groups, or use `| default(…)`",
    ),
    (
        "a: \"{{ hostvars['nobody'].x }}\"",
        "hosts.yml:4:8: template-undefined: the template uses an undefined name for host 'h': the "
        "value has no 'nobody'; define it for this host or one of its groups, or use `| "
        "default(…)`",
    ),
    (
        'a: ["{{ nosuch }}"]\nb: "{{ a }}"',
        "hosts.yml:4:9: template-undefined: the template uses an undefined name for host 'h': "
        "variable 'nosuch' is not defined; define it for this host or one of its groups, or use "
        "`| default(…)`",
    ),
    (
        'a: "{{ b"',
        "hosts.yml:4:8: template-syntax: not a template: unexpected end of template, expected "
        "'end of print statement'.; correct it, or tag the value !unsafe if the braces are meant",
    ),
    (
        'a: "{{ 1 | nosuch }}"',
        "hosts.yml:4:8: template-syntax: not a template: No filter named 'nosuch'.; correct it, "
        "or tag the value !unsafe if the braces are meant",
    ),
    (
        'a: "{{ a }}"',
        "hosts.yml:4:8: template-loop: the value depends on itself; break the cycle of references",
    ),
    (
        "a: \"{{ lookup('env', 'HACTL_UNSET') }}\"",
        "hosts.yml:4:8: template-env: the environment variable HACTL_UNSET is not set; set it "
        "before the run, e.g. `export HACTL_UNSET=…`, or give the lookup a default=",
    ),
    (
        "a: \"{{ lookup('pipe', 'id') }}\"",
        "hosts.yml:4:8: template-error: the template fails for host 'h': TypeError: "
        "lookup('pipe') does not exist here, only lookup('env', NAME) does; correct the expression",
    ),
    (
        'a: "{{ 1 / 0 }}"',
        "hosts.yml:4:8: template-error: the template fails for host 'h': ZeroDivisionError: "
        "division by zero; correct the expression",
    ),
    (
        "a: \"{{ ''.__class__.__mro__ }}\"",
        "hosts.yml:4:8: template-error: the template fails for host 'h': SecurityError: access to "
        "attribute '__class__' of 'str' object is unsafe.; correct the expression",
    ),
    (
        's: !env HACTL_SECRET\nd: {x: 1}\na: "{{ d[s] }}"',
        "hosts.yml:6:8: template-undefined: the template uses an undefined name for host 'h'; "
        "define it for this host or one of its groups, or use `| default(…)`",
    ),
]


@pytest.mark.parametrize(("variables", "message"), MISTAKES)
def test_a_mistake_has_a_place_and_a_remedy(variables: str, message: str, tmp_path: Path) -> None:
    assert problem_of(tmp_path, variables) == message


def test_a_cycle_is_reported_for_all_its_variables(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        host_of(tmp_path, 'a: "{{ b }}"\nb: "x{{ c }}"\nc: ["{{ a }}"]')
    assert {problem.rule for problem in caught.value.problems} == {"template-loop"}


def test_a_chain_too_long_for_python_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    lines = [f'v{index}: "{{{{ v{index + 1} }}}}"' for index in range(500)] + ["v500: 1"]
    with pytest.raises(InputError, match="leads through too many others"):
        host_of(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("count", [3, 40])
def test_values_that_templates_nest_in_each_other_have_a_limit(count: int, tmp_path: Path) -> None:
    """Every variable has 60 levels, and the variable before it in its innermost list."""
    lines = ["v0: 1"] + [
        f"v{index}: {'[' * 60}'{{{{ v{index - 1} }}}}'{']' * 60}" for index in range(1, count)
    ]
    with pytest.raises(
        InputError, match="nested deeper than 100 levels once its templates are rendered"
    ) as caught:
        host_of(tmp_path, "\n".join(lines))
    assert "template-depth" in {problem.rule for problem in caught.value.problems}
    assert host_of(tmp_path, "\n".join(lines[:2])).vars["v1"].plain() is not None


def test_no_message_quotes_a_secret(tmp_path: Path) -> None:
    for template in (
        "{{ s | int('x') / 0 }}",
        "{{ s.nosuch }}",
        "{{ {}[s] }}",
        "{{ s + 1 }}",
        "{{ s['x'] | dictsort }}",
    ):
        message = problem_of(tmp_path, f"s: !env HACTL_SECRET\nt: {json.dumps(template)}")
        assert "hunter2" not in message
        assert re.search("template-(error|undefined)", message)


def test_a_mistake_in_a_group_is_reported_once_for_all_hosts(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(
        'all: {hosts: {"h[1:9]": }, vars: {a: "{{ nosuch }}", b: "{{ a }}", c: "{{ 1/0 }}"}}\n'
    )
    with pytest.raises(InputError) as caught:
        resolve_inventory(read_inventory(path))
    assert [problem.rule for problem in caught.value.problems] == [
        "template-undefined",
        "template-error",
    ]


def test_a_thousand_hosts_take_less_than_a_second(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    shared = (
        "{l: [{p: 80, u: '{{ inventory_hostname }}:{{ port }}'}], port: 80, big: [1, 2, {a: b}]}"
    )
    path.write_text(
        f'all: {{hosts: {{"h[1:1000]": {{mine: "{{{{ l[0].u }}}}"}}}}, vars: {shared}}}\n'
    )
    inventory = read_inventory(path)
    before = time.process_time()
    resolved = resolve_inventory(inventory)
    assert time.process_time() - before < 1
    assert resolved.hosts["h7"].var("mine") == "h7:80"
