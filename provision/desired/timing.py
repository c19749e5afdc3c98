"""How long each fault may last for clients, from the deployed configuration by formula. All in seconds."""

from __future__ import annotations

from provision.desired.kafka_variables import INTERVAL as KAFKA_INTERVAL
from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import (
    Check,
    Connecting,
    DnsCheck,
    HttpCheck,
    KafkaCheck,
    MiscCheck,
    SslCheck,
    UdpCheck,
)

NO_REQUEST_SLOWER = 0.2
"""What a planned hand-over may cost the slowest request; none may fail."""

INTERVAL, RETRIES, DELAY, TIMEOUT = 60.0, 1, 1.0, 5.0
"""Keepalived's defaults of delay_loop, retry, delay_before_retry and connect_timeout (keepalived.conf(5))."""

BROKER_STARTS = 60.0
"""Until a broker that was started is in its own metadata: Java, its logs, the quorum, all on a loaded machine."""


def crash(frontend: ResolvedFrontend, successor: str) -> float:
    """A master that falls silent: the successor's Master_Down_Interval, 3 adverts and its skew (RFC 5798 §6.1)."""
    return frontend.vrrp.down_after(frontend.priority(successor))


def graceful_stop(frontend: ResolvedFrontend, successor: str) -> float:
    """A master that says goodbye with priority 0: the successor's Skew_Time (RFC 5798 §6.4.2), and an advert's time.

    The advert is for a successor whose timer was just set by one that came before the goodbye.
    """
    return frontend.vrrp.skew(frontend.priority(successor)) + frontend.vrrp.interval


def split_brain_named(frontend: ResolvedFrontend) -> float:
    """Three adverts of the second director: by then two of one VRID have been heard from both."""
    return 3 * frontend.vrrp.interval


def notices(check: Check) -> bool:
    """Whether a check sees that the service has stopped while its host lives: it talks to the service itself."""
    if isinstance(check, UdpCheck):
        return check.connect_ip is None  # the closed port's ICMP error
    if isinstance(check, MiscCheck | KafkaCheck):
        return True  # a program that does not see it is of no use
    own = ("tcp", "http", "ssl", "smtp", "dns")
    return isinstance(check, Connecting) and check.type in own and check.connect_ip is None


def removal(service: ResolvedService, server: RealServer) -> float | None:
    """Until a real server whose service has died is out of the table; None where no check would notice.

    A check has just succeeded: the next comes an interval later, waits its timeout, and each retry waits its delay and
    its timeout again (keepalived.conf(5): delay_loop, connect_timeout, retry, delay_before_retry). What Keepalived runs
    for a broker has its answer at once; what it reads was written by the director's kafka-ready, with its own interval.
    """
    times = []
    for check in filter(notices, _checks(service, server)):
        timeout = _timeout(check, service, server)
        retries = _retries(check, service, server)
        delay = _delay(check, service, server)
        if isinstance(check, KafkaCheck):
            times.append(_readiness(check) + _interval(check, service, server) + retries * delay)
        else:
            times.append(_interval(check, service, server) + timeout + retries * (delay + timeout))
    return min(times, default=None)


def return_to_table(service: ResolvedService, server: RealServer) -> float:
    """Until a real server that works again is back: every check must succeed, the next is an interval away at most.

    A failed check waits its interval from its end, so that one that was just failing may still take its timeout. A
    broker that was just started is asked in vain until it serves.
    """
    checks = _checks(service, server)
    return max((_back(check, service, server) for check in checks), default=0.0)


def _back(check: Check, service: ResolvedService, server: RealServer) -> float:
    own = _interval(check, service, server)
    if isinstance(check, KafkaCheck):
        return BROKER_STARTS + _readiness(check) + own
    return own + _timeout(check, service, server)


def _readiness(check: KafkaCheck) -> float:
    """Seconds after which kafka-ready on a director has seen a change: it asks, and may have to wait for the answer."""
    return (check.interval or KAFKA_INTERVAL) + check.timeout


def _checks(service: ResolvedService, server: RealServer) -> tuple[Check, ...]:
    return service.model.check if server.options.check is None else server.options.check


def _interval(check: Check, service: ResolvedService, server: RealServer) -> float:
    own = getattr(check, "interval", None)
    return float(_first(own, server.options.delay_loop, service.model.delay_loop, INTERVAL))


def _timeout(check: Check, service: ResolvedService, server: RealServer) -> float:
    own = getattr(check, "timeout", None)
    return float(
        _first(own, server.options.connect_timeout, service.model.connect_timeout, TIMEOUT)
    )


def _retries(check: Check, service: ResolvedService, server: RealServer) -> float:
    default = 3 if isinstance(check, DnsCheck) else 0 if isinstance(check, MiscCheck) else RETRIES
    return float(
        _first(getattr(check, "retries", None), server.options.retry, service.model.retry, default)
    )


def _delay(check: Check, service: ResolvedService, server: RealServer) -> float:
    default = 3.0 if isinstance(check, HttpCheck | SslCheck) else DELAY
    if isinstance(check, DnsCheck):
        default = _interval(check, service, server)
    own = getattr(check, "delay", None)
    return float(
        _first(own, server.options.delay_before_retry, service.model.delay_before_retry, default)
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def check_patience(frontend: ResolvedFrontend) -> float:
    """Seconds after which every check of a front end must have seen that its real servers are back."""
    pairs = [(service, server) for service in frontend.services for server in service.real_servers]
    return max((return_to_table(*pair) for pair in pairs), default=0.0)
