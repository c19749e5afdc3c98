"""Later deploys: changes reload, removed items leave the hosts, drift is shown and repaired."""

from __future__ import annotations

from tests.e2e import model
from tests.e2e.conftest import NAME
from tests.e2e.model import VIP
from tests.e2e.site import Site


def actions(changes: list[dict[str, str]]) -> list[tuple[str, str]]:
    """The changes as (action, name), sorted."""
    return sorted((change["action"], change["name"]) for change in changes)


def test_a_change_of_directors_reloads_them_and_a_removed_service_goes(site: Site) -> None:
    before = {host: site.main_pid(host, "keepalived") for host in ("lvs1", "lvs2")}
    changed = model.base(NAME)
    web = model.frontend(changed)
    web["vrrp"]["advert_int"] = 0.25
    # Nothing listens on port 81, so its check fails. A new service may have no live real server.
    check = {"type": "tcp", "interval": 1, "timeout": 1, "retries": 0}
    service = {"port": 81, "scheduler": "wlc", "real_servers": "web", "check": check}
    web["services"].append(service)
    site.write(changed)
    results = site.deploy()
    assert {host: (result["outcome"], result["execs"]) for host, result in results.items()} == {
        "lvs1": ("changed", 2),
        "lvs2": ("changed", 2),
        "web1": ("unchanged", 1),
        "web2": ("unchanged", 1),
    }
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


LEFT_OVER = f"""
sleep 2.5
ip -o addr show to {VIP}
cd /etc
ls -d hactl/lo-vips systemd/system/hactl-lo-vip.service sysctl.d/99-zz-hactl.conf 2>/dev/null
ls -d /usr/local/lib/hactl/lo-vip 2>/dev/null
systemctl list-unit-files --no-legend 'hactl-*'; systemctl list-units --no-legend 'hactl-*'
cat /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/arp_announce
systemctl is-active nginx
cat /etc/sysctl.d/10-mine.conf
"""
"""Prints leftovers of hactl; the transaction's guard ends within a second after the run."""


def test_a_decommissioned_real_server_keeps_only_the_files_of_its_owner(site: Site) -> None:
    site.ssh(
        "web2",
        "echo net.ipv4.tcp_syncookies=1 >/etc/sysctl.d/10-mine.conf\n"
        "echo mine >/var/www/html/mine.html",
    )
    changed = model.base(NAME)
    children = changed["all"]["children"]
    children["decommissioned"] = {"hosts": {"web2": children["web"]["hosts"].pop("web2")}}
    site.write(changed)
    planned = site.plan()
    assert ("remove", f"{VIP}/32") in actions(planned["web2"])
    assert {change["action"] for change in planned["web2"]} == {"remove"}
    assert planned["web1"] == []
    site.deploy()
    lines = site.ssh("web2", LEFT_OVER).splitlines()
    assert lines == ["0", "0", "inactive", "net.ipv4.tcp_syncookies=1"]
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


def test_drift_is_shown_and_repaired(site: Site) -> None:
    pid = site.main_pid("lvs2", "keepalived")
    site.ssh(
        "lvs2",
        "echo '# by hand' >>/etc/keepalived/keepalived.conf\n"
        "sysctl -qw net.ipv4.conf.eth0.send_redirects=1",
    )
    site.ssh("lvs2", "echo 'foreign' >/etc/keepalived/notes.txt")
    site.ssh(
        "web1",
        f"ip addr del {VIP}/32 dev lo; chmod 666 /etc/hactl/lo-vips; systemctl disable -q nginx",
    )
    site.ssh(
        "web2",
        "rm /var/www/html/index.html\n"
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0; systemctl stop nginx",
    )
    planned = {host: actions(changes) for host, changes in site.plan().items()}
    assert planned["lvs1"] == []
    assert ("update", "/etc/keepalived/keepalived.conf") in planned["lvs2"]
    assert ("update", "net.ipv4.conf.eth0.send_redirects") in planned["lvs2"]
    assert ("create", f"{VIP}/32") in planned["web1"]
    assert ("update", "/etc/hactl/lo-vips") in planned["web1"]
    assert ("update", "nginx.service") in planned["web1"]
    assert ("create", "/var/www/html/index.html") in planned["web2"]
    assert ("update", "net.ipv4.conf.all.arp_ignore") in planned["web2"]
    assert ("update", "nginx.service") in planned["web2"]
    done = site.hactl("plan")
    assert done.code == 2
    assert "-# by hand" in done.out and "send_redirects  1 → 0" in done.out

    site.deploy()
    assert site.ssh("web1", "stat -c %a /etc/hactl/lo-vips") == "644"
    assert "lo:0" in site.ssh("web1", f"ip -o addr show to {VIP}")
    assert "by hand" not in site.ssh("lvs2", "cat /etc/keepalived/keepalived.conf")
    notes = "/etc/keepalived/notes.txt"
    assert site.ssh("lvs2", f"cat {notes}; rm {notes}") == "foreign"
    assert site.main_pid("lvs2", "keepalived") == pid
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    site.assert_in_step()


def test_a_daemon_that_has_not_loaded_its_installed_file_is_reloaded(site: Site) -> None:
    """Somebody restarted the backup with another file, and then restored the file."""
    conf = "/etc/keepalived/keepalived.conf"
    edit = f"cp {conf} /root/right; sed -i 's/^    priority 99/    priority 42/' {conf}"
    restart = "systemctl restart keepalived; sleep 2"
    site.ssh("lvs2", f"{edit}; {restart}; cat /root/right >{conf}; rm /root/right")
    assert running_priority(site, "lvs2") == "42"
    assert actions(site.plan()["lvs2"]) == [("update", "keepalived.service")]
    site.deploy()
    assert running_priority(site, "lvs2") == "99"
    site.assert_in_step()


def running_priority(site: Site, host: str) -> str:
    """The priority in the state that Keepalived writes on SIGUSR1."""
    dump = "rm -f /tmp/keepalived.data; systemctl kill -s USR1 --kill-who=main keepalived; sleep 2"
    return site.ssh(host, f"{dump}; sed -n 's/^ *Priority = //p' /tmp/keepalived.data")
