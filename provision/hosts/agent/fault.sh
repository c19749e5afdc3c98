# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# A fault with a guard: one fault of a fixed vocabulary is injected and undone again, whatever becomes of the controller.
#
# The first line of the data says what to do:
#   inject NAME SECONDS KIND ARGUMENT...   answers `leftover NAME` for each fault of a dead run, which it undoes first,
#                                          then `ready`; `go` injects (`injected`, and `done` where that takes a while);
#                                          `undo`, any other word and the end of the input undo (`undone`).
#   undo NAME                              undoes that fault from a second login (`undone`).
#   traces                                 undoes left-overs, then says what drills could leave behind, and `end`.
#   guard NAME SECONDS                     what a fault starts beside itself: it undoes after so many seconds.
# `busy NAME`, `failed MESSAGE` and `undo_failed MESSAGE` end it.
#
# A fault is a folder of that name with the line of its kind and arguments, what its undoing needs, and the numbers of
# the processes that look after it. Undoing may be done twice over; `undoing` in the folder keeps it to one at a time.

umask 077
trap : PIPE
FAULTS=$R/run/hactl/fault
TABLE=hactl_drill

next_line() { # sets `line` to the next one of standard input
    IFS= read -r line || line=''
}

unit_is() { systemctl "is-$1" --quiet "$2" 2>/dev/null; } # active|failed

why() { tr -s '\000-\037\177' ' ' <"$folder/log" | tail -c 300; }

run() { "$@" >"$folder/log" 2>&1 </dev/null; }

begin() { # from here on there is something to undo
    printf '%s\n' "$record" >"$folder/fault" || refuse "cannot write $folder"
}

lives() { # FILE: whether the process it names lives
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

inject_unit_kill() { # UNIT: all its processes, with no time for a last word
    unit_is active "$1" || refuse "$1 is not running"
    begin
    # At once (Linux 5.14, cgroup.kill): one after the other, Keepalived's children hear of their parent's death (a SIGTERM
    # by prctl(2)) and begin to say goodbye, and are killed half-way through taking the table down.
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

# VRRP is protocol 112; a version 2 router with AH sends to the same group (RFC 2338 §5.3.6). Dropped before any
# firewall or connection tracking sees it, and only what comes in: this host's own adverts go on.
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
    *' deprecated '*) : >"$folder/deprecated" ;; # an IPv6 address that no connection of this host's own may use
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

inject_file_write() { # PATH VALUE: written in place, as the daemon that tracks the file watches its inode's folder
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

refuse() { # the fault cannot be injected: what was done of it is undone
    message=$*
    undo || message="$message; and its undoing failed: $problem"
    say failed "$message"
    exit 1
}

undo() { # of $folder, by whoever comes first; sets `problem`
    [ -d "$folder" ] || return 0
    if ! mkdir "$folder/undoing" 2>/dev/null; then
        waited=0
        while [ -d "$folder" ] && [ $waited -lt 60 ]; do # the other one is at it
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
            rmdir "$folder/undoing" # somebody may try again
            return 1
        }
    fi
    rm -rf "$folder"
    rmdir "$FAULTS" 2>/dev/null || :
}

undo_and_say() {
    trap '' HUP INT TERM
    [ -d "$folder" ] || {
        say undone guard # it came before us: the time was up
        exit 0
    }
    if undo; then say undone; else say undo_failed "$problem"; fi
    exit 0
}

undo_leftovers() { # what a run that died left behind; one that lives keeps this host to itself
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

arm() { # NAME SECONDS: the guard is a process of its own session, fed from a file: it needs neither us nor the login
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

traces() { # files, packet filters and processes of drills; the patterns do not match the command that looks for them
    undo_leftovers
    find "$R/run/hactl" -mindepth 1 2>/dev/null | while IFS= read -r path; do
        case ${path#"$R"} in /run/hactl/lock | /run/hactl/lock/*) ;; *) say trace file "${path#"$R"}" ;; esac # the run's own
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
