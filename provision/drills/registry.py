"""All drills in their order: the least disturbing first, the power cut with its long boot last."""

from __future__ import annotations

from provision.drills.all_real_servers_down import AllRealServersDown
from provision.drills.drill import Drill
from provision.drills.hand_over import Failback, HandOver
from provision.drills.keepalived_kill import KeepalivedKill
from provision.drills.keepalived_stop import KeepalivedStop
from provision.drills.link_down import LinkDown
from provision.drills.power_cut import PowerCut
from provision.drills.real_server_flap import RealServerFlap
from provision.drills.real_server_stop import RealServerStop
from provision.drills.real_server_without_vip import RealServerWithoutVip
from provision.drills.vrrp_blocked import VrrpBlocked

DRILLS: tuple[type[Drill], ...] = (
    HandOver,
    Failback,
    KeepalivedStop,
    KeepalivedKill,
    LinkDown,
    VrrpBlocked,
    RealServerStop,
    RealServerFlap,
    RealServerWithoutVip,
    AllRealServersDown,
    PowerCut,
)

NAMES = tuple(drill.name for drill in DRILLS)
