"""Host patterns: names with ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.inventory.patterns import MAX_HOSTS, PatternError, expand

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("pattern", "names", "port"),
    [
        ("web1", ["web1"], None),
        ("web[1:3]", ["web1", "web2", "web3"], None),
        ("web[08:11]", ["web08", "web09", "web10", "web11"], None),
        ("web[1:9:4]", ["web1", "web5", "web9"], None),
        ("web[:2]", ["web0", "web1", "web2"], None),
        ("db-[a:c]", ["db-a", "db-b", "db-c"], None),
        ("x[y:B]", ["xy", "xz", "xA", "xB"], None),
        ("r[1:2]s[a:b]", ["r1sa", "r1sb", "r2sa", "r2sb"], None),
        ("web[1:2].example.org:22", ["web1.example.org", "web2.example.org"], 22),
        ("192.168.227.[101:102]:2222", ["192.168.227.101", "192.168.227.102"], 2222),
        ("2001:db8::1", ["2001:db8::1"], None),
        ("[2001:db8::1]:22", ["2001:db8::1"], 22),
        ("[2001:db8::[8:9]]:22", ["2001:db8::8", "2001:db8::9"], 22),
        ("büro-[1:2]", ["büro-1", "büro-2"], None),
        ("trailing-:22", ["trailing-:22"], None),
    ],
)
def test_a_pattern_gives_names_and_a_port(pattern: str, names: list[str], port: int | None) -> None:
    assert expand(pattern) == (names, port)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("web[1:", "its brackets do not pair"),
        ("web]1:2[", "its brackets do not pair"),
        ("web[1]", "[1] is neither [BEGIN:END] nor [BEGIN:END:STEP]"),
        ("web[1:2:3:4]", "[1:2:3:4] is neither [BEGIN:END] nor [BEGIN:END:STEP]"),
        ("web[1:]", "[1:] has no end"),
        ("web[3:1]", "[3:1] is empty: its begin is beyond its end"),
        ("web[c:a]", "[c:a] is empty: its begin is beyond its end"),
        ("web[1:3:0]", "[1:3:0] steps by '0', not by a number of at least 1"),
        ("web[a:3]", "[a:3] runs neither from number to number nor from letter to letter"),
        ("web[ab:cd]", "[ab:cd] runs neither from number to number nor from letter to letter"),
        ("web[01:100]", "[01:100] pads with zeros, so both ends need the same number of digits"),
        ("web[1:65537]", "it gives more than 65536 names"),
        ("web[1:300][1:300]", "it gives more than 65536 names"),
        ("web[1:" + "9" * 5000 + "]", None),
        ("web1:65536", "port 65536 is beyond 65535"),
    ],
)
def test_an_invalid_pattern_is_refused(pattern: str, why: str | None) -> None:
    with pytest.raises(PatternError) as caught:
        expand(pattern)
    assert why is None or str(caught.value) == why


@given(LABEL, st.integers(0, 400), st.integers(0, 50), st.integers(1, 7), LABEL)
def test_numbers_are_those_between_the_bounds(
    head: str, begin: int, more: int, step: int, tail: str
) -> None:
    names, port = expand(f"{head}[{begin}:{begin + more}:{step}]{tail}")
    assert names == [
        f"{head}{number}{tail}"
        for number in range(begin, begin + more + 1)
        if (number - begin) % step == 0
    ]
    assert port is None


@given(st.integers(0, 99), st.integers(0, 99))
def test_padded_numbers_have_the_same_width(begin: int, more: int) -> None:
    names, _ = expand(f"h[{begin:04}:{begin + more:04}]")
    assert [len(name) for name in names] == [5] * (more + 1)
    assert [int(name[1:]) for name in names] == list(range(begin, begin + more + 1))


@given(st.integers(0, 51), st.integers(0, 51))
def test_letters_are_in_the_order_small_then_capital(first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert expand(f"h[{LETTERS[low]}:{LETTERS[high]}]")[0] == [
        f"h{letter}" for letter in LETTERS[low : high + 1]
    ]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_ranges_multiply(sizes: list[int]) -> None:
    names, _ = expand("h" + "".join(f"x[1:{size}]" for size in sizes))
    expected = 1
    for size in sizes:
        expected *= size
    assert len(names) == len(set(names)) == expected <= MAX_HOSTS


@given(st.text(max_size=12))
def test_any_text_is_names_or_a_pattern_error(text: str) -> None:
    try:
        names, _ = expand(text)
    except PatternError as error:
        assert str(error)
    else:
        assert names
