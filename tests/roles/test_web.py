"""Role web: nginx with a page that names its host, in the folder of the distribution."""

from __future__ import annotations

from pathlib import Path

from provision.desired.items import Package, Unit
from tests.roles.site import REDHAT, content, render


def test_the_page_names_its_host_in_one_line(tmp_path: Path) -> None:
    desired = render(tmp_path, "web1")
    assert content(desired, "/var/www/html/index.html") == "this is web1!\n"
    assert Package("nginx") in desired.items
    assert Unit("nginx.service", enabled=True, active=True) in desired.items


def test_red_hat_serves_from_another_folder(tmp_path: Path) -> None:
    desired = render(tmp_path, "web1", **REDHAT)
    assert content(desired, "/usr/share/nginx/html/index.html") == "this is web1!\n"
    assert desired.get("file", "/var/www/html/index.html") is None


def test_the_operator_may_choose_the_text(tmp_path: Path) -> None:
    desired = render(tmp_path, "web1", real_server='web_page: "hello"')
    assert content(desired, "/var/www/html/index.html") == "hello\n"
