"""The longest effect of faults on clients, computed from the configuration, in seconds."""

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

MAX_REQUEST_TIME = 0.2
"""The slowest request during a planned hand-over, in seconds; no request may fail."""

INTERVAL, RETRIES, DELAY, TIMEOUT = 60.0, 1, 1.0, 5.0
"""Keepalived's delay_loop, retry, delay_before_retry and connect_timeout (keepalived.conf(5))."""

BROKER_START_TIME = 60.0
"""Time until a started broker is in its metadata (Java, logs, quorum) on a loaded machine."""


def crash(frontend: ResolvedFrontend, successor: str) -> float:
    """A crash: the successor's Master_Down_Interval, 3 adverts and its skew (RFC 5798 §6.1)."""
    return frontend.vrrp.down_after(frontend.priority(successor))


def graceful_stop(frontend: ResolvedFrontend, successor: str) -> float:
    """A master sends priority 0: the successor's Skew_Time (RFC 5798 §6.4.2) and an interval.

    The advert interval covers a successor that has just set its timer by an earlier advert.
    """
    return frontend.vrrp.skew(frontend.priority(successor)) + frontend.vrrp.interval


def split_brain_detection(frontend: ResolvedFrontend) -> float:
    """Three advert intervals: by then both directors have sent two adverts for the VRID."""
    return 3 * frontend.vrrp.interval


def detects_stopped_service(check: Check) -> bool:
    """Whether a check fails if the service stops on a running host: it connects to the service."""
    if isinstance(check, UdpCheck):
        return check.connect_ip is None  # the closed port's ICMP error
    if isinstance(check, MiscCheck | KafkaCheck):
        return True  # a useful program detects it
    types = ("tcp", "http", "ssl", "smtp", "dns")
    return isinstance(check, Connecting) and check.type in types and check.connect_ip is None


def removal(service: ResolvedService, server: RealServer) -> float | None:
    """Time until a real server with a dead service is removed; None if no check detects it.

    In the worst case a check has just succeeded. The next check comes an interval later and waits
    its time-out; a retry waits its delay and the time-out again (keepalived.conf(5): delay_loop,
    connect_timeout, retry, delay_before_retry). A broker's check ends at once: it reads the result
    of the director's kafka-ready, which has another interval.
    """
    times = []
    for check in filter(detects_stopped_service, _checks(service, server)):
        timeout = _timeout(check, service, server)
        retries = _retries(check, service, server)
        delay = _delay(check, service, server)
        if isinstance(check, KafkaCheck):
            times.append(_readiness(check) + _interval(check, service, server) + retries * delay)
        else:
            times.append(_interval(check, service, server) + timeout + retries * (delay + timeout))
    return min(times, default=None)


def return_to_table(service: ResolvedService, server: RealServer) -> float:
    """Time until a working real server is back in the table: all checks must succeed once.

    The next check starts at most an interval after the end of the last one, which may still wait
    its time-out. The check of a broker fails until the broker has started.
    """
    checks = _checks(service, server)
    return max((_time_to_success(check, service, server) for check in checks), default=0.0)


def _time_to_success(check: Check, service: ResolvedService, server: RealServer) -> float:
    interval = _interval(check, service, server)
    if isinstance(check, KafkaCheck):
        return BROKER_START_TIME + _readiness(check) + interval
    return interval + _timeout(check, service, server)


def _readiness(check: KafkaCheck) -> float:
    """Time until kafka-ready on a director detects a change: its interval and its time-out."""
    return (check.interval or KAFKA_INTERVAL) + check.timeout


def _checks(service: ResolvedService, server: RealServer) -> tuple[Check, ...]:
    return service.model.check if server.options.check is None else server.options.check


def _interval(check: Check, service: ResolvedService, server: RealServer) -> float:
    interval = getattr(check, "interval", None)
    return float(
        _first_set(interval, server.options.delay_loop, service.model.delay_loop, INTERVAL)
    )


def _timeout(check: Check, service: ResolvedService, server: RealServer) -> float:
    timeout = getattr(check, "timeout", None)
    return float(
        _first_set(timeout, server.options.connect_timeout, service.model.connect_timeout, TIMEOUT)
    )


def _retries(check: Check, service: ResolvedService, server: RealServer) -> float:
    default = 3 if isinstance(check, DnsCheck) else 0 if isinstance(check, MiscCheck) else RETRIES
    return float(
        _first_set(
            getattr(check, "retries", None), server.options.retry, service.model.retry, default
        )
    )


def _delay(check: Check, service: ResolvedService, server: RealServer) -> float:
    default = 3.0 if isinstance(check, HttpCheck | SslCheck) else DELAY
    if isinstance(check, DnsCheck):
        default = _interval(check, service, server)
    delay = getattr(check, "delay", None)
    return float(
        _first_set(
            delay, server.options.delay_before_retry, service.model.delay_before_retry, default
        )
    )


def _first_set(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def max_return_time(frontend: ResolvedFrontend) -> float:
    """Time until all working real servers of a front end are back in the table."""
    pairs = [(service, server) for service in frontend.services for server in service.real_servers]
    return max((return_to_table(*pair) for pair in pairs), default=0.0)
