"""Small inventories that together use every field of the model, for the real Keepalived."""

from __future__ import annotations

from tests.roles.keepalived_cases import checks, director, kafka, services, vrrp
from tests.roles.keepalived_cases.case import Case

CASES: dict[str, Case] = {
    **kafka.CASES,
    **vrrp.CASES,
    **services.CASES,
    **checks.CASES,
    **director.CASES,
}
