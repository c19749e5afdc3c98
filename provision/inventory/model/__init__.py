"""The typed, frozen model of the variables `frontends` and `keepalived`.

Field names are hactl's where the inventory is better off with a plain word (`check: {interval: 2}`) and
keepalived.conf(5)'s everywhere else. Validation refuses what is wrong within one value; what only
several values or hosts together show is found by `topology` and `lint`.
"""

from provision.inventory.model.frontend import Frontend, Vip
from provision.inventory.model.globals import Keepalived
from provision.inventory.model.service import RealServerOptions, Service
from provision.inventory.model.vrrp import SyncGroup, Vrrp

__all__ = ["Frontend", "Keepalived", "RealServerOptions", "Service", "SyncGroup", "Vip", "Vrrp"]
