"""Every command that reads hosts, with all hosts reachable, some, and none: unseen is unknown.

The reachable hosts are addresses of one real sshd in a network namespace. Nothing listens at the
others. That machine has neither Keepalived nor a VIP, so an inspection finds many problems and no
holder. It was not booted with systemd: its systemctl answers as for units that do not exist.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provision.core.coverage import Coverage
from tests.hosts.conftest import Net, net
from tests.hosts.netns import run

__all__ = ["net"]

HACTL = Path(sys.executable).parent / "hactl"
VIP = "10.79.0.10"
ADDRESSES = {"lvs1": "10.79.0.11", "lvs2": "10.79.0.12", "web1": "10.79.0.13", "web2": "10.79.0.14"}
REACHABLE = {"all": tuple(ADDRESSES), "some": ("lvs1", "web1"), "none": ()}

INVENTORY = """\
all:
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts}
    frontends:
      - name: web
        vips: [{vip}]
        directors: directors
        vrrp: {{virtual_router_id: 10}}
        services:
          - port: 80
            protocol: tcp
            scheduler: rr
            real_servers: web
            check: {{type: tcp, interval: 2}}
  children:
    directors:
      hosts:
        lvs1: {{{lvs1}, vrrp_priority: 100}}
        lvs2: {{{lvs2}, vrrp_priority: 99}}
    web: {{hosts: {{web1: {{{web1}}}, web2: {{{web2}}}}}}}
"""


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON."""
        return json.loads(self.out)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Site:
    """The four hosts, in an inventory for each number of them that is reachable."""

    net: Net
    folder: Path

    def hactl(self, reachable: str, *words: str) -> Said:
        """Run a command as an operator does, from the client's namespace."""
        inside = ["nsenter", f"--net={self.net.client.path}", str(HACTL)]
        argv = [*inside, *words, str(self.folder / f"{reachable}.yml")]
        done = subprocess.run(
            argv, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def site(net: Net, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    for address in ADDRESSES.values():
        run("ip", "-n", net.near.namespace.name, "address", "add", f"{address}/24", "dev", "to-c")
    run("ip", "-n", net.client.name, "route", "add", "10.79.0.0/24", "via", net.near.address)
    systemctl = net.near.path("/usr/local/bin/systemctl")
    systemctl.write_text("#!/bin/sh\n")
    systemctl.chmod(0o755)
    net.near.path("/var/lib/hactl/drain").mkdir(
        parents=True
    )  # as deployed, so that an `undrain` gets that far
    kind, text, *_ = Path(f"{net.near.host_key}.pub").read_text().split()
    (folder / "known_hosts").write_text(
        "".join(f"{each} {kind} {text}\n" for each in ADDRESSES.values())
    )
    for name, reachable in REACHABLE.items():
        places = {
            host: f"ansible_host: {address}"
            if host in reachable
            else f"ansible_host: 127.0.0.1, ansible_port: {9000 + at}, address: {address}"
            for at, (host, address) in enumerate(ADDRESSES.items())
        }
        words = {
            "vip": VIP,
            "key": str(net.key),
            "known_hosts": str(folder / "known_hosts"),
            **places,
        }
        (folder / f"{name}.yml").write_text(INVENTORY.format(**words))
    yield Site(net, folder)


def part(document: Any, wanted: Any) -> bool:
    """Whether a document has all that is wanted of it; lists are compared whole."""
    if isinstance(wanted, dict):
        return isinstance(document, dict) and all(
            key in document and part(document[key], value) for key, value in wanted.items()
        )
    return bool(document == wanted)


ALL: dict[str, Any] = {"hosts_seen": 4, "hosts_total": 4, "unseen": {}}
REFUSED = (
    "cannot connect to 127.0.0.1 port {}: Connection refused; "
    "is the host up, ansible_host right, and the port open?"
)
UNSEEN = {host: REFUSED.format(9000 + at) for at, host in enumerate(ADDRESSES)}
SOME = {
    "hosts_seen": 2,
    "hosts_total": 4,
    "unseen": {host: UNSEEN[host] for host in ("lvs2", "web2")},
}
NONE = {"hosts_seen": 0, "hosts_total": 4, "unseen": UNSEEN}


def hosts(**outcomes: str) -> dict[str, Any]:
    """The results of a deploy, as JSON."""
    return {
        "ok": False,
        "hosts": {host: {"outcome": outcome} for host, outcome in outcomes.items()},
    }


HALF = hosts(lvs1="skipped", lvs2="unreachable", web1="skipped", web2="unreachable")
NOBODY = hosts(**dict.fromkeys(ADDRESSES, "unreachable"))

#: Command -> with all hosts reachable, some, none: exit code, and printed lines or JSON.
SAYS: dict[str, tuple[tuple[int, Any] | tuple[()], ...]] = {
    "plan": (
        (2, ["on 4 hosts."]),
        (4, ["on 2 hosts; unknown on 2 hosts.", "lvs2: cannot connect", "web2: cannot connect"]),
        (4, ["Plan: unknown: 0 of 4 hosts could be inspected.", "lvs1: cannot connect"]),
    ),
    "plan --limit web1": (
        (2, ["on 1 host."]),
        (2, ["on 1 host."]),
        (4, ["Plan: unknown: 0 of 1 host could be inspected."]),
    ),
    "plan --json": ((2, ALL), (4, SOME), (4, {**NONE, "changes": None, "hosts": {}})),
    "deploy --yes": (
        (),  # it would change them
        (4, ["lvs2: cannot connect", "Nothing was changed on any host."]),
        (4, ["lvs1: cannot connect", "Nothing was changed on any host."]),
    ),
    "deploy --yes --json": ((), (4, HALF | SOME), (4, NOBODY | NONE)),
    "rollback --yes": (
        (3, ["no host has a generation before its present one"]),
        (4, ["lvs2: cannot connect", "Nothing was changed on any host."]),
        (4, ["lvs1: cannot connect", "Nothing was changed on any host."]),
    ),
    "rollback --yes --json": ((3, []), (4, HALF | SOME), (4, NOBODY | NONE)),
    "history": (
        (
            0,
            [
                "lvs1     -  no deploy was ever confirmed here",
                "web2     -  no deploy was ever confirmed here",
            ],
        ),
        (
            4,
            [
                "lvs1     -  no deploy was ever confirmed here",
                "lvs2     ?  unknown: the host did not answer",
            ],
        ),
        (4, ["lvs1     ?  unknown: the host did not answer", "web2     ?  unknown"]),
    ),
    "history --json": (
        (0, ALL),
        (4, {**SOME, "hosts": {"lvs1": [], "web1": []}}),
        (4, {**NONE, "hosts": {}}),
    ),
    "history --diff 1": (
        (64, ["no host has a generation 1"]),
        (
            4,
            [
                "lvs1, web1: no generation 1",
                "lvs2: did not answer; whether it has a generation 1 is unknown",
            ],
        ),
        (4, ["lvs1: did not answer; whether it has a generation 1 is unknown"]),
    ),
    "history --diff 1 --json": ((64, []), (4, {**SOME, "hosts": {}}), (4, {**NONE, "hosts": {}})),
    "status": (
        (
            1,
            [
                "4 of 4 hosts answer  SOMETHING IS WRONG",
                f"! nobody holds {VIP}",
                f"web  {VIP}  held by NOBODY",
            ],
        ),
        (
            4,
            [
                "2 of 4 hosts answer",
                f"web  {VIP}  holder unknown: lvs2 not seen",
                "lvs2  unknown     unknown",
            ],
        ),
        (
            4,
            [
                "0 of 4 hosts answer  NOTHING IS KNOWN",
                f"web  {VIP}  holder unknown: lvs1 and lvs2 not seen",
                f"-t {VIP}:80  unknown: no director answers",
                "web1  unknown     unknown",
            ],
        ),
    ),
    "status --json": (
        (1, {**ALL, "ok": False, "verdict": "wrong"}),
        (4, {**SOME, "ok": False, "verdict": "wrong"}),
        (4, {**NONE, "ok": False, "verdict": "unknown", "findings": []}),
    ),
    "status --prometheus": (
        (
            0,
            [
                "hactl_hosts 4",
                "hactl_hosts_seen 4",
                f'hactl_vip_holders{{frontend="web",vip="{VIP}"}} 0',
            ],
        ),
        (
            0,
            [
                "hactl_hosts 4",
                "hactl_hosts_seen 2",
                'hactl_up{host="lvs1"} 1',
                'hactl_up{host="lvs2"} 0',
            ],
        ),
        (0, ["hactl_hosts 4", "hactl_hosts_seen 0", "hactl_ok 0", 'hactl_up{host="lvs1"} 0']),
    ),
    "doctor": (
        (1, ["lvs2: it balances nothing", "found well: dead-holder", "disk-full"]),
        (
            4,
            [
                "well on the 1 of 2 hosts seen: dead-holder",
                "well on the 2 of 4 hosts seen: left-behind",
                "; 0 of",
            ],
        ),
        (
            4,
            [
                "not judged: dead-holder",
                "0 of 4 hosts could be inspected",
                "0 of 42 rules hold, 41 unknown.",
            ],
        ),
    ),
    "doctor --json": (
        (1, {**ALL, "ok": False, "partly": {}}),
        (
            4,
            {
                **SOME,
                "ok": False,
                "well": {},
                "partly": {"disk-full": SOME, "dead-holder": {"hosts_seen": 1}},
            },
        ),
        (4, {**NONE, "ok": False, "well": {}, "partly": {}}),
    ),
    "verify": (
        (1, [" failed"]),
        (4, ["unknown", "2 of 4 hosts inspected.", "lvs2: cannot connect"]),
        (4, ["0 checks passed, 0 failed", "0 of 4 hosts inspected.", "Nothing was proved."]),
    ),
    "verify --json": ((1, ALL), (4, SOME), (4, NONE)),
    "failover-test --yes --from-controller": (
        (),  # it would break them
        (4, [tuple(f"{host}: cannot connect" for host in ("lvs2", "web2"))]),  # the first to fail
        (4, [tuple(f"{host}: cannot connect" for host in ADDRESSES)]),
    ),
    "drain web2": (
        (1, ["web2 is the last real server"]),
        (4, ["lvs2: cannot connect"]),
        (4, ["lvs1: cannot connect"]),
    ),
    "drain lvs1": (
        (1, ["(lvs2 is not ready to take over)"]),
        (1, ["(lvs2 is not reachable)"]),
        (4, ["lvs1: cannot connect"]),
    ),
    "undrain web2": (
        (0, ["web2: in service"]),
        (4, ["lvs2: cannot connect", "Only lvs1 undrained web2: run the command again"]),
        (4, ["lvs1: cannot connect"]),
    ),
    "undrain lvs2": (
        (1, ["lvs2: there are no hand-over files here"]),
        (4, ["lvs2: cannot connect"]),
        (4, ["lvs2: cannot connect"]),
    ),
}

NEVER = {
    "some": (
        "held by NOBODY",
        "hactl_findings 0",
        "hactl_vip_holders",
        "nobody holds",
        "found well: dead-holder",
    ),
    "none": (
        "NOBODY",
        "nobody",
        "all is well",
        "found well",
        "nothing to do",
        "no host has",
        "hactl_findings",
        "hactl_vip_holders",
        "hactl_vrrp",
        "hactl_real_server",
        "hactl_generation",
        '"changes": 0,\n  "hosts"',
    ),
}
"""What no command says where hosts were not seen."""


CASES = [
    (command, reachable, *said)
    for command, row in SAYS.items()
    for reachable, said in zip(REACHABLE, row, strict=True)
    if said
]


def is_printed(line: str | tuple[str, ...], printed: str) -> bool:
    """Whether the line was printed; of several alternatives, whether one of them was."""
    return any(text in printed for text in (line if isinstance(line, tuple) else (line,)))


@pytest.mark.ssh
@pytest.mark.parametrize(
    "command, reachable, code, wanted",
    CASES,
    ids=[f"{command}, {reachable}" for command, reachable, *_ in CASES],
)
def test_what_a_command_says_of_the_hosts_that_it_did_not_see(
    site: Site, command: str, reachable: str, code: int, wanted: Any
) -> None:
    done = site.hactl(reachable, *command.split())
    assert done.code == code, done
    if isinstance(wanted, dict):
        assert part(done.document, wanted), done.out
    else:
        printed = done.out + done.err
        assert [line for line in wanted if not is_printed(line, printed)] == [], printed
    assert [words for words in NEVER.get(reachable, ()) if words in done.out] == [], done.out


KAFKA = """\
all:
  vars:
    frontends:
      - name: kafka
        vips: [10.79.0.10]
        directors: directors
        vrrp: {virtual_router_id: 10}
        services:
          - port: 9092
            protocol: tcp
            scheduler: mh
            real_servers: brokers
            check: {type: kafka, login: check}
    kafka:
      name: kafka
      version: 3.9.1
      mode: kraft
      brokers: brokers
      distribution: {jars: /opt/share/kafka/3.9.1}
      mechanisms: PLAIN
      users: {admin: {password: secret-admin}, check: {password: secret-check}}
      topics: {orders: {partitions: 3, replicas: 3}}
  children:
    directors:
      hosts:
        lvs1: {ansible_host: 127.0.0.1, ansible_port: 9000, address: 10.79.0.11, vrrp_priority: 100}
        lvs2: {ansible_host: 127.0.0.1, ansible_port: 9001, address: 10.79.0.12, vrrp_priority: 99}
    brokers:
      hosts:
        k1: {ansible_host: 127.0.0.1, ansible_port: 9002, address: 10.79.0.13, kafka_id: 1}
        k2: {ansible_host: 127.0.0.1, ansible_port: 9003, address: 10.79.0.14, kafka_id: 2}
        k3: {ansible_host: 127.0.0.1, ansible_port: 9004, address: 10.79.0.15, kafka_id: 3}
"""


@pytest.fixture(scope="session")
def dark_cluster(site: Site) -> Site:
    """An inventory `kafka` with a cluster, none of whose hosts is reachable."""
    (site.folder / "kafka.yml").write_text(KAFKA)
    return site


@pytest.mark.ssh
@pytest.mark.parametrize(
    "command",
    [
        "replicas",
        "replicas --json",
        "replicas --gate 1",
        "roll --yes",
        "plan",
        "plan --json",
        "apply --yes",
        "retention plan orders -i",
        "retention verify orders -i",
    ],
)
def test_of_a_cluster_that_nobody_reached_nothing_is_said(dark_cluster: Site, command: str) -> None:
    done = dark_cluster.hactl("kafka", "kafka", *command.split())
    assert (done.code, done.out) == (4, ""), done
    assert "cannot connect to 127.0.0.1 port 900" in done.err, done


@pytest.mark.ssh
def test_a_cluster_behind_unseen_hosts_is_unknown_in_the_plan(dark_cluster: Site) -> None:
    done = dark_cluster.hactl("kafka", "plan", "--json")
    assert (done.code, done.document["changes"], done.document["cluster"]["changes"]) == (
        4,
        None,
        None,
    ), done
    assert "Cluster kafka: unknown." in dark_cluster.hactl("kafka", "plan").out


def test_a_count_is_known_where_it_is_not_zero_or_all_was_seen() -> None:
    whole, some = Coverage(("a", "b")), Coverage(("a", "b"), {"b": "off"})
    assert (whole.known(0), whole.known(2), some.known(0), some.known(2)) == (0, 2, None, 2)


def test_the_coverage_of_some_hosts_leaves_the_others_out() -> None:
    some = Coverage(("a", "b", "c"), {"b": "b: off\n  is it on?"})
    assert some.of(("b", "c", "stranger")) == Coverage(("b", "c"), {"b": "b: off\n  is it on?"})
    assert (some.counted(), some.of("b").blind, some.blind) == ("2 of 3 hosts", True, False)
    assert some.json() == {"hosts_seen": 2, "hosts_total": 3, "unseen": {"b": "off; is it on?"}}
