"""The last word of each real server's checks, from the lines that Keepalived 2.2.7 wrote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.hosts.live.health import health, words_on

TCP = """\
1795325480.059740 lvs1 Keepalived_healthcheckers[687]: Gained quorum 1+0=1 <= 2 for VS [192.168.227.10]:tcp:80
1795325480.073918 lvs1 Keepalived_healthcheckers[687]: Activating healthchecker for service [192.168.227.103]:tcp:80 for VS [192.168.227.10]:tcp:80
1795325482.065224 lvs1 Keepalived_healthcheckers[687]: TCP connection to [192.168.227.104]:tcp:80 success.
1795325482.715355 lvs1 Keepalived_healthcheckers[687]: TCP connection to [192.168.227.103]:tcp:80 success.
1795325509.805170 lvs1 Keepalived_healthcheckers[687]: TCP_CHECK on service [192.168.227.103]:tcp:80 failed after 1 retries.
1795325509.817326 lvs1 Keepalived_healthcheckers[687]: Removing service [192.168.227.103]:tcp:80 from VS [192.168.227.10]:tcp:80
""".splitlines()  # noqa: E501  # the lines as they are

BACK = """\
1795325514.876096 lvs1 Keepalived_healthcheckers[687]: TCP connection to [192.168.227.103]:tcp:80 success.
1795325514.884268 lvs1 Keepalived_healthcheckers[687]: Adding service [192.168.227.103]:tcp:80 to VS [192.168.227.10]:tcp:80
""".splitlines()  # noqa: E501


def test_a_failed_check_says_why_and_since_when() -> None:
    results = health(TCP)
    down, up = results["[192.168.227.103]:tcp:80"], results["[192.168.227.104]:tcp:80"]
    assert (down.well, down.reason, down.at) == (
        False,
        "TCP_CHECK failed after 1 retries",
        1795325509.80517,
    )
    assert (up.well, up.reason) == (True, "TCP connection success")
    assert len(results) == 2


def test_a_server_that_came_back() -> None:
    back = health([*TCP, *BACK])["[192.168.227.103]:tcp:80"]
    assert (back.well, back.reason, back.at) == (True, "TCP connection success", 1795325514.876096)


def test_a_server_of_two_services_is_out_of_one() -> None:
    """Each service has checks of its own, and what passes last may be the other's."""
    other = BACK[0].replace("5514.", "5520.")
    assert health([*TCP, other])["[192.168.227.103]:tcp:80"].out_of == {"[192.168.227.10]:tcp:80"}
    assert health([*TCP, *BACK])["[192.168.227.103]:tcp:80"].out_of == frozenset()


def test_words_are_found_by_the_place_in_the_table() -> None:
    results = health(
        [
            *TCP,
            "1795325520.1 lvs1 Keepalived_healthcheckers[687]: "
            "ICMP connection to [fd00::3] success.",
        ]
    )
    assert [word.well for word in words_on(results, "192.168.227.103:80")] == [False]
    assert [word.reason for word in words_on(results, "[fd00::3]:80")] == [
        "ICMP connection success"
    ]
    assert words_on(results, "192.168.227.103:8") == words_on(results, "192.168.227.10:80") == ()


def test_a_new_process_knows_nothing_of_the_old_ones_words() -> None:
    assert health([*TCP, TCP[0].replace("[687]", "[800]")]) == {}


def test_ipv6_and_http() -> None:
    line = (
        "1.5 lvs1 Keepalived_healthcheckers[1]: "
        "HTTP_CHECK on service [fd00::3]:tcp:80 failed after 3 retries."
    )
    assert health([line])["[fd00::3]:tcp:80"].reason == "HTTP_CHECK failed after 3 retries"


@given(st.lists(st.text()))
def test_any_text_is_read(lines: list[str]) -> None:
    health([f"1.0 h Keepalived_healthcheckers[1]: {line}" for line in lines])
