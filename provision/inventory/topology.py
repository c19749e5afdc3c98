"""The topology: the front ends, directors and real servers of an inventory, checked and resolved.

`build` makes a `Topology` of an `Inventory`. All later steps (lint, rendering, rollout, lab,
drills) use the topology and never the inventory's variables. Rules: `frontends-missing`,
`frontends-misplaced`, `frontends-differ`, `frontend-duplicate`, `host-in-no-front-end`,
`address-unknown`, those of `frontends`, `shared_names`, `validation` and the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provision.core.errors import InputError, Position, Problem
from provision.inventory.frontends import ResolvedFrontend, resolve_frontend
from provision.inventory.hosts import Host, Inventory
from provision.inventory.kafka import KafkaCluster, check_problems, kafka_checks, resolve_kafka
from provision.inventory.model.frontend import Frontend
from provision.inventory.settings import HostSettings, address_problem, read_settings
from provision.inventory.shared_names import definition_problems
from provision.inventory.source import Node
from provision.inventory.validation import validated
from provision.inventory.wording import kind

CLIENTS = "clients"
"""The group of hosts that only use the front ends. The prober runs there; hactl manages nothing."""

DECOMMISSIONED = "decommissioned"
"""The group of hosts that left the front ends. hactl removes everything that it installed there."""

DIRECTOR_ROLES = ("director_sysctl", "keepalived", "ipvs", "firewall")
REAL_SERVER_ROLES = ("real_server", "firewall")
KAFKA_ROLES = ("kafka", "firewall")
ZOOKEEPER_ROLES = ("zookeeper", "firewall")


@dataclass(frozen=True)
class Topology:
    """All front ends and the settings of every host, both in inventory order."""

    frontends: tuple[ResolvedFrontend, ...]
    hosts: Mapping[str, HostSettings]
    positions: Mapping[str, Position] = field(default_factory=dict, compare=False, repr=False)
    clients: tuple[str, ...] = ()
    decommissioned: tuple[str, ...] = ()
    kafka: KafkaCluster | None = None

    def node(self, host: str) -> Node:
        """A node at the place of `host` in the inventory, for problems of it."""
        return Node(None, self.positions[host])

    def directors(self) -> tuple[str, ...]:
        """The directors of all front ends, in inventory order."""
        directors = {
            director.host for frontend in self.frontends for director in frontend.directors
        }
        return tuple(host for host in self.hosts if host in directors)

    def real_servers(self) -> tuple[str, ...]:
        """The real servers of all front ends, in inventory order."""
        servers = {host for frontend in self.frontends for host in frontend.real_servers}
        return tuple(host for host in self.hosts if host in servers)

    def managed(self) -> tuple[str, ...]:
        """The hosts that hactl manages, in inventory order."""
        return tuple(
            host for host in self.hosts if self.roles_of(host) or host in self.decommissioned
        )

    def addresses(self) -> dict[str, str]:
        """The first address of every host with a known address."""
        return {
            name: str(settings.address[0])
            for name, settings in self.hosts.items()
            if settings.address
        }

    def idle_clients(self) -> tuple[str, ...]:
        """The hosts of the group `clients` without any role: they see a front end as clients do."""
        return tuple(host for host in self.clients if not self.roles_of(host))

    def directed_by(self, host: str) -> tuple[ResolvedFrontend, ...]:
        """The front ends whose directors include `host`."""
        return tuple(
            frontend
            for frontend in self.frontends
            if any(director.host == host for director in frontend.directors)
        )

    def served_by(self, host: str) -> tuple[ResolvedFrontend, ...]:
        """The front ends whose real servers include `host`."""
        return tuple(frontend for frontend in self.frontends if host in frontend.real_servers)

    def roles_of(self, host: str) -> tuple[str, ...]:
        """The roles of `host` without duplicates: by its place in the front ends, then
        `hactl_roles`."""
        roles: list[str] = []
        if self.directed_by(host):
            # Keepalived runs the check program, so install that first.
            roles += [
                *(("kafka_check",) if kafka_checks(self.directed_by(host)) else ()),
                *DIRECTOR_ROLES,
            ]
        if self.served_by(host):
            roles += REAL_SERVER_ROLES
        roles += self._kafka_roles(host)
        return tuple(dict.fromkeys([*roles, *self.hosts[host].hactl_roles]))

    def _kafka_roles(self, host: str) -> tuple[str, ...]:
        """The roles of ZooKeeper and Kafka; Kafka comes last, since it waits for ZooKeeper."""
        if self.kafka is None:
            return ()
        member = ZOOKEEPER_ROLES if self.kafka.member(host) else ()
        node = KAFKA_ROLES if self.kafka.on(host) else ()
        return (*member, *node)

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The stages of a rollout: other hosts, backups, masters, and last decommissioned hosts.

        A new real server must be ready before a director sends it connections. An old real server
        must get no connections before it is removed. A director that is master of any front end
        counts as a master. Two masters that share a front end are never in the same stage, so that
        of two active directors one always serves.
        """
        directors = self.directors()
        masters = {frontend.master for frontend in self.frontends}
        leaving = tuple(host for host in self.decommissioned if not self.roles_of(host))
        others = tuple(
            host for host in self.managed() if host not in directors and host not in leaving
        )
        backups = tuple(host for host in directors if host not in masters)
        stages = [
            others,
            backups,
            *self._separate_stages(host for host in directors if host in masters),
            leaving,
        ]
        return tuple(stage for stage in stages if stage)

    def _separate_stages(self, hosts: Iterable[str]) -> list[tuple[str, ...]]:
        """The hosts in stages, so that hosts with a common front end are in different stages."""
        stages: list[list[str]] = []
        for host in hosts:
            shared = {
                director.host
                for frontend in self.directed_by(host)
                for director in frontend.directors
            }
            free = next((stage for stage in stages if not shared & set(stage)), None)
            if free is None:
                stages.append([host])
            else:
                free.append(host)
        return [tuple(stage) for stage in stages]


def build(inventory: Inventory) -> Topology:
    """The topology of an inventory whose templates are resolved.

    Raises InputError with every problem.
    """
    problems: list[Problem] = []
    settings = _host_settings(inventory, problems)
    frontends = tuple(_resolved_frontends(inventory, settings, problems))
    problems += definition_problems(frontends, settings, inventory)
    kafka = resolve_kafka(inventory, settings, problems)
    problems += check_problems(kafka, frontends) if kafka or not problems else ()
    if problems:
        raise InputError(problems)
    positions = {name: host.position for name, host in inventory.hosts.items()}
    idle = (_group_members(inventory, CLIENTS), _group_members(inventory, DECOMMISSIONED))
    topology = Topology(frontends, settings, positions, *idle, kafka)
    problems += _placement_problems(topology, inventory)
    if problems:
        raise InputError(problems)
    return topology


def _host_settings(inventory: Inventory, problems: list[Problem]) -> dict[str, HostSettings]:
    """The settings of every host; defaults for a host with a problem, so that reading continues."""
    settings = {}
    for name, host in inventory.hosts.items():
        try:
            settings[name] = read_settings(host)
        except InputError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            settings[name] = HostSettings()
    return settings


def _resolved_frontends(
    inventory: Inventory, settings: Mapping[str, HostSettings], problems: list[Problem]
) -> Iterator[ResolvedFrontend]:
    """The front ends that have no problem."""
    positions: dict[str, Position] = {}
    for node in _frontend_nodes(inventory, problems):
        try:
            model = validated(Frontend, node)
            if model.name in positions:
                message = f"the front end `{model.name}` is defined twice"
                why, fix = f"the first is at {positions[model.name]}", "rename one of them"
                problems.append(
                    Problem(node.at("name").position, "frontend-duplicate", message, why, fix)
                )
            positions.setdefault(model.name, node.at("name").position)
            yield resolve_frontend(model, node, inventory, settings)
        except InputError as error:
            problems += error.problems


def _frontend_nodes(inventory: Inventory, problems: list[Problem]) -> list[Node]:
    """The entries of `frontends`, which all hosts share and which is therefore a variable of
    `all`."""
    misplaced = list(_misplaced_frontends(inventory))
    problems += misplaced or _differing_frontends(inventory)
    node = next(
        (host.vars["frontends"] for host in inventory.hosts.values() if "frontends" in host.vars),
        None,
    )
    if misplaced:
        return []
    if node is None:
        if not inventory.hosts:
            message, why = "the inventory has no hosts", "there is nothing to provision"
            place = Position(str(inventory.path))
            problems.append(
                Problem(place, "hosts-missing", message, why, "add groups with `hosts:`")
            )
        else:
            place = Position(str(inventory.path))
            message, why = "the inventory has no `frontends`", "there is nothing to provision"
            problems.append(
                Problem(
                    place, "frontends-missing", message, why, "add `frontends:` under `all: vars:`"
                )
            )
        return []
    if not isinstance(node.value, list) or not node.value:
        message = "`frontends` must be a list with at least one entry"
        fix = "write `frontends:` and below it `- name: …`"
        rule = "frontends-missing" if node.value in (None, []) else "wrong-type"
        problems.append(Problem(node.position, rule, message, f"it is {kind(node.plain())}", fix))
        return []
    return list(node.value)


def _misplaced_frontends(inventory: Inventory) -> Iterator[Problem]:
    """`frontends` set for a group or a host: a front end's directors could disagree about it."""
    places: dict[Position, str] = {}
    for group in inventory.groups.values():
        if group.name != "all" and "frontends" in group.vars:
            places[group.vars["frontends"].position] = f"group {group.name}"
    top = inventory.groups.get("all")
    common = top.vars.get("frontends") if top else None
    for host in inventory.hosts.values():
        node = host.vars.get("frontends")
        if node is not None and (common is None or node.position != common.position):
            places.setdefault(node.position, f"host {host.name}")
    for place, owner in places.items():
        message = f"`frontends` is set for {owner}"
        why = "all hosts must agree on the front ends"
        yield Problem(place, "frontends-misplaced", message, why, "move it to `all: vars:`")


def _differing_frontends(inventory: Inventory) -> Iterator[Problem]:
    """`frontends` with a template whose result differs between hosts."""
    first: tuple[str, Node] | None = None
    for host in inventory.hosts.values():
        node = host.vars.get("frontends")
        if node is None:
            continue
        first = first or (host.name, node)
        if node is not first[1] and node != first[1]:
            message = f"`frontends` is not the same on {first[0]} and {host.name}"
            why = "its templates differ between hosts, and all hosts must agree on the front ends"
            yield Problem(
                node.position,
                "frontends-differ",
                message,
                why,
                "use values that are the same everywhere",
            )
            return


def _placement_problems(topology: Topology, inventory: Inventory) -> Iterator[Problem]:
    """Hosts without any role, and hosts whose address is needed but not known."""
    idle = {*topology.clients, *topology.decommissioned}
    needing_address = {*topology.directors(), *topology.real_servers()}
    for name, host in inventory.hosts.items():
        if name in needing_address and not topology.hosts[name].address:
            yield address_problem(host)
        if not topology.roles_of(name) and name not in idle:
            yield _no_role_problem(host)


def _group_members(inventory: Inventory, group: str) -> tuple[str, ...]:
    return inventory.members(group) if group in inventory.groups else ()


def _no_role_problem(host: Host) -> Problem:
    message = f"{host.name} is in no front end"
    why = "hactl would do nothing on it"
    fix = (
        "name it in a front end, give it `hactl_roles`, "
        f"or put it in the group `{CLIENTS}` or `{DECOMMISSIONED}`"
    )
    return Problem(host.position, "host-in-no-front-end", message, why, fix)
