# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Observe: print this host's facts, then the state of the requested items. Changes nothing.

die() {
    say error "$*"
    exit 1
}

# ---------------------------------------------------------------------------------------------------- request

read_request() { # sort the requested items into newline-separated lists
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

next_line() { # TEXT: set `first` to its first line and `rest` to the others
    first=${1%%"$NL"*}
    case $1 in
    *"$NL"*) rest=${1#*"$NL"} ;;
    *) rest='' ;;
    esac
}

probe_files() { # set `table` to a line PATH US SHA256 US MODE OWNER GROUP SIZE CTIME for each regular file
    table=$NL
    [ -n "$files" ] || return 0
    stats=$(stat -c '%a %U %G %s %Z' $files) || die 'stat cannot read the managed files'
    digests=$(sha256sum $files) || die 'sha256sum cannot read the managed files'
    for path in $files; do
        next_line "$stats"
        stat=$first stats=$rest
        next_line "$digests"
        digest=${first#\\} digests=$rest # sha256sum marks an escaped name with a leading backslash
        table=$table${path#"$R"}$US${digest%% *}$US$stat$NL
    done
}

entry_of() { # PATH: set `digest` and `stat`; both are empty if it is no regular file
    digest='' stat=''
    case $table in *"$NL$1$US"*) ;; *) return 1 ;; esac
    digest=${table#*"$NL$1$US"}
    digest=${digest%%"$NL"*}
    stat=${digest#*"$US"}
    digest=${digest%%"$US"*}
}

probe_sysctls() { # with grep, because a number in /proc/sys must be read at once
    values=$NL
    [ -z "$sysctls" ] || values=$NL$(grep -H '' $sysctls 2>/dev/null)$NL
}

probe_units() { # set `states` to the properties of the units, a line each, with an empty line after each unit
    states=''
    [ -n "$units" ] || return 0
    states=$(systemctl show -p \
        UnitFileState,ActiveState,MainPID,InvocationID,InactiveExitTimestampMonotonic,StateChangeTimestampMonotonic \
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

show_file() { # PATH SHA256; `-` for the digest: do not print the content
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

unit_state() { # read the next unit's properties from `states` and remove them there
    enabled='' active='' pid='' invocation='' began=0 changed=0
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
        StateChangeTimestampMonotonic=*) changed=${first#*=} ;; # a start, or a reload through systemctl
        esac
    done
    [ -n "$invocation" ] || invocation=$pid
}

sysv_enabled() { # UNIT: true if a multi-user runlevel has a start link of the init script
    set +f
    for link in "$R"/etc/rc[2345].d/S[0-9][0-9]"${1%.service}"; do
        set -f
        [ -L "$link" ] && return 0
    done
    set -f
    return 1
}

boot_time() { # set `booted`, in seconds since the epoch, once
    [ -z "${booted-}" ] || return 0
    read -r uptime <"$R/proc/uptime" # systemd counts from the boot of the machine, in a container of the outer machine
    booted=$(($(date +%s) - ${uptime%%.*}))
}

stamped() { # HEAD: true if the stamp is about the last load of this process
    case $1 in
    "boot "*) [ "$began" -ge "${1#boot }" ] ;; # valid for any process that starts after that moment
    *) [ "$1" = "$invocation $changed" ] ;;
    esac
}

is_current() { # NAME [CHECK [FILE...]]: true if the running unit has loaded the installed files
    name=$1 check=${2-}
    shift
    [ $# = 0 ] || shift
    want='' newest=0
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
    if stamped "${stamp%%"$NL"*}"; then
        [ "$stamp" = "${stamp%%"$NL"*}$want" ] || return 1
    elif [ "$newest" -gt 0 ]; then
        boot_time
        [ $((booted + changed / 1000000 - 1)) -gt "$newest" ] || return 1 # a second's tolerance: the clocks are rounded
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
        folder) show_folder "$1" ;;
        esac
    done
}

show_folder() { # PATH: print all its entries, managed or not
    set +f
    for entry in "$R$1"/*; do
        set -f
        case $entry in *'/*' | *[[:cntrl:]]*) ;; *) say entry "${entry#"$R"}" ;; esac
    done
    set -f
}

show_loopback() { # addresses on lo other than 127/8 and ::1
    for line in $addresses; do
        case $line in *': lo '*' scope global '*) ;; *) continue ;; esac
        IFS=' '
        set -- $line
        IFS=$NL
        say loopback "$4"
    done
}

show_table() { # the kernel's table, if it is loaded
    [ -e "$R/proc/net/ip_vs" ] && have ipvsadm || return 0
    for line in $(ipvsadm -Sn 2>/dev/null); do
        say table "$line"
    done
}

unfinished_line() { # an interrupted run, neither confirmed nor rolled back
    set +f
    for run in "$R"/var/lib/hactl/run-??????; do
        set -f
        [ -d "$run" ] || continue
        who=unknown since=''
        { IFS=$US read -r who since _ <"$run/run"; } 2>/dev/null
        IFS=$NL
        say unfinished "$who" "$since"
    done
    set -f
}

generation_line() { # the newest generation
    newest=0
    set +f
    for generation in "$R"/var/lib/hactl/generations/*; do
        set -f
        generation=${generation##*/}
        case $generation in *[!0-9]*) continue ;; esac
        [ "$generation" -le $newest ] || newest=$generation
    done
    set -f
    say generation $newest
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
[ "${alive-no}" = yes ] || unfinished_line
generation_line
for line in $(drained_lines); do
    say drained "$line"
done
say facts-end
read_request
probe_files
probe_sysctls
probe_units
probe_packages
show_items
show_loopback
show_table
say end
