"""The typed, frozen model of the variables `frontends` and `keepalived`.

Field names are keepalived.conf(5)'s, except where a plain word reads better in an inventory
(`check: {interval: 2}`). Validation of a model refuses mistakes within one value. `topology` and
`lint` find the mistakes that only show across values or hosts.
"""

from provision.inventory.model.frontend import Frontend, Vip
from provision.inventory.model.globals import Keepalived
from provision.inventory.model.service import RealServerOptions, Service
from provision.inventory.model.vrrp import SyncGroup, Vrrp

__all__ = ["Frontend", "Keepalived", "RealServerOptions", "Service", "SyncGroup", "Vip", "Vrrp"]
