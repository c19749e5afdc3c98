"""`HOST:PORT`, written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.formats import endpoint


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("192.0.2.10:80", ("192.0.2.10", "80")),
        ("[2001:db8::10]:80", ("2001:db8::10", "80")),
        ("broker1:9092", ("broker1", "9092")),
        ("80", ("", "80")),
    ],
)
def test_an_address_of_either_family_is_split_from_its_port(
    text: str, parts: tuple[str, str]
) -> None:
    assert endpoint.split(text) == parts
    assert endpoint.host(text) == parts[0]


@given(st.ip_addresses().map(str), st.integers(0, 65535))
def test_a_joined_endpoint_is_split_into_its_parts(address: str, port: int) -> None:
    assert endpoint.split(endpoint.join(address, port)) == (address, str(port))
