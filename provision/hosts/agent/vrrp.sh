# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# VRRP: Keepalived's report on its VRRP instances.
#
# It answers SIGJSON with a file in its /tmp. PrivateTmp may give it a /tmp of its own: hence
# /proc/PID/root. The signal would kill a build without JSON, so Keepalived is asked for its number.

ask_keepalived() { # signal the main process `pid`, 0 for none
    signal='' answer=$R/proc/$pid/root/tmp/keepalived.json
    [ "$pid" != 0 ] && have keepalived || return 0
    signal=$(keepalived --signum=JSON 2>/dev/null) || signal=''
    case $signal in '' | *[!0-9]*) signal='' && return 0 ;; esac
    rm -f "$answer"
    kill -s "$signal" "$pid" 2>/dev/null || kill "-$signal" "$pid" 2>/dev/null || signal=''
}

await_keepalived() { # set `json`, empty after two seconds; repeat the signal, as another look may remove the file
    json='' tries=0
    while [ -n "$signal" ] && [ $tries -lt 40 ]; do
        # -O is not in POSIX, but in dash and busybox: the file must belong to root, not to another user.
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
