# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Kernel parameters, modules and addresses.

fold() { # words joined by single blanks, in `folded`
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

has_address() { # ADDRESS/PREFIX DEVICE: sets `shown` to its line
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
