# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Results of Keepalived's health checks, from its log. A part that comes before the look, which sets `pid`.

health_checks() { # the last lines that the health checker logged since the boot; no section where Keepalived is stopped
    [ "$pid" != 0 ] || return 0
    section checks
    ! have journalctl || journalctl -qb --no-pager -o short-unix -n 300 -u keepalived \
        -t Keepalived_healthcheckers 2>/dev/null
}
