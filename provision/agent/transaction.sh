# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# The transaction of the apply agent: lock, journal, undo, and the watchdog beside. The connection may die at any point:
# output that cannot be written and input that ends both mean "undo", and undoing never needs the connection.

umask 077
trap : PIPE # caught, not ignored: a write then fails, and commands started here have the default again
exec 3<&0   # background commands get /dev/null as standard input: the controller's words stay readable on 3
RUN=$R/run/hactl
STATE=$R/var/lib/hactl
MAIN=$$
index=0 work='' staged=$NL watched=$NL watchdog='' child='' kept='' number=''

run() { # a command whose output goes to the log; a signal interrupts the wait, never the command
    (umask 022 && exec "$@") >"$work/log" 2>&1 </dev/null 3<&- &
    wait $!
}

within_a_minute() { # a command that may hang; 124 where it did, as timeout(1) has it
    ! have timeout || set -- timeout 60 "$@"
    run "$@"
}

printable() { # the end of what comes on standard input, as one line
    tail -n 6 | tail -c 800 | tr -s '\000-\037\177' ' '
}

reason() { # what the last command said
    { printable <"$work/log"; } 2>/dev/null
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# ---------------------------------------------------------------------------------------------------- ending

note() { # the journal: how to undo what comes next
    IFS=$US
    printf '%s\n' "$*" >>"$work/journal" || fail "cannot write the journal in $RUN"
    IFS=$NL
}

reversed() { # sets `lines` to the journal, last line first
    lines=''
    [ -f "$work/journal" ] || return 0
    while IFS= read -r line; do
        lines=$line$NL$lines
    done <"$work/journal"
}

undo_early() { # one journal line of those undone in reverse order
    case $1 in
    unlink) rm -f "$2" ;;
    restore) # OLD PATH; when both are still one inode, rename leaves OLD in place
        [ ! -e "$2" ] || { mv -f "$2" "$3" && rm -f "$2" && relabel "$3"; }
        ;;
    rmdir) rmdir "$2" 2>/dev/null || : ;;
    sysctl) printf '%s\n' "$3" >"$2" ;;
    address) "$2_address" "$3" "$4" "${5-}" ;;
    module) modprobe -r "$2" 2>/dev/null || : ;; # in use by now: harmless
    unit) within_a_minute systemctl "$2" "$3" ;;
    stamp) if [ -f "$3" ]; then mv -f "$3" "$2"; else rm -f "$2"; fi ;;
    esac
}

undo_late() { # one journal line of those that need the old files back first
    case $1 in
    late)
        case $again in *"$NL$2 $3$NL"*) return 0 ;; esac
        again=$again$2' '$3$NL
        verb=$2
        [ "$verb" != reload ] || unit_is active "$3" || verb=start # it died of what it was made to load
        within_a_minute systemctl $verb "$3" && unit_is_back "$verb" "$3" && stamp_again "$3"
        ;;
    esac
}

unit_is_back() { # VERB NAME
    [ "$1" = enable ] || unit_is active "$2" || {
        echo 'not active' >"$work/log"
        return 1
    }
}

stamp_again() { # a unit that took its old files back runs what is installed
    for op in $ops; do
        IFS=$US
        set -- "$1" $op
        IFS=$NL
        case $2:$3:${4-} in "unit:$1:stamp")
            unit=$1
            shift 4
            write_stamp "$unit" "$@" || :
            return 0
            ;;
        esac
    done
}

problem() { # FIELDS: an undo that did not work
    IFS=' '
    problems="$problems$*: $(reason); "
    IFS=$NL
}

undo() { # sets `problems`: what could not be undone
    trap '' HUP INT TERM
    problems='' again=$NL watched=$NL
    reversed
    journal=$lines
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_early "$@" 2>"$work/log" || problem "$@"
    done
    case $journal in *daemon-reload*) run systemctl daemon-reload ;; esac
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_late "$@" 2>"$work/log" || problem "$@"
    done
}

release() {
    [ -z "$watchdog$child" ] || kill $watchdog $child 2>/dev/null # what holds the channel open
    rm -rf "$work"
    rm -rf "$RUN/lock"
}

roll_back() {
    undo
    release # first the lock: who reads the answer may begin again at once
    [ -z "$problems" ] || {
        say rollback_failed "$problems"
        exit 2
    }
    say rolled_back "$kept"
    exit 1
}

fail() {
    trap '' HUP INT TERM
    say failed "$index" "$*"
    roll_back
}

watch() { # runs beside: tells the controller we live, keeps the deadline, takes over should the main shell be killed
    trap '' HUP
    trap : PIPE
    beat=0
    while kill -0 $MAIN 2>/dev/null; do
        sleep 1 >/dev/null 2>&1 3<&- # it must not hold the channel open
        beat=$((beat + 1))
        [ $((beat % 5)) != 0 ] || say alive || kill -HUP $MAIN 2>/dev/null
        [ -e "$work/applied" ] || continue
        deadline=$((deadline - 1))
        [ $deadline -gt 0 ] || kill -TERM $MAIN 2>/dev/null
    done
    watchdog=''
    for announced in "$work/ready" "$work/applied"; do
        [ ! -e "$announced" ] || child=$(cat "$announced")
    done
    say failed 0 'the agent was killed'
    roll_back
}

# ---------------------------------------------------------------------------------------------------- beginning

take_lock() {
    mkdir -p "$RUN" 2>/dev/null
    chmod 755 "$RUN" 2>/dev/null
    if ! mkdir "$RUN/lock" 2>/dev/null; then
        [ -d "$RUN/lock" ] || refuse "cannot make $RUN/lock: is $R/run writable?"
        holder=unknown since='' pid='' alive=no
        { IFS=$US read -r holder since pid <"$RUN/lock/owner"; } 2>/dev/null
        IFS=$NL
        [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null || alive=yes
        say locked "$holder" "$since" $alive
        exit 5
    fi
    trap 'rm -rf "$RUN/lock"; exit 1' HUP INT TERM
    IFS=$US
    printf '%s\n' "$who$US$(now)$US$MAIN" >"$RUN/lock/owner"
    IFS=$NL
    work=$(mktemp -d "$RUN/run-XXXXXX") || {
        rm -rf "$RUN/lock"
        refuse "no space for a working folder in $RUN"
    }
}

refuse() { # before anything could have changed
    say failed 0 "$*"
    say rolled_back ''
    exit 1
}

unpack() { # the controller's archive: `ops` and files/N
    said=$(dd bs="$length" count=1 iflag=fullblock 2>/dev/null | tar -xf - -C "$work" 2>&1) || {
        release # where there is no space for the archive, there is none for a log
        refuse "cannot unpack into $RUN: $(printf '%s\n' "$said" | printable)"
    }
    ops=$(cat "$work/ops")
}
