# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Look: print the present state of this host. Changes nothing; Keepalived's answer, a file, is removed.
#
# The tools' output is printed unchanged, a section for each tool. A section begins with a line of US
# and its name. The last section is `end`: output without it means a lost connection.

section() { printf '%s%s\n' "$US" "$1"; }

clock() { # seconds since the epoch, with a fraction if date(1) can print it
    now=$(date +%s.%N)
    case $now in *[!0-9.]* | *.) now=${now%%.*} ;; esac
    section clock
    printf '%s\n' "$now"
}

kernel() { # one grep for all files: a fork is slower, and a number in /proc/sys must be read at once
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

owners() { # set `units` to Keepalived's and the units that own a listener
    units=$NL'keepalived.service'
    for line in $sockets; do
        case $line in *cgroup:*.service*) ;; *) continue ;; esac
        unit=${line##*cgroup:}
        unit=${unit%%.service*}.service
        unit=${unit##*/}
        case $units$NL in *"$NL$unit$NL"*) ;; *) units=$units$NL$unit ;; esac
    done
}

show_units() { # print the units, and set `pid` to Keepalived's main process
    states=$(systemctl show -p Id,ActiveState,UnitFileState,MainPID -- $units 2>/dev/null) || states=''
    pid=0
    case $states in
    *'Id=keepalived.service'*)
        for line in ${states%%"$NL$NL"*}; do # systemctl answers in the order of the arguments
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

table() { # the kernel's table; no section if the module is not loaded
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
! have look_further || look_further # the further sections of another agent
tell_vrrp
section end
