"""The plan: the changes, their diffs, and the order of their operations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.core.facts import Facts
from provision.deploy.masking import MASK, mask
from provision.deploy.operations import ledger, operations
from provision.deploy.plan import Change, diff, plan_host
from provision.desired.items import Address, DesiredHost, File, Item, Module, Package, Sysctl, Unit
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.agent.payload import MINIMUM_ARGS
from provision.hosts.protocol import LedgerEntry
from tests.deploy.building import installed

CONF = File(
    "/etc/keepalived/keepalived.conf",
    b"a\nb\n",
    "0640",
    validate="keepalived -t -f %s",
    unit="keepalived.service",
)
KEEPALIVED = Unit("keepalived.service")
ITEMS: tuple[Item, ...] = (
    Package("keepalived"),
    Module("ip_vs"),
    Sysctl("net.ipv4.ip_forward", "0"),
    Sysctl("net.ipv4.vs.sync_threshold", "1 10"),
    CONF,
    Address("192.0.2.10/32", "lo", "lo:0"),
    KEEPALIVED,
)


def host(*items: Item) -> DesiredHost:
    return DesiredHost("lvs1", items)


def observed(*items: ObservedItem, ledger: tuple[LedgerEntry, ...] = ()) -> Observed:
    return Observed(Facts(), {(item.kind, item.name): item for item in items}, ledger)


def summary(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(change.kind, change.name, change.action) for change in changes]


def test_a_host_in_its_desired_state_has_no_changes() -> None:
    assert diff(host(*ITEMS), observed(*map(installed, ITEMS))) == ()


def test_on_a_new_host_everything_is_created() -> None:
    changes = diff(host(*ITEMS), observed())
    assert [change.action for change in changes] == ["create"] * len(ITEMS)


def test_a_changed_file_reloads_the_unit_that_loads_it() -> None:
    was = ObservedItem("file", CONF.name, {**CONF.attributes(), "sha256": "0" * 64}, b"a\nc\n")
    changes = diff(host(CONF, KEEPALIVED), observed(was, installed(KEEPALIVED)))
    assert summary(changes) == [("file", CONF.name, "update"), ("unit", KEEPALIVED.name, "update")]
    assert changes[0].diff == ("@@ -1,2 +1,2 @@", " a", "-c", "+b")
    assert changes[1].detail == "reload"


def test_a_unit_that_has_not_loaded_its_installed_file_is_reloaded() -> None:
    """An earlier run may have failed between the swap and the reload."""
    changes = diff(
        host(CONF, KEEPALIVED), observed(installed(CONF), installed(KEEPALIVED, current="no"))
    )
    assert [(change.name, change.detail) for change in changes] == [(KEEPALIVED.name, "reload")]


def test_a_director_is_never_restarted_for_a_change() -> None:
    ops, _ = operations(plan_host(host(*ITEMS), observed(), frozenset()))
    assert not any("restart" in op.args for op in ops)


def test_a_file_with_another_mode_has_no_diff() -> None:
    changes = diff(host(CONF), observed(installed(CONF, mode="0644")))
    assert changes[0].detail == "mode 0644 → 0640"
    assert changes[0].diff == ()


def test_a_symbolic_link_in_a_files_place_is_named_and_not_followed() -> None:
    plan = plan_host(
        host(CONF), observed(ObservedItem("file", CONF.name, {"type": "other"})), frozenset()
    )
    assert "refuse" in plan.changes[0].detail
    swap = next(op for op in operations(plan)[0] if op.verb == "file")
    assert swap.args[2] == "other"


def test_owned_items_that_left_the_inventory_are_removed_and_unmanaged_items_are_not() -> None:
    ledger = (
        LedgerEntry("file", "/etc/old.conf"),
        LedgerEntry("sysctl", "net.ipv4.conf.all.arp_ignore", ("0",)),
        LedgerEntry("address", "192.0.2.10/32"),
        LedgerEntry("unit", "nginx.service", ("no", "no")),
    )
    items = (
        ObservedItem(
            "file",
            "/etc/old.conf",
            {"sha256": "1" * 64, "mode": "0644", "owner": "root", "group": "root"},
        ),
        ObservedItem("file", "/etc/foreign.conf", {"sha256": "2" * 64}),
        ObservedItem("sysctl", "net.ipv4.conf.all.arp_ignore", {"value": "1"}),
        ObservedItem("address", "192.0.2.10/32", {"device": "lo"}),
        ObservedItem(
            "unit", "nginx.service", {"enabled": "yes", "active": "yes", "current": "yes"}
        ),
    )
    plan = plan_host(host(), observed(*items, ledger=ledger), frozenset())
    assert sorted(summary(plan.changes)) == sorted(
        (entry.kind, entry.name, "remove") for entry in ledger
    )
    ops = [op for op in operations(plan)[0] if op.verb != "ledger"]
    verbs = [(op.verb, *op.args[:2]) for op in ops]
    assert verbs == [
        ("unit", "nginx.service", "stop"),
        ("unit", "nginx.service", "disable"),
        ("address", "del", "192.0.2.10/32"),
        ("remove", "/etc/old.conf", "1" * 64),
        ("sysctl", "net.ipv4.conf.all.arp_ignore", "0"),
    ], "the VIP must go before the ARP parameters that hide it"


def test_a_unit_that_ran_before_hactl_came_keeps_running() -> None:
    entry = LedgerEntry("unit", "nginx.service", ("yes", "yes"))
    was = ObservedItem(
        "unit", "nginx.service", {"enabled": "yes", "active": "yes", "current": "yes"}
    )
    assert diff(host(), observed(was, ledger=(entry,))) == ()


def test_an_item_that_is_absent_already_needs_no_removal() -> None:
    entry = LedgerEntry("file", "/etc/old.conf")
    assert (
        diff(host(), observed(ObservedItem("file", "/etc/old.conf", None), ledger=(entry,))) == ()
    )


def test_the_order_is_packages_staging_parameters_files_addresses_units() -> None:
    ops, contents = operations(plan_host(host(*ITEMS), observed(), frozenset()))
    expected = "package stage module sysctl sysctl file address unit unit unit ledger"
    assert " ".join(op.verb for op in ops) == expected
    assert [op.args[1] for op in ops if op.verb == "unit"] == ["enable", "start", "stamp"]
    assert contents[0] == CONF.content
    assert ops[-1].args == (str(len(contents)),)


def test_systemd_reloads_its_unit_files_before_it_uses_them() -> None:
    unit_file = File("/etc/systemd/system/x.service", b"[Service]\n")
    ops, _ = operations(plan_host(host(unit_file, Unit("x.service")), observed(), frozenset()))
    verbs = [op.args[1] for op in ops if op.verb == "unit"]
    assert verbs == ["daemon-reload", "enable", "start", "stamp"]


def test_an_address_on_the_wrong_interface_moves() -> None:
    vip = Address("192.0.2.10/32", "lo", "lo:0")
    plan = plan_host(host(vip), observed(installed(vip, device="eth0")), frozenset())
    moves = [op.args for op in operations(plan)[0] if op.verb == "address"]
    assert moves == [("del", "192.0.2.10/32", "eth0", ""), ("add", "192.0.2.10/32", "lo", "lo:0")]


def test_the_ledger_keeps_the_state_before_the_first_deploy() -> None:
    parameter = Sysctl("net.ipv4.ip_forward", "1")
    first = ledger(host(parameter), observed(installed(parameter, value="0")))
    assert first == (LedgerEntry("sysctl", "net.ipv4.ip_forward", ("0",)),)
    later = ledger(host(parameter), observed(installed(parameter), ledger=first))
    assert later == first


def test_the_old_secret_in_the_same_place_is_masked_too() -> None:
    """Nobody knows the old secret any more, but it follows the same text as the new one."""
    lines = "  auth_pass {0}\n  user x password='{0} {0}' tls\n  key={0}\n"
    new = File("/etc/x", lines.format("s3cret-new").encode())
    was = ObservedItem(
        "file", "/etc/x", {"sha256": "0" * 64}, lines.format("s3cret-old").encode() + b"gone\n"
    )
    for known in (frozenset({"s3cret-new", "s3cret-new s3cret-new"}), frozenset({"s3cret-new"})):
        [change] = diff(host(new), observed(was), known)
        shown = "\n".join(change.diff)
        assert "s3cret" not in shown and "-gone" in shown, shown


def test_a_password_that_leaves_the_file_is_masked() -> None:
    was = ObservedItem(
        "file", "/etc/x", {"sha256": "0" * 64}, b"  auth_type PASS\n  auth_pass 0ld-one\n"
    )
    [change] = diff(host(File("/etc/x", b"")), observed(was), frozenset())
    assert change.diff[-1] == f"-  auth_pass {MASK}"


def test_a_secret_is_masked_in_every_diff() -> None:
    secret = File("/etc/x", b"pass hunter2\n")
    was = ObservedItem(
        "file", "/etc/x", {**secret.attributes(), "sha256": "0" * 64}, b"pass hunter2 old\n"
    )
    changes = diff(host(secret), observed(was), frozenset({"hunter2"}))
    assert "hunter2" not in "".join(changes[0].diff)
    assert MASK in "".join(changes[0].diff)


def test_the_content_of_a_secret_file_is_never_shown() -> None:
    """A file that its role marks as secret may have a password that no inventory names."""
    secret = File("/etc/x", b"made up here\n", "0640", secret=True)
    was = ObservedItem(
        "file", "/etc/x", {**secret.attributes(), "sha256": "0" * 64, "mode": "0644"}, b"older\n"
    )
    [change] = diff(host(secret), observed(was))
    assert (change.detail, change.diff) == ("content (secret), mode 0644 → 0640", ())
    [change] = diff(host(secret), observed())
    assert (change.detail, change.diff) == ("0640 root:root (secret)", ())


def test_a_password_in_clear_text_in_the_inventory_is_masked_too() -> None:
    [change] = diff(host(File("/etc/x", b"  auth_pass plain\n  password plain\n")), observed())
    assert "plain" not in str(change.diff) and str(change.diff).count(MASK) == 2


def test_a_secret_that_contains_another_is_masked_completely() -> None:
    assert mask("abcdef", {"abc", "abcdef"}) == MASK


def test_a_short_secret_is_masked_only_as_a_whole_word() -> None:
    assert mask("priority 100 pass 1", {"1"}) == f"priority 100 pass {MASK}"


names = st.text("abcdefgh/.", min_size=1, max_size=6)
items = st.one_of(
    st.builds(Package, names),
    st.builds(Module, names),
    st.builds(Sysctl, names, st.text("01 ", max_size=4)),
    st.builds(Address, names, st.sampled_from(["lo", "eth0"])),
    st.builds(Unit, names, st.booleans(), st.booleans()),
    st.builds(lambda name, content: File(f"/{name}", content), names, st.binary(max_size=20)),
)
hosts = st.lists(items, max_size=8, unique_by=lambda item: (item.kind, item.name)).map(
    lambda unique: host(*unique)
)


def apply_plan(desired: DesiredHost, before: Observed) -> Observed:
    """The state after the plan: the changed items as desired, without the removed items."""
    after = dict(before.items)
    for change in diff(desired, before):
        key = (change.kind, change.name)
        after[key] = installed(change.item) if change.item else ObservedItem(*key, None)
    return Observed(before.facts, after, ledger(desired, before))


@given(hosts, hosts)
def test_a_second_plan_is_always_empty(old: DesiredHost, new: DesiredHost) -> None:
    """Idempotence: after a deploy of `old` and then of `new`, a plan has no changes."""
    first = apply_plan(old, observed())
    second = apply_plan(new, first)
    assert diff(new, second) == ()


@given(hosts, hosts)
def test_the_agent_knows_every_operation(old: DesiredHost, new: DesiredHost) -> None:
    plan = plan_host(new, apply_plan(old, observed()), frozenset())
    ops, contents = operations(plan)
    assert all(len(op.args) >= MINIMUM_ARGS[op.verb] for op in ops)
    numbers = [int(op.args[0]) for op in ops if op.verb in {"stage", "ledger"}]
    assert numbers == list(range(1, len(contents) + 1))
