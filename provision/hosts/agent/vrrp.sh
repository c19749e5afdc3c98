# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Keepalived's own word on its VRRP instances.
#
# It answers SIGJSON with a file in its /tmp, which PrivateTmp may have made its own: hence /proc/PID/root. A build without
# JSON would die of that signal, so the number is Keepalived's own word.

ask_keepalived() { # of the main process `pid`, 0 where none runs
    signal='' answer=$R/proc/$pid/root/tmp/keepalived.json
    [ "$pid" != 0 ] && have keepalived || return 0
    signal=$(keepalived --signum=JSON 2>/dev/null) || signal=''
    case $signal in '' | *[!0-9]*) signal='' && return 0 ;; esac
    rm -f "$answer"
    kill -s "$signal" "$pid" 2>/dev/null || kill "-$signal" "$pid" 2>/dev/null || signal=''
}

await_keepalived() { # sets `json`, empty after two seconds; asked again, since somebody else who looks may have taken it away
    json='' tries=0
    while [ -n "$signal" ] && [ $tries -lt 40 ]; do
        # Not in POSIX, but in dash and busybox: the file has to be root's own, not one that somebody put there.
        # shellcheck disable=SC3067
        if [ -f "$answer" ] && [ -O "$answer" ] && [ ! -L "$answer" ]; then
            json=$(cat "$answer" 2>/dev/null)
            case $json in *']') break ;; esac
        fi
        json='' tries=$((tries + 1))
        [ $((tries % 10)) != 0 ] || kill "-$signal" "$pid" 2>/dev/null || break
        sleep 0.05 2>/dev/null 3<&- || sleep 1 3<&-
    done
    [ -z "$json" ] || rm -f "$answer"
}
