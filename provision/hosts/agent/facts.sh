# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Facts of the host.

os_facts() {
    id='' id_like='' version=''
    if [ -r "$R/etc/os-release" ]; then
        while IFS='=' read -r key value; do
            value=${value#[\"\']}
            value=${value%[\"\']}
            case $key in
            ID) id=$value ;;
            ID_LIKE) id_like=$value ;;
            VERSION_ID) version=$value ;;
            esac
        done <"$R/etc/os-release"
    fi
    case " $id $id_like " in
    *' debian '* | *' ubuntu '*) say fact os_family debian ;;
    *' rhel '* | *' fedora '* | *' centos '*) say fact os_family redhat ;;
    *) say fact os_family "${id:-unknown}" ;;
    esac
    say fact os_id "$id"
    say fact os_version "$version"
    hostname='' kernel=''
    # The shell reads byte by byte. In /proc/sys this works for strings; numbers end after one byte.
    { read -r hostname <"$R/proc/sys/kernel/hostname"; } 2>/dev/null
    { read -r kernel <"$R/proc/sys/kernel/osrelease"; } 2>/dev/null
    say fact hostname "$hostname"
    say fact kernel "$kernel"
}

interface_facts() { # global addresses; lo has only VIPs and 127/8, no address to reach the host at
    addresses=$(ip -o addr show) || die 'the ip tool does not work; install iproute2'
    device='' line_out=''
    for line in $addresses; do
        case $line in *' scope global '*) ;; *) continue ;; esac
        IFS=' '
        set -- $line
        IFS=$NL
        [ "$2" != lo ] || continue
        if [ "$2" = "$device" ]; then
            line_out=$line_out$US$4
        else
            [ -z "$line_out" ] || say fact interface "$line_out"
            device=$2 line_out=$2$US$4
        fi
    done
    [ -z "$line_out" ] || say fact interface "$line_out"
    default_interface
    say fact default_interface "$default"
}

default_interface() { # set `default` to that of the route with the lowest metric, IPv4 before IPv6
    default='' lowest=''
    while IFS=" $TAB" read -r device destination _ _ _ _ metric mask _; do
        [ "$destination$mask" = 0000000000000000 ] || continue
        if [ -z "$lowest" ] || [ "$metric" -lt "$lowest" ]; then
            default=$device lowest=$metric
        fi
    done <"$R/proc/net/route"
    [ -z "$default" ] && [ -r "$R/proc/net/ipv6_route" ] || return 0
    while IFS=' ' read -r destination prefix _ _ _ _ _ _ _ device; do
        case $destination$prefix in *[!0]*) continue ;; esac
        [ "$device" = lo ] || default=$device
    done <"$R/proc/net/ipv6_route"
}

keepalived_fact() {
    version=''
    packages=''
    if have dpkg-query; then # all packages: dpkg reads the whole status file even for one
        packages=$NL$(dpkg-query -W -f='${db:Status-Abbrev}${Package} ${Version}\n' 2>/dev/null)$NL
        case $packages in
        *"$NL"?i\ 'keepalived '*)
            version=${packages#*"$NL"?i\ keepalived\ }
            version=${version%%"$NL"*}
            version=${version#*:}
            version=${version%%[-+~]*}
            ;;
        esac
    fi
    if [ -z "$version" ] && have keepalived; then
        version=$(keepalived --version 2>&1)
        version=${version#Keepalived v}
        version=${version%%[ "$NL"]*}
    fi
    say fact keepalived_version "$version"
}

filters() { # RULESET: true if a base chain of the hook input refuses packets, itself or by a jump
    chain='' jumps='' refuses=''
    for line in $1; do
        case $line in
        *chain*'{') chain=other ;;
        *'type filter hook input '*)
            chain=input
            case $line in *'policy drop'*) return 0 ;; esac
            ;;
        *' drop' | *' drop '* | *' reject' | *' reject '*)
            refuses=yes
            [ "$chain" != input ] || return 0
            ;;
        *' jump '* | *' goto '* | *' vmap '*) [ "$chain" != input ] || jumps=yes ;;
        esac
    done
    [ -n "$jumps" ] && [ -n "$refuses" ]
}

firewall_fact() {
    firewall=none
    if have firewalld && systemctl is-active --quiet firewalld.service 2>/dev/null; then
        firewall=firewalld
    elif have nft; then
        ! filters "$(nft -t list ruleset 2>/dev/null || nft list ruleset 2>/dev/null)" || firewall=nftables
    elif have iptables; then
        case $(iptables -S INPUT 2>/dev/null) in
        *'-P INPUT DROP'* | *'-j DROP'* | *'-j REJECT'*) firewall=nftables ;;
        esac
    fi
    say fact firewall "$firewall"
}

selinux_fact() {
    selinux=disabled enforce=''
    { read -r enforce <"$R/sys/fs/selinux/enforce"; } 2>/dev/null
    case $enforce in
    1) selinux=enforcing ;;
    0) selinux=permissive ;;
    esac
    say fact selinux "$selinux"
}

lock_line() {
    [ -d "$R/run/hactl/lock" ] || return 0
    who=unknown since='' pid=''
    { IFS=$US read -r who since pid <"$R/run/hactl/lock/owner"; } 2>/dev/null
    IFS=$NL
    alive=no
    [ -z "$pid" ] || ! alive "$pid" || alive=yes
    say lock "$who" "$since" "$alive"
}
