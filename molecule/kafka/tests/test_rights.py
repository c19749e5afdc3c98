"""What users may do and what they may not, tried by hactl from where clients are."""

from __future__ import annotations

import json

from conftest import LAB, hactl


def test_every_user_does_what_it_may_and_is_refused_the_rest() -> None:
    ran = hactl("kafka", "verify", f"inventory/{LAB}.yml", "--lab", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["ok"]
