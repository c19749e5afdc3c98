# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Kernel parameters, modules, addresses, and the table of virtual services.

fold() { # TEXT: set `folded` to its words, joined by single blanks
    IFS=" $TAB"
    set -- $1
    IFS=' '
    folded=$*
    IFS=$NL
}

set_sysctl() { # NAME VALUE PATH
    before=$(cat "$3" 2>"$work/log") || fail "the kernel has no $1: $(reason)"
    note sysctl "$3" "$before"
    { printf '%s\n' "$2" >"$3"; } 2>"$work/log" || fail "the kernel refuses $1 = $2: $(reason)"
    fold "$(cat "$3")"
    after=$folded
    fold "$2"
    [ "$after" = "$folded" ] || fail "the kernel made $1 \"$after\" of \"$folded\""
}

load_module() { # NAME
    [ ! -d "$R/sys/module/$1" ] || return 0
    note module "$1"
    run modprobe "$1" || fail "cannot load the module $1: $(reason)"
}

has_address() { # ADDRESS/PREFIX DEVICE: true if the device has it; set `shown` to its line
    shown=$(ip -o addr show dev "$2" 2>/dev/null)
    for shown in $shown; do
        case $shown in *" inet $1 "* | *" inet6 $1 "*) return 0 ;; esac
    done
    return 1
}

add_address() { # ADDRESS/PREFIX DEVICE LABEL
    ! has_address "$1" "$2" || return 0
    if [ -n "${3-}" ]; then
        ip addr add "$1" dev "$2" label "$3"
    else
        ip addr add "$1" dev "$2"
    fi
}

del_address() {
    ! has_address "$1" "$2" || ip addr del "$1" dev "$2"
}

change_address() { # add|del ADDRESS/PREFIX DEVICE [LABEL]
    if [ "$1" = add ]; then
        ! has_address "$2" "$3" || return 0
        note address del "$2" "$3"
    else
        has_address "$2" "$3" || return 0
        label=${shown%%\\*}
        label=${label##* }
        case $label in "$3:"*) ;; *) label='' ;; esac
        note address add "$2" "$3" "$label"
    fi
    "$1_address" "$2" "$3" "${4-}" >"$work/log" 2>&1 || fail "cannot $1 the address $2 on $3: $(reason)"
}

edit_table() { # -A|-a|-E|-e|-D|-d SELECTOR OPTIONS
    IFS=' '
    run ipvsadm $1 $2 $3
    said=$?
    IFS=$NL
    return $said
}

change_table() { # -A|-a|-E|-e SELECTOR OPTIONS BEFORE: options before the change; for -a `-r PLACE`
    case $1 in -A | -a) ! in_table "$2${4:+ $4}" || return 0 ;; esac
    case $1 in
    -A) note table -D "$2" '' ;;
    -a) note table -d "$2" "$4" ;;
    *) note table "$1" "$2" "$4" ;;
    esac
    edit_table "$1" "$2" "$3" || fail "ipvsadm $1 $2 $3: $(reason)"
}

checker() { # set `checker` to the process of Keepalived's checks, empty for none
    state_of keepalived.service
    parent=${state#*MainPID=} checker=''
    parent=${parent%% *}
    for file in "$R"/run/keepalived/checkers.pid "$R"/run/checkers.pid "$R"/run/keepalived_checkers.pid; do
        { read -r checker <"$file"; } 2>/dev/null || checker=''
        case $checker in '' | *[!0-9]*) continue ;; esac
        grep -q "^PPid:[^0-9]$parent\$" "$R/proc/$checker/status" 2>/dev/null && return 0
    done
    checker=''
}

in_table() { # ENTRY...: true if the table has all of them: `SELECTOR`, or `SELECTOR -r PLACE`
    saved=$NL$(ipvsadm -Sn 2>/dev/null)
    for entry; do
        case $entry in *' -r '*) entry="-a $entry" ;; *) entry="-A $entry" ;; esac
        case $saved in *"$NL$entry "*) ;; *) return 1 ;; esac
    done
}

# Keepalived assumes that the table still has its entries, and a reload does not check that. So only its
# checker is killed. The parent starts a new checker, which fills the table and keeps present entries.
# The VIPs stay where they are.
begin_checks() { # ENTRY...
    ! in_table "$@" || return 0
    checker
    [ -n "$checker" ] || fail 'cannot find the process of the checks: systemctl restart keepalived'
    kill -KILL "$checker" 2>"$work/log" || fail "cannot stop the checks: $(reason)"
    tries=0
    until in_table "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "Keepalived did not fill its table again: $(last_words keepalived.service)"
        sleep 0.1 2>/dev/null 3<&- || sleep 1 3<&-
    done
}
