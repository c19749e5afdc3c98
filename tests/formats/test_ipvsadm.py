"""The table as `ipvsadm --save --numeric` prints it."""

from __future__ import annotations

import pytest

from provision.formats.ipvsadm import saved_table, weight, with_weight

SAVED = """\
-A -t 192.0.2.10:80 -s rr -p 50
-a -t 192.0.2.10:80 -r 192.0.2.21:80 -g -w 1
-A -f 7 -6 -s mh -b mh-fallback,mh-port
-a -f 7 -6 -r [2001:db8::21]:80 -g -w 3
"""


def test_services_have_their_options_and_their_servers() -> None:
    assert saved_table(SAVED.splitlines()) == {
        "-t 192.0.2.10:80": ("-s rr -p 50", {"192.0.2.21:80": "-g -w 1"}),
        "-f 7 -6": ("-s mh -b mh-fallback,mh-port", {"[2001:db8::21]:80": "-g -w 3"}),
    }


def test_a_server_without_its_service_and_other_lines_are_skipped() -> None:
    assert saved_table(["# written by hactl", "", "-a -t 192.0.2.10:80 -r 192.0.2.21:80 -g"]) == {}


@pytest.mark.parametrize(("options", "number"), [("-g -w 3", 3), ("-g", 1), ("-m -w 0 -x 10", 0)])
def test_the_default_weight_is_1(options: str, number: int) -> None:
    assert weight(options) == number


@pytest.mark.parametrize(
    ("options", "changed"),
    [("-g -w 3", "-g -w 0"), ("-m -w 2 -x 10", "-m -w 0 -x 10"), ("-g", "-g -w 0")],
)
def test_a_new_weight_replaces_the_old_one(options: str, changed: str) -> None:
    assert with_weight(options, 0) == changed
