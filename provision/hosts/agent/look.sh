# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Look: print what this host does right now. Changes nothing; Keepalived's own answer, a file, is read and removed.
#
# The tools' output goes over as it is, a section each, headed by a line of US and the section's name; the controller
# reads it. The last section is `end`: output without it is a dropped connection.

section() { printf '%s%s\n' "$US" "$1"; }

clock() { # seconds since the epoch, with a fraction where date knows it
    now=$(date +%s.%N)
    case $now in *[!0-9.]* | *.) now=${now%%.*} ;; esac
    section clock
    printf '%s\n' "$now"
}

kernel() { # one grep for all: a fork costs more than a file, and a number in /proc/sys must be read in one go
    section files
    cd "${R:-/}" || return
    set +f
    set -- proc/sys/kernel/random/boot_id proc/sys/net/ipv4/ip_forward proc/sys/net/ipv4/vs/* \
        proc/sys/net/ipv4/conf/*/arp_ignore proc/sys/net/ipv4/conf/*/arp_announce \
        proc/sys/net/ipv4/conf/*/send_redirects proc/sys/net/ipv4/conf/*/rp_filter \
        proc/sys/net/ipv4/ip_nonlocal_bind proc/sys/net/ipv6/conf/*/forwarding \
        sys/class/net/*/address sys/class/net/*/carrier
    set -f
    grep -sH '' "$@"
}

listeners() { # --cgroup names the unit without a walk through /proc; iproute2 before 5.8 has no such option
    sockets=$(ss -lntuH --cgroup 2>/dev/null) || sockets=$(ss -lntuH 2>/dev/null) || sockets=''
    section listeners
    printf '%s\n' "$sockets"
}

owners() { # sets `units`: keepalived, and the units that own a listener
    units=$NL'keepalived.service'
    for line in $sockets; do
        case $line in *cgroup:*.service*) ;; *) continue ;; esac
        unit=${line##*cgroup:}
        unit=${unit%%.service*}.service
        unit=${unit##*/}
        case $units$NL in *"$NL$unit$NL"*) ;; *) units=$units$NL$unit ;; esac
    done
}

show_units() { # sets `pid`, Keepalived's main process
    states=$(systemctl show -p Id,ActiveState,UnitFileState,MainPID -- $units 2>/dev/null) || states=''
    pid=0
    case $states in
    *'Id=keepalived.service'*)
        for line in ${states%%"$NL$NL"*}; do # the first asked is the first answered
            case $line in MainPID=*) pid=${line#*=} ;; esac
        done
        ;;
    esac
    section units
    printf '%s\n' "$states"
}

tell_vrrp() {
    await_keepalived
    section vrrp
    printf '%s\n' "$json"
}

table() { # the kernel's; absent where nothing has loaded it
    [ -e "$R/proc/net/ip_vs" ] && have ipvsadm || return 0
    section ipvs_saved
    ipvsadm -Sn 2>/dev/null
    section ipvs
    ipvsadm -Ln 2>/dev/null
    section sync
    ipvsadm -Ln --daemon 2>/dev/null
}

clock
listeners
owners
show_units
ask_keepalived
kernel
section addresses
ip -o addr show 2>/dev/null
section drained
drained_lines
table
! have look_further || look_further # what another agent that ends with this one wants to know as well
tell_vrrp
section end
