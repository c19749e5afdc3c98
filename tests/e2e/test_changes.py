"""Day two: a change reloads, what leaves the inventory leaves the hosts, drift is seen and mended."""

from __future__ import annotations

from tests.e2e import model
from tests.e2e.conftest import NAME
from tests.e2e.model import VIP
from tests.e2e.site import Site


def named(changes: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Changes as (action, name), in order of name."""
    return sorted((change["action"], change["name"]) for change in changes)


def test_a_change_of_directors_reloads_them_and_a_removed_service_goes(site: Site) -> None:
    before = {host: site.main_pid(host, "keepalived") for host in ("lvs1", "lvs2")}
    changed = model.base(NAME)
    web = model.frontend(changed)
    web["vrrp"]["advert_int"] = 0.25
    # Nobody listens there yet: its check finds that out, and a new service without a live real server is no failure.
    quick = {"type": "tcp", "interval": 1, "timeout": 1, "retries": 0}
    web["services"].append({"port": 81, "scheduler": "wlc", "real_servers": "web", "check": quick})
    site.write(changed)
    results = site.deploy()
    assert {host: (result["outcome"], result["execs"]) for host, result in results.items()} == {
        "lvs1": ("changed", 2), "lvs2": ("changed", 2), "web1": ("unchanged", 1), "web2": ("unchanged", 1),
    }  # fmt: skip
    for host in before:
        assert "advert_int 0.25" in site.ssh(host, "cat /etc/keepalived/keepalived.conf")
        assert f"-A -t {VIP}:81 -s wlc" in site.ssh(host, "ipvsadm -Sn")
    assert site.holders(VIP) == ["lvs1"]

    site.write(model.base(NAME))
    site.deploy()
    for host in before:
        assert ":81" not in site.ssh(
            host, "ipvsadm -Sn; cat /etc/keepalived/keepalived.conf /etc/ipvsadm.rules"
        )
    assert {host: site.main_pid(host, "keepalived") for host in before} == before
    assert site.holders(VIP) == ["lvs1"]
    assert set(site.pages(VIP)) == {"this is web1!", "this is web2!"}
    site.assert_in_step()


#: The transaction's guard looks once a second whether it is still needed.
LEFT_OVER = f"""
sleep 2.5
ip -o addr show to {VIP}
cd /etc && ls -d hactl/lo-vips systemd/system/hactl-lo-vip.service sysctl.d/99-zz-hactl.conf 2>/dev/null
ls -d /usr/local/lib/hactl/lo-vip 2>/dev/null
systemctl list-unit-files --no-legend 'hactl-*'; systemctl list-units --no-legend 'hactl-*'
cat /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/arp_announce
systemctl is-active nginx
cat /etc/sysctl.d/10-mine.conf
"""


def test_a_decommissioned_real_server_keeps_nothing_of_ours_and_all_of_its_own(site: Site) -> None:
    site.ssh(
        "web2",
        "echo net.ipv4.tcp_syncookies=1 >/etc/sysctl.d/10-mine.conf; echo mine >/var/www/html/mine.html",
    )
    changed = model.base(NAME)
    children = changed["all"]["children"]
    children["decommissioned"] = {"hosts": {"web2": children["web"]["hosts"].pop("web2")}}
    site.write(changed)
    planned = site.plan()
    assert ("remove", f"{VIP}/32") in named(planned["web2"])
    assert {change["action"] for change in planned["web2"]} == {"remove"}
    assert planned["web1"] == []
    site.deploy()
    left = site.ssh("web2", LEFT_OVER).splitlines()
    assert left == ["0", "0", "inactive", "net.ipv4.tcp_syncookies=1"]
    assert site.ssh("web2", "cat /var/www/html/mine.html") == "mine"
    for host in ("lvs1", "lvs2"):
        assert "192.168.227.104" not in site.ssh(
            host, "cat /etc/keepalived/keepalived.conf; ipvsadm -Sn"
        )
    assert set(site.pages(VIP)) == {"this is web1!"}
    site.assert_in_step()

    site.write(model.base(NAME))
    site.deploy()
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    assert (
        site.ssh("web2", "cat /etc/sysctl.d/10-mine.conf /var/www/html/mine.html").splitlines()[1]
        == "mine"
    )
    site.assert_in_step()


def test_drift_is_shown_and_mended(site: Site) -> None:
    pid = site.main_pid("lvs2", "keepalived")
    site.ssh(
        "lvs2",
        "echo '# by hand' >>/etc/keepalived/keepalived.conf; sysctl -qw net.ipv4.conf.eth0.send_redirects=1",
    )
    site.ssh("lvs2", "echo 'foreign' >/etc/keepalived/notes.txt")
    site.ssh(
        "web1",
        f"ip addr del {VIP}/32 dev lo; chmod 666 /etc/hactl/lo-vips; systemctl disable -q nginx",
    )
    site.ssh(
        "web2",
        "rm /var/www/html/index.html; sysctl -qw net.ipv4.conf.all.arp_ignore=0; systemctl stop nginx",
    )
    planned = {host: named(changes) for host, changes in site.plan().items()}
    assert planned["lvs1"] == []
    assert ("update", "/etc/keepalived/keepalived.conf") in planned["lvs2"]
    assert ("update", "net.ipv4.conf.eth0.send_redirects") in planned["lvs2"]
    assert ("create", f"{VIP}/32") in planned["web1"]
    assert ("update", "/etc/hactl/lo-vips") in planned["web1"]
    assert ("update", "nginx.service") in planned["web1"]
    assert ("create", "/var/www/html/index.html") in planned["web2"]
    assert ("update", "net.ipv4.conf.all.arp_ignore") in planned["web2"]
    assert ("update", "nginx.service") in planned["web2"]
    shown = site.hactl("plan")
    assert shown.code == 2
    assert "-# by hand" in shown.out
    assert "send_redirects  1 → 0" in shown.out

    site.deploy()
    assert site.ssh("web1", "stat -c %a /etc/hactl/lo-vips") == "644"
    assert "lo:0" in site.ssh("web1", f"ip -o addr show to {VIP}")
    assert "by hand" not in site.ssh("lvs2", "cat /etc/keepalived/keepalived.conf")
    assert (
        site.ssh("lvs2", "cat /etc/keepalived/notes.txt; rm /etc/keepalived/notes.txt") == "foreign"
    )
    assert site.main_pid("lvs2", "keepalived") == pid
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    site.assert_in_step()


def test_a_daemon_that_runs_something_else_than_is_installed_is_reloaded(site: Site) -> None:
    """Somebody restarted the backup with another file and then put the right one back: no file differs any more."""
    conf = "/etc/keepalived/keepalived.conf"
    wrong = f"cp {conf} /root/right; sed -i 's/^    priority 99/    priority 42/' {conf}; systemctl restart keepalived"
    site.ssh("lvs2", f"{wrong}; sleep 2; cat /root/right >{conf}; rm /root/right")
    assert running_priority(site, "lvs2") == "42"
    assert named(site.plan()["lvs2"]) == [("update", "keepalived.service")]
    site.deploy()
    assert running_priority(site, "lvs2") == "99"
    site.assert_in_step()


def running_priority(site: Site, host: str) -> str:
    """The priority that keepalived itself says it runs with (SIGUSR1 makes it write its state down)."""
    dump = "rm -f /tmp/keepalived.data; systemctl kill -s USR1 --kill-who=main keepalived; sleep 2"
    return site.ssh(host, f"{dump}; sed -n 's/^ *Priority = //p' /tmp/keepalived.data")
