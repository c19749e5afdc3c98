# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Fault: inject one of the known faults, and undo it again, also without the controller.
#
# The first line of the data is the request:
#   inject NAME SECONDS KIND ARGUMENT...   Undo the faults of dead runs (`leftover NAME` for each), and
#                                          answer `ready`. `go` injects the fault (`injected`, later
#                                          `done` for a fault that takes some time). `undo`, any other
#                                          word and the end of the input undo it (`undone`).
#   undo NAME                              Undo that fault from a second login (`undone`).
#   traces                                 Undo left-overs, print the traces of drills, and `end`.
#   guard NAME SECONDS                     The fault's own guard: undo it after these seconds.
# `busy NAME`, `failed MESSAGE` and `undo_failed MESSAGE` end the agent.
#
# A fault is a folder with its name. The folder holds the kind and the arguments in one line, the data
# that undoing needs, and the numbers of its processes. Undoing may be repeated. The folder `undoing`
# in it allows one process at a time to undo.

umask 077
trap : PIPE
FAULTS=$R/run/hactl/fault
TABLE=hactl_drill

next_line() { # set `line` to the next line of standard input
    IFS= read -r line || line=''
}

unit_is() { systemctl "is-$1" --quiet "$2" 2>/dev/null; } # active|failed

why() { tr -s '\000-\037\177' ' ' <"$folder/log" | tail -c 300; }

run() { "$@" >"$folder/log" 2>&1 </dev/null; }

begin() { # record the fault: from here on it must be undone
    printf '%s\n' "$record" >"$folder/fault" || refuse "cannot write $folder"
}

lives() { # FILE: true if the process with the number in the file runs
    pid=''
    { IFS= read -r pid <"$1"; } 2>/dev/null
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

# ---------------------------------------------------------------------------------------------------- the vocabulary

inject_unit_stop() { # UNIT
    unit_is active "$1" || refuse "$1 is not running"
    begin
    run systemctl stop "$1" || refuse "systemctl stop $1: $(why)"
}

undo_unit_stop() { # UNIT
    ! unit_is failed "$1" || run systemctl reset-failed "$1"
    unit_is active "$1" || run systemctl start "$1"
}

inject_unit_kill() { # UNIT: kill all its processes at once, so that none can react
    unit_is active "$1" || refuse "$1 is not running"
    begin
    # Linux 5.14 has cgroup.kill. Killed one by one, Keepalived's children get a SIGTERM at their
    # parent's death (prctl(2)), begin to clear the table, and are killed in the middle of that.
    group=$R/sys/fs/cgroup$(systemctl show -p ControlGroup --value "$1")
    if [ -w "$group/cgroup.kill" ]; then
        echo 1 >"$group/cgroup.kill"
    else
        run systemctl kill --signal=KILL "$1" || refuse "systemctl kill $1: $(why)"
    fi
}

undo_unit_kill() { undo_unit_stop "$@"; }

inject_unit_flap() { # UNIT TIMES SECONDS
    unit_is active "$1" || refuse "$1 is not running"
    begin
    times=$2
    while [ "$times" -gt 0 ]; do
        run systemctl stop "$1" || refuse "systemctl stop $1: $(why)"
        [ "$times" != "$2" ] || say injected
        sleep "$3"
        run systemctl start "$1" || refuse "systemctl start $1: $(why)"
        sleep "$3"
        times=$((times - 1))
    done
    say 'done'
}

undo_unit_flap() { undo_unit_stop "$@"; }

# VRRP is protocol 112; a version 2 router with AH sends to the same group (RFC 2338 §5.3.6). Incoming
# adverts are dropped before any firewall or connection tracking. This host still sends adverts.
inject_vrrp_block() {
    begin
    if have nft; then
        printf '%s\n' "table inet $TABLE {" 'chain in { type filter hook prerouting priority -300;' \
            'meta l4proto 112 drop; ip daddr 224.0.0.18 drop; ip6 daddr ff02::12 drop; }' '}' >"$folder/rules"
        run nft -f "$folder/rules" || refuse "nft: $(why)"
        return
    fi
    for tables in iptables ip6tables; do
        have $tables || refuse "there is neither nft nor $tables here"
        run $tables -w -t raw -I PREROUTING -p 112 -j DROP || refuse "$tables: $(why)"
    done
}

undo_vrrp_block() {
    if have nft; then
        ! nft list table inet $TABLE >/dev/null 2>&1 || run nft delete table inet $TABLE
        return
    fi
    for tables in iptables ip6tables; do
        ! $tables -w -t raw -C PREROUTING -p 112 -j DROP 2>/dev/null ||
            run $tables -w -t raw -D PREROUTING -p 112 -j DROP || return 1
    done
}

inject_address_del() { # ADDRESS/PREFIX DEVICE LABEL
    there=$(ip -o addr show dev "$2" to "$1" 2>/dev/null)
    case $there in
    '') refuse "$1 is not on $2" ;;
    *' deprecated '*) : >"$folder/deprecated" ;; # an IPv6 address that this host does not use as a source
    esac
    begin
    run ip addr del "$1" dev "$2" || refuse "ip addr del $1: $(why)"
}

undo_address_del() { # ADDRESS/PREFIX DEVICE LABEL
    cidr=$1 device=$2 label=$3
    set --
    case $cidr in *:*) [ ! -e "$folder/deprecated" ] || set -- preferred_lft 0 ;; *) set -- label "$label" ;; esac
    [ -n "$(ip -o addr show dev "$device" to "$cidr" 2>/dev/null)" ] || run ip addr add "$cidr" dev "$device" "$@"
}

inject_file_write() { # PATH VALUE: write in place, since Keepalived watches the file's folder
    case $1 in *..*) refuse "$1 is no hand-over file" ;; /var/lib/hactl/handover/*) ;; *) refuse "$1 is no hand-over file" ;; esac
    [ -f "$R$1" ] || refuse "$1 does not exist"
    cat "$R$1" >"$folder/content" || refuse "cannot read $1"
    begin
    printf '%s\n' "$2" >"$R$1" || refuse "cannot write $1"
}

undo_file_write() { # PATH VALUE
    [ ! -e "$folder/content" ] || cat "$folder/content" >"$R$1"
}

# ---------------------------------------------------------------------------------------------------- the frame

refuse() { # MESSAGE: the fault cannot be injected; undo its first steps
    message=$*
    undo || message="$message; and its undoing failed: $problem"
    say failed "$message"
    exit 1
}

undo() { # undo the fault in $folder, unless another process does it already; set `problem`
    [ -d "$folder" ] || return 0
    if ! mkdir "$folder/undoing" 2>/dev/null; then
        waited=0
        while [ -d "$folder" ] && [ $waited -lt 60 ]; do # the other process is undoing it
            sleep 1
            waited=$((waited + 1))
        done
        problem='it takes more than a minute'
        [ ! -d "$folder" ]
        return
    fi
    [ "$MODE" = guard ] || ! lives "$folder/guard" || kill "$pid" 2>/dev/null
    if [ -e "$folder/fault" ]; then
        IFS= read -r line <"$folder/fault"
        IFS=$US
        set -- $line
        IFS=$NL
        kind=$1
        shift
        case $kind in
        unit-stop) undo_unit_stop "$@" ;;
        unit-kill) undo_unit_kill "$@" ;;
        unit-flap) undo_unit_flap "$@" ;;
        vrrp-block) undo_vrrp_block ;;
        address-del) undo_address_del "$@" ;;
        file-write) undo_file_write "$@" ;;
        esac || {
            problem="$kind $*: $(why)"
            rmdir "$folder/undoing" # another attempt is possible
            return 1
        }
    fi
    rm -rf "$folder"
    rmdir "$FAULTS" 2>/dev/null || :
}

undo_and_say() {
    trap '' HUP INT TERM
    [ -d "$folder" ] || {
        say undone guard # the time was up, and the guard has undone it
        exit 0
    }
    if undo; then say undone; else say undo_failed "$problem"; fi
    exit 0
}

undo_leftovers() { # undo the faults of dead runs; a live run refuses any other run
    [ -d "$FAULTS" ] || return 0
    set +f
    for folder in "$FAULTS"/*; do
        set -f
        name=${folder##*/}
        ! lives "$folder/main" || {
            say busy "$name"
            exit 5
        }
        rmdir "$folder/undoing" 2>/dev/null || :
        undo || {
            say undo_failed "$name: $problem"
            exit 1
        }
        say leftover "$name"
    done
}

arm() { # NAME SECONDS: start the guard in a session of its own; it does not need this login
    printf '%s\n' "${p-}" >"$folder/program"
    printf 'guard%s%s%s%s\n' "$US" "$1" "$US" "$2" >"$folder/order"
    set -- sh "$folder/program"
    ! have setsid || set -- setsid "$@"
    p='' "$@" <"$folder/order" >/dev/null 2>&1 &
    echo $! >"$folder/guard"
}

inject() { # KIND ARGUMENT...
    kind=$1
    shift
    case $kind in
    unit-stop) inject_unit_stop "$@" ;;
    unit-kill) inject_unit_kill "$@" ;;
    unit-flap)
        inject_unit_flap "$@"
        return
        ;;
    vrrp-block) inject_vrrp_block ;;
    address-del) inject_address_del "$@" ;;
    file-write) inject_file_write "$@" ;;
    *) refuse "there is no fault $kind" ;;
    esac
    say injected
}

fault() { # NAME SECONDS KIND ARGUMENT...
    undo_leftovers
    folder=$FAULTS/$1
    { mkdir -p "$R/run/hactl" && chmod 755 "$R/run/hactl" && mkdir -p "$folder" && echo $$ >"$folder/main"; } || {
        say failed "cannot write below $FAULTS"
        exit 1
    }
    trap undo_and_say HUP INT TERM
    name=$1 seconds=$2
    shift 2
    IFS=$US
    record=$*
    IFS=$NL
    arm "$name" "$seconds"
    say ready
    next_line
    [ "$line" != go ] || {
        inject "$@"
        next_line
    }
    undo_and_say
}

guard() { # NAME SECONDS
    folder=$FAULTS/$1
    trap 'kill $! 2>/dev/null; exit 0' TERM
    trap '' HUP INT
    sleep "$2" &
    wait $!
    undo
}

traces() { # files, packet filters and processes of drills; the patterns do not match this grep itself
    undo_leftovers
    find "$R/run/hactl" -mindepth 1 2>/dev/null | while IFS= read -r path; do
        case ${path#"$R"} in /run/hactl/lock | /run/hactl/lock/*) ;; *) say trace file "${path#"$R"}" ;; esac # this run has the lock
    done
    ! have nft || nft list tables 2>/dev/null | while IFS= read -r table; do say trace table "$table"; done
    set +f
    grep -sl '[/]run/hactl/fault' "$R"/proc/[0-9]*/cmdline | while IFS= read -r _; do say trace process guard; done
    grep -slzx 'monito[r]' "$R"/proc/[0-9]*/cmdline | while IFS= read -r _; do say trace process monitor; done
    set -f
    say end
}

problem='' folder=''
next_line
IFS=$US
set -- $line
IFS=$NL
MODE=${1-}
[ $# = 0 ] || shift
case $MODE in
inject) fault "$@" ;;
undo)
    folder=$FAULTS/$1
    undo_and_say
    ;;
guard) guard "$@" ;;
traces) traces ;;
*) say failed 'nothing was asked' ;;
esac
