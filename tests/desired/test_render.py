"""Rendering: the items of a host, from a role's data and the host's facts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import InputError
from provision.core.facts import Facts
from provision.desired.items import Address, DesiredHost, File, Module, Package, Sysctl, Unit
from provision.desired.render import MODULES_FILE, SYSCTL_FILE, render_roles
from provision.inventory.reader import read_inventory

SPECS = "argument_specs: {main: {options: {motd: {type: str}, loud: {type: bool}}}}"


class Site:
    """An inventory with one host, and the roles that a test writes beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.computed: dict[str, Any] = {}
        self.names: list[str] = []
        self.variables = ""

    def role(self, name: str, manifest: str, defaults: str = "{}", **templates: str) -> Site:
        files = {
            "manifest.yml": manifest,
            "meta/argument_specs.yml": SPECS,
            "defaults/main.yml": defaults,
        }
        files |= {f"templates/{template}.j2": text for template, text in templates.items()}
        for path, text in files.items():
            target = self.folder / "roles" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.names.append(name)
        return self

    def render(self, **facts: Any) -> DesiredHost:
        path = self.folder / "inventory.yml"
        path.write_text(f"all: {{hosts: {{web1: {{{self.variables}}}}}}}")
        variables = {"inventory_hostname": "web1", **self.computed}
        return render_roles(self.names, read_inventory(path), "web1", variables, Facts(**facts))

    def complaint(self) -> str:
        with pytest.raises(InputError) as error:
            self.render()
        return str(error.value).replace(f"{self.folder}/roles/", "")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_entry_of_a_manifest_becomes_an_item(site: Site) -> None:
    manifest = """
packages: [{name: nginx}]
modules: [{name: ip_vs}]
files:
- path: "/etc/{{ inventory_hostname }}"
  template: a.j2
  mode: "0600"
  validate: "cat %s"
  unit: a.service
sysctls: [{name: net.ipv4.ip_forward, value: 1}]
addresses: [{address: 192.0.2.1/32, device: lo, label: "lo:0"}]
units: [{name: a.service, on_change: restart, check: "true"}]
"""
    desired = site.role("a", manifest, a="hello {{ inventory_hostname }}\n").render()
    assert desired.items[:6] == (
        Package("nginx"),
        Module("ip_vs"),
        File("/etc/web1", b"hello web1\n", mode="0600", validate="cat %s", unit="a.service"),
        Sysctl("net.ipv4.ip_forward", "1"),
        Address("192.0.2.1/32", "lo", "lo:0"),
        Unit("a.service", on_change="restart", check="true"),
    )


def test_parameters_and_modules_are_set_at_boot(site: Site) -> None:
    site.role("a", "modules: [{name: ip_vs}]\nsysctls: [{name: net.b, value: '2'}]")
    site.role("b", "sysctls: [{name: net.a, value: '1 10'}]")
    desired = site.render()
    sysctls, modules = desired.get("file", SYSCTL_FILE), desired.get("file", MODULES_FILE)
    assert isinstance(sysctls, File) and isinstance(modules, File)
    assert sysctls.content.splitlines()[1:] == [b"net.a = 1 10", b"net.b = 2"]
    assert modules.content.splitlines()[1:] == [b"ip_vs"]


def test_there_is_an_item_for_each_member_of_a_loop_whose_condition_holds(site: Site) -> None:
    site.computed = {
        "vips": [{"cidr": "192.0.2.1/32", "own": True}, {"cidr": "192.0.2.2/32", "own": False}]
    }
    manifest = (
        "addresses: [{loop: vips, when: not item.own, address: '{{ item.cidr }}', device: lo}]"
    )
    assert site.role("a", manifest).render().items == (Address("192.0.2.2/32", "lo"),)


@pytest.mark.parametrize(("family", "package"), [("debian", "nginx-light"), ("redhat", "nginx")])
def test_an_entry_may_be_for_one_family_only(site: Site, family: str, package: str) -> None:
    site.role(
        "a", "packages: [{name: nginx-light, os_family: debian}, {name: nginx, os_family: redhat}]"
    )
    assert site.render(os_family=family).items == (Package(package),)


def test_a_condition_may_ask_the_facts(site: Site) -> None:
    site.role(
        "a", "packages: [{name: a, when: facts.network_scripts}, {name: b, when: filters_input}]"
    )
    assert site.render().items == ()
    assert site.render(network_scripts=True, firewall="nftables").items == (
        Package("a"),
        Package("b"),
    )


def test_two_roles_may_define_equal_items(site: Site) -> None:
    site.role("a", "units: [{name: a.service}]").role("b", "units: [{name: a.service}]")
    assert site.render().items == (Unit("a.service"),)


def test_two_roles_that_define_an_item_differently_are_both_named(site: Site) -> None:
    site.role("a", "sysctls: [{name: net.x, value: '0'}]").role(
        "b", "sysctls: [{name: net.x, value: '1'}]"
    )
    assert site.complaint().startswith(
        "b/manifest.yml:1:11: role-conflict: roles `a` and `b` define sysctl net.x differently"
    )


def test_a_file_is_secret_if_its_role_says_so(site: Site) -> None:
    manifest = "files: [{path: /a, template: a.j2, secret: true}, {path: /b, template: a.j2}]"
    desired = site.role("a", manifest, a="say nothing").render()
    assert [item.secret for item in desired.of("file") if isinstance(item, File)] == [True, False]


def test_an_unknown_role_is_refused_at_its_position_in_the_list(site: Site) -> None:
    site.role("a", "{packages: []}").names.append("aa")
    site.variables = "hactl_roles: [a, aa]"
    assert "/inventory.yml:1:39: role-unknown: there is no role `aa`; " in site.complaint()


@given(value=st.text(min_size=1))
def test_no_value_adds_a_line_to_the_file_of_parameters(hostile: Site, value: str) -> None:
    hostile.computed = {"value": value}
    try:
        desired = hostile.render()
    except InputError as error:
        assert "bad-item" in str(error)
    else:
        content = next(item.content for item in desired.of("file") if isinstance(item, File))
        assert content.count(b"\n") == 2 and content.endswith(f"net.x = {value}\n".encode())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("hostile")).role(
        "a", "sysctls: [{name: net.x, value: '{{ value }}'}]"
    )


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        (
            "one\n{{ mtod }}\n",
            "a/templates/a.j2:2:1: template-undefined: 'mtod' is undefined; declare it in",
        ),
        ("one\n{% if 1 %}\n", "a/templates/a.j2:2:1: template-syntax: "),
        ("\n\n{{ facts.nothing }}", "a/templates/a.j2:3:1: template-undefined: "),
        ("{{ none }}", "a/templates/a.j2:1:1: template-error: {{ … }} prints nothing"),
        ("\n{{ [1] }}", "a/templates/a.j2:2:1: template-error: {{ … }} prints a whole list"),
        ("\n{{ 1 / 0 }}", "a/templates/a.j2:2:1: template-error: division by zero"),
        (
            "\n{% include 'b.j2' %}",
            "a/templates/a.j2:2:1: template-missing: there is no template `b.j2`",
        ),
        (
            "{{ ''.__class__.mro() }}",
            "a/templates/a.j2:1:1: template-error: access to attribute '__class__'",
        ),
    ],
)
def test_a_failing_template_is_reported_with_its_line(
    site: Site, template: str, complaint: str
) -> None:
    site.role("a", "files: [{path: /a, template: a.j2}]", a=template)
    assert site.complaint().startswith(complaint)


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (
            "\nunits: [{name: '{{ mtod }}'}]",
            "a/manifest.yml:2:9: template-undefined: 'mtod' is undefined",
        ),
        ("units: [{name: '{{'}]", "a/manifest.yml:1:9: template-syntax: "),
        (
            "units: [{name: a, when: lout}]",
            "a/manifest.yml:1:9: template-undefined: `lout` is undefined",
        ),
        (
            "units: [{name: a, when: inventory_hostname}]",
            "a/manifest.yml:1:9: wrong-type: `when: inventory_hostname`",
        ),
        (
            "units: [{name: a, loop: inventory_hostname}]",
            "a/manifest.yml:1:9: wrong-type: `loop: inventory_hostname`",
        ),
        ("units: [{name: a, when: facts.__class__}]", "a/manifest.yml:1:9: template-undefined: "),
        (
            "files: [{path: etc/a, template: a.j2}]",
            "a/manifest.yml:1:9: bad-path: `etc/a` cannot be",
        ),
        ("files: [{path: /etc/../a, template: a.j2}]", "a/manifest.yml:1:9: bad-path: "),
        (
            "units: [{name: ''}]",
            "a/manifest.yml:1:9: bad-item: this unit has an empty name",
        ),
        (
            'sysctls: [{name: "a\\nkernel.x", value: 1}]',
            "a/manifest.yml:1:11: bad-item: this sysctl has",
        ),
    ],
)
def test_a_manifest_with_a_mistake_is_reported_with_its_line(
    site: Site, manifest: str, complaint: str
) -> None:
    assert site.role("a", manifest, a="").complaint().startswith(complaint)


def test_rendering_a_host_again_takes_less_than_5_ms(site: Site) -> None:
    template = "".join(f"line {number} {{{{ inventory_hostname }}}}\n" for number in range(200))
    entries = ", ".join(f"{{path: /etc/{number}, template: a.j2}}" for number in range(5))
    site.role("a", f"files: [{entries}]", a=template).render()
    inventory = read_inventory(site.folder / "inventory.yml")
    times = []
    for _ in range(20):
        start = time.perf_counter()
        render_roles(["a"], inventory, "web1", {"inventory_hostname": "web1"}, Facts())
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005
