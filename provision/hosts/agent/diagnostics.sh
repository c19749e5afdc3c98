# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Diagnostics: filters, logs, neighbours and processes, which explain a symptom. This part comes
# before the look, which calls `look_further`.

filters() { # the packet filters of nft, and those of iptables that nft does not have
    section filters
    ! have nft || nft list ruleset 2>/dev/null
    for tables in iptables-legacy-save ip6tables-legacy-save iptables-save ip6tables-save; do
        case $tables in *legacy*) ;; *) ! have nft || continue ;; esac
        ! have $tables || $tables 2>/dev/null
    done
}

processes() { # Keepalived's processes: number, name, state, parent (proc(5), /proc/PID/stat)
    section processes
    set +f
    grep -sh '^[0-9]* (keepalived' "$R"/proc/[0-9]*/stat
    set -f
}

log() { # Keepalived's log since the boot, systemd's messages about it, and SELinux's denials
    section log
    # without Keepalived's log lines about hactl's own requests
    ! have journalctl || journalctl -qb --no-pager -o short-unix -n 3000 -u keepalived 2>/dev/null |
        grep -v 'Printing VRRP as json' | tail -n 400
    section denied
    ! have tail || tail -n 2000 "$R/var/log/audit/audit.log" 2>/dev/null | grep 'avc: .*keepalived' | tail -n 5
}

managers() { # network managers, which may remove addresses
    section managers
    systemctl is-active systemd-networkd NetworkManager 2>/dev/null
    section networkd
    set +f
    grep -sH '^ *\(KeepConfiguration\|Name\|ManageForeignRoutingPolicyRules\) *=' "$R"/etc/systemd/network/*.network \
        "$R"/run/systemd/network/*.network "$R"/etc/systemd/network/*.network.d/*.conf
    set -f
}

full_disks() { # writable local file systems without free space (df(1) -P; -l: no network file systems)
    section full_disks
    df -Pl 2>/dev/null | while IFS=' ' read -r device blocks used free part place; do
        [ "$free" != 0 ] || [ "$blocks" = 0 ] || [ ! -w "$place" ] || printf '%s\n' "$device $blocks $used $free $part $place"
    done
}

tunnel_paths() { # ADDRESS DEVICE MTU SMALL LARGE: for real servers in tunnels, are small and large packets answered?
    section tunnel_paths
    [ -e "$R/proc/net/ip_vs" ] && have ipvsadm || return 0
    asked=$NL
    for line in $(ipvsadm -Ln 2>/dev/null); do
        case $line in *' Tunnel '*) ;; *) continue ;; esac
        IFS=' '
        set -- $line
        IFS=$NL
        server=${2%:*}
        server=${server#'['}
        server=${server%']'}
        case $asked in *"$NL$server$NL"*) continue ;; esac
        asked=$asked$server$NL
        tunnel_path "$server" &
    done
    wait
}

tunnel_path() { # ADDRESS: a packet in a tunnel may be as large as the interface's MTU (RFC 2003 3.1)
    have ping || {
        printf '%s no-ping\n' "$1"
        return
    }
    case $1 in *:*) headers=48 ;; *) headers=28 ;; esac
    device=$(ip -o route get "$1" 2>/dev/null)
    device=${device#*' dev '}
    device=${device%%' '*}
    { read -r mtu <"$R/sys/class/net/$device/mtu"; } 2>/dev/null || return
    small=no large=no
    ! comes_back 56 "$1" || small=yes
    ! comes_back $((mtu - headers)) "$1" || large=yes
    printf '%s %s %s %s %s\n' "$1" "$device" "$mtu" $small $large
}

comes_back() { # SIZE ADDRESS: true if at least one of two unfragmented packets is answered
    ping -n -q -c 2 -i 0.2 -W 1 -M 'do' -s "$1" "$2" >/dev/null 2>&1
}

look_further() {
    section release
    uname -r
    section neighbours
    ip neigh show 2>/dev/null
    processes
    filters
    log
    health_checks
    managers
    full_disks
    tunnel_paths
    section handover
    set +f
    grep -sH '^[1-9]' "$R"/var/lib/hactl/handover/*
    set -f
    section strict
    grep -snE '^[[:space:]]*(vrrp_strict|strict_mode)' "$R/etc/keepalived/keepalived.conf"
    section ipvs_module
    [ ! -e "$R/proc/net/ip_vs" ] || echo loaded
    section synced # numbers of synchronised connections by origin
    [ ! -r "$R/proc/net/ip_vs_conn_sync" ] || for origin in LOCAL SYNC; do
        printf '%s %s\n' $origin "$(grep -c " ESTABLISHED .*$origin" "$R/proc/net/ip_vs_conn_sync")"
    done
}
