"""The rights of each user, checked by hactl from a client's host."""

from __future__ import annotations

import json

from conftest import LAB, hactl


def test_every_user_can_use_its_rights_and_no_others() -> None:
    done = hactl("kafka", "verify", f"inventory/{LAB}.yml", "--lab", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"]
