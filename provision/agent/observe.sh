# shellcheck shell=sh
# Observe: print this host's facts, then the state of the items that are asked for. Changes nothing.
#
# Protocol: docs/architecture.md. Fields are separated by US (0x1F), which is not white space to `read` and IFS, so
# that an empty field stays a field. Unquoted expansions split on purpose: `set -f` keeps them from globbing.
# Every fork costs milliseconds on a slow host: one call for all files, all units, all packages.
# shellcheck disable=SC2086,SC2016

set -uf
export LC_ALL=C
R=${HACTL_ROOT:-} # a scratch root in the tests, empty on a host
[ -n "$R" ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NL='
'
US=$(printf '\037\t')
TAB=${US#?}
US=${US%?}
IFS=$NL

say() { # one line; its fields joined by US
    IFS=$US
    printf '%s\n' "$*"
    IFS=$NL
}

die() {
    say error "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------------------------------------------- facts

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
    # Strings can be read a byte at a time from /proc/sys, numbers cannot: after the first byte they end.
    { read -r hostname <"$R/proc/sys/kernel/hostname"; } 2>/dev/null
    { read -r kernel <"$R/proc/sys/kernel/osrelease"; } 2>/dev/null
    say fact hostname "$hostname"
    say fact kernel "$kernel"
}

interface_facts() { # global addresses; those on lo are VIPs or 127/8, never the address a host is reached at
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

default_interface() { # of the default route with the lowest metric, IPv4 before IPv6
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
    if have dpkg-query; then # all of them: the status file is read whole for a single one, too
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

filters() { # does a base chain hooked to input refuse anything, itself or in a chain it jumps to?
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
    [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null || alive=yes
    say lock "$who" "$since" "$alive"
}

# ---------------------------------------------------------------------------------------------------- request

read_request() { # sorts what is asked into newline-separated lists
    IFS= read -r length || exit 1
    request=$(dd bs="$length" count=1 iflag=fullblock 2>/dev/null)
    files='' sysctls='' units='' rpms=''
    for line in $request; do
        IFS=$US
        set -- $line
        IFS=$NL
        case $1 in
        file) [ -L "$R$2" ] || [ ! -f "$R$2" ] || files=$files$NL$R$2 ;;
        sysctl) sysctls=$sysctls$NL$R$3 ;;
        unit) units=$units$NL$2 ;;
        package) rpms=$rpms$NL$2 ;;
        esac
    done
}

next_line() { # sets `first` and `rest` from a text
    first=${1%%"$NL"*}
    case $1 in
    *"$NL"*) rest=${1#*"$NL"} ;;
    *) rest='' ;;
    esac
}

probe_files() { # sets `table`: for each regular file a line PATH US SHA256 US MODE OWNER GROUP SIZE CTIME
    table=$NL
    [ -n "$files" ] || return 0
    stats=$(stat -c '%a %U %G %s %Z' $files) || die 'stat cannot read the managed files'
    digests=$(sha256sum $files) || die 'sha256sum cannot read the managed files'
    for path in $files; do
        next_line "$stats"
        stat=$first stats=$rest
        next_line "$digests"
        digest=${first#\\} digests=$rest # a leading backslash marks a name that sha256sum had to escape
        table=$table${path#"$R"}$US${digest%% *}$US$stat$NL
    done
}

entry_of() { # sets `digest` and `stat` of a path; both empty where it is no regular file
    digest='' stat=''
    case $table in *"$NL$1$US"*) ;; *) return 1 ;; esac
    digest=${table#*"$NL$1$US"}
    digest=${digest%%"$NL"*}
    stat=${digest#*"$US"}
    digest=${digest%%"$US"*}
}

probe_sysctls() { # grep, because a number in /proc/sys must be read in one go
    values=$NL
    [ -z "$sysctls" ] || values=$NL$(grep -H '' $sysctls 2>/dev/null)$NL
}

probe_units() { # sets `states`: for each unit its properties, a newline each, and an empty line
    states=''
    [ -n "$units" ] || return 0
    states=$(systemctl show -p UnitFileState,ActiveState,MainPID,InvocationID,InactiveExitTimestampMonotonic \
        -- $units 2>&1) || die "systemctl does not work here: ${states%%"$NL"*}"
}

probe_packages() {
    [ -n "$rpms" ] && ! have dpkg-query && have rpm || return 0
    packages=$NL
    for name in $(rpm -q --qf '%{NAME}\n' $rpms 2>/dev/null); do
        packages=$packages'ii '$name" $NL"
    done
}

# ---------------------------------------------------------------------------------------------------- items

show_file() { # PATH SHA256, or - for the latter where the content is of no interest
    if [ -L "$R$1" ] || { [ -e "$R$1" ] && [ ! -f "$R$1" ]; }; then
        say file "$1" other '' '' '' '' 0
    elif entry_of "$1"; then
        path=$1 asked=$2
        IFS=' '
        set -- $stat
        IFS=$NL
        length=0
        [ "$asked" = - ] || [ "$asked" = "$digest" ] || [ "$4" -gt 1048576 ] || length=$4
        say file "$path" file "$digest" "$1" "$2" "$3" "$length"
        [ "$length" = 0 ] || head -c "$length" "$R$path"
    else
        say file "$1" absent '' '' '' '' 0
    fi
}

show_sysctl() { # NAME PATH
    case $values in
    *"$NL$R$2:"*) ;;
    *)
        say sysctl "$1" no ''
        return
        ;;
    esac
    name=$1
    value=${values#*"$NL$R$2:"}
    value=${value%%"$NL"*}
    IFS=" $TAB"
    set -- $value
    IFS=' '
    value=$*
    say sysctl "$name" yes "$value"
}

show_address() { # ADDRESS/PREFIX
    device='' cidr=$1
    for family in inet inet6; do
        case $addresses in
        *" $family $cidr "*)
            device=${addresses%%" $family $cidr "*}
            device=${device##*"$NL"}
            IFS=' '
            set -- $device
            IFS=$NL
            device=$2
            ;;
        esac
    done
    say address "$cidr" "$device"
}

show_package() {
    case $packages in
    *"$NL"?i\ "$1 "*) say package "$1" yes ;;
    *) say package "$1" no ;;
    esac
}

show_module() {
    module=$1
    while :; do
        case $module in *-*) module=${module%%-*}_${module#*-} ;; *) break ;; esac
    done
    if [ -d "$R/sys/module/$module" ] ||
        grep -q "/$module\.ko" "$R/lib/modules/$kernel/modules.builtin" 2>/dev/null; then
        say module "$1" yes
    else
        say module "$1" no
    fi
}

unit_state() { # takes the next unit's properties off `states`
    enabled='' active='' pid='' invocation='' began=0
    while [ -n "$states" ]; do
        next_line "$states"
        states=$rest
        case $first in
        '') break ;;
        UnitFileState=*) enabled=${first#*=} ;;
        ActiveState=*) active=${first#*=} ;;
        MainPID=*) pid=${first#*=} ;;
        InvocationID=*) invocation=${first#*=} ;;
        InactiveExitTimestampMonotonic=*) began=${first#*=} ;;
        esac
    done
    [ -n "$invocation" ] || invocation=$pid
}

sysv_enabled() { # an init script counts as enabled where a start link in a multi-user runlevel names it
    set +f
    for link in "$R"/etc/rc[2345].d/S[0-9][0-9]"${1%.service}"; do
        set -f
        [ -L "$link" ] && return 0
    done
    set -f
    return 1
}

boot_time() { # seconds since the epoch, worked out once
    [ -z "${booted-}" ] || return 0
    read -r uptime <"$R/proc/uptime" # systemd counts from boot: this machine's, in a container the outer one's
    booted=$(($(date +%s) - ${uptime%%.*}))
}

is_current() { # NAME [CHECK [FILE...]]: does the running unit run what is installed?
    name=$1 check=${2-}
    shift
    [ $# = 0 ] || shift
    want=$invocation newest=0
    for path; do
        if entry_of "$path"; then
            want=$want$NL$digest' '$path
            [ "${stat##* }" -le "$newest" ] || newest=${stat##* }
        else
            want=$want$NL'absent '$path
        fi
    done
    stamp=''
    if [ -r "$R/run/hactl/loaded/$name" ]; then
        while IFS= read -r line; do
            stamp=$stamp${stamp:+$NL}$line
        done <"$R/run/hactl/loaded/$name"
    fi
    if [ "${stamp%%"$NL"*}" = "$invocation" ]; then
        [ "$stamp" = "$want" ] || return 1
    elif [ "$newest" -gt 0 ]; then
        boot_time
        [ $((booted + began / 1000000 - 1)) -gt "$newest" ] || return 1 # a second's slack: the clocks are rounded
    fi
    [ -n "$check" ] || return 0
    IFS=' '
    set -- $check
    IFS=$NL
    ! have timeout || set -- timeout 20 "$@"
    "$@" </dev/null >/dev/null 2>&1
}

show_unit() { # NAME [CHECK [FILE...]]
    unit_state
    case $enabled in
    enabled | static | indirect | alias) enabled=yes ;;
    generated) if sysv_enabled "$1"; then enabled=yes; else enabled=no; fi ;;
    *) enabled=no ;;
    esac
    case $active in active | reloading) active=yes ;; *) active=no ;; esac
    current=yes unit=$1
    [ $active = no ] || is_current "$@" || current=no
    say unit "$unit" $enabled $active $current
}

show_items() {
    for line in $request; do
        IFS=$US
        set -- $line
        IFS=$NL
        kind=$1
        shift
        case $kind in
        file) show_file "$1" "$2" ;;
        sysctl) show_sysctl "$1" "$2" ;;
        address) show_address "$1" ;;
        package) show_package "$1" ;;
        module) show_module "$1" ;;
        unit) show_unit "$@" ;;
        esac
    done
}

for tool in ip stat sha256sum grep head dd; do
    have $tool || die "the tool $tool is missing"
done
os_facts
interface_facts
keepalived_fact
firewall_fact
if [ -e "$R/etc/sysconfig/network-scripts/ifup" ]; then scripts=yes; else scripts=no; fi
say fact network_scripts $scripts
selinux_fact
[ ! -r "$R/var/lib/hactl/ledger" ] || cat "$R/var/lib/hactl/ledger"
lock_line
say facts-end
read_request
probe_files
probe_sysctls
probe_units
probe_packages
show_items
say end
