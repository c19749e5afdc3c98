# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# The transaction of the apply agent: lock, journal, and how it ends. The connection may die at any point: output that
# cannot be written and input that ends both mean "undo", and undoing never needs the connection.

umask 077
trap : PIPE # caught, not ignored: a write then fails, and commands started here have the default again
exec 3<&0   # background commands get /dev/null as standard input: the controller's words stay readable on 3
RUN=$R/run/hactl
STATE=$R/var/lib/hactl
MAIN=$$
index=0 work='' ops='' staged=$NL watched=$NL watchdog='' child='' kept='' number='' booted='' last_try=''

run() { # a command whose output goes to the log; a signal interrupts the wait, never the command
    (umask 022 && exec "$@") >"$work/log" 2>&1 </dev/null 3<&- &
    wait $!
}

within() { # SECONDS COMMAND...: one that may hang; 124 where it did, as timeout(1) has it
    limit=$1
    shift
    ! have timeout || set -- timeout "$limit" "$@"
    run "$@"
}

systemctl_in_time() { # VERB UNIT: a minute, and what systemd itself gives the unit to stop and to start
    allowed=60
    for property in $(systemctl show -p TimeoutStartUSec,TimeoutStopUSec -- "$2" 2>/dev/null); do
        case $1:$property in
        start:TimeoutStart* | stop:TimeoutStop* | restart:*) allow "${property#*=}" ;;
        esac
    done
    within $allowed systemctl "$1" "$2"
}

allow() { # SPANS as systemd writes them, `1min 30s`: added to `allowed`; `infinity` adds nothing
    IFS=' '
    for span in $1; do
        case $span in
        *min) length=${span%min} each=60 ;;
        *[0-9]h) length=${span%h} each=3600 ;;
        *[0-9]s) length=${span%s} each=1 ;;
        *) continue ;;
        esac
        length=${length%%.*}
        case $length in '' | *[!0-9]*) continue ;; esac
        allowed=$((allowed + length * each))
    done
    IFS=$NL
}

printable() { # the end of what comes on standard input, as one line
    tail -n 6 | tail -c 800 | tr -s '\000-\037\177' ' '
}

reason() { # what the last command said
    { printable <"$work/log"; } 2>/dev/null
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

note() { # the journal: how to undo what comes next
    IFS=$US
    printf '%s\n' "$*" >>"$work/journal" || fail "cannot write the journal in $STATE"
    IFS=$NL
}

# ---------------------------------------------------------------------------------------------------- the lock

holder_of() { # sets who holds the host: `holder`, `since`, `pid`
    holder=unknown since='' pid=''
    { IFS=$US read -r holder since pid <"$RUN/lock/owner"; } 2>/dev/null
    IFS=$NL
}

own_lock() { # PID
    printf '%s\n' "$who$US$since$US$1" >"$RUN/lock/owner.new" && mv -f "$RUN/lock/owner.new" "$RUN/lock/owner"
}

make_lock() { # PID: lock and owner appear at once, as a lock without an owner would be nobody's; false where there is one
    rm -rf "$RUN/lock-$1"
    { mkdir "$RUN/lock-$1" && printf '%s\n' "$who$US$since$US$1" >"$RUN/lock-$1/owner" &&
        mv -T "$RUN/lock-$1" "$RUN/lock"; } 2>/dev/null && return
    rm -rf "$RUN/lock-$1"
    return 1
}

sweep_locks() { # of who was killed while it made one
    set +f
    for left in "$RUN"/lock-*; do
        set -f
        [ ! -d "$left" ] || alive "${left##*-}" || rm -rf "$left"
    done
    set -f
}

take_over() { # PID: get the lock of a holder that died; false where it lives, or somebody else was quicker
    holder_of
    [ -n "$pid" ] && ! alive "$pid" && mkdir "$RUN/lock/after-$pid" 2>/dev/null || return 1
    who=$holder
    own_lock "$1"
}

take_dead_lock() { # of a run that died before there was anything to undo
    holder_of
    [ -n "$pid" ] && ! alive "$pid" && ! find_unfinished && mkdir "$RUN/lock/after-$pid" 2>/dev/null || return 1
    since=$(now)
    own_lock $MAIN
}

say_locked() {
    holder_of
    living=no
    [ -z "$pid" ] || ! alive "$pid" || living=yes
    if [ $living = no ] && find_unfinished; then say_unfinished; fi
    say locked "$holder" "$since" $living
    exit 5
}

say_unfinished() {
    read_run
    say unfinished "$who" "$since"
    exit 5
}

take_lock() {
    mkdir -p "$RUN" 2>/dev/null
    chmod 755 "$RUN" 2>/dev/null
    sweep_locks
    since=$(now)
    if ! make_lock $MAIN; then
        [ -d "$RUN/lock" ] || refuse "cannot make $RUN/lock: is $R/run writable?"
        take_dead_lock || say_locked
    fi
    trap 'rm -rf "$RUN/lock"; exit 1' HUP INT TERM
    ! find_unfinished || {
        rm -rf "$RUN/lock"
        say_unfinished
    }
}

make_work() { # where all of this run is kept until it has ended: on a disk, to outlive a power cut
    work=$(mkdir -p "$STATE" && chmod 755 "$STATE" && mktemp -d "$STATE/run-XXXXXX") 2>/dev/null &&
        printf '%s\n' "$who$US$since$US$inventory$US$number$US$counts" 2>/dev/null >"$work/run" &&
        : >"$work/journal" && : >"$work/log" && return
    rm -rf "$RUN/lock" ${work:+"$work"}
    refuse "no space for a working folder in $STATE"
}

find_unfinished() { # sets `work` to what a run left that did not come to its end
    set +f
    for work in "$STATE"/run-??????; do
        set -f
        [ -d "$work" ] && return 0
    done
    set -f
    work=''
    return 1
}

read_run() { # who had begun what is in `work`
    who=unknown since='' inventory='' number='' counts=''
    { IFS=$US read -r who since inventory number counts <"$work/run"; } 2>/dev/null
    IFS=$NL
}

hang_up() { # what holds the channel open
    [ -z "$watchdog$child" ] || kill $watchdog $child 2>/dev/null
}

release() {
    hang_up
    disarm
    rm -rf "$work"
    rmdir "$STATE" 2>/dev/null # where nothing was ever confirmed
    rm -rf "$RUN/lock"
}

# ---------------------------------------------------------------------------------------------------- ending

take_back() { # WHY: undo, tell the log, let go; sets `problems`
    ! going_down || exit 1
    undo
    disarm 2>"$work/log" || problem disarm "$UNIT"
    if [ -z "$problems" ]; then
        record rolled-back "$1"
        release # first the lock: who reads the answer may begin again at once
    else
        record rollback-failed "$1"
        leave
    fi
}

leave() { # what could not be undone or cleared away now may be soon: the next deploy tries again, or the next boot
    hang_up
    if [ -n "$last_try" ]; then
        release
    else
        mv "$work/watch" "$work/left" 2>/dev/null # ends the guard; a rename takes no space
        rm -rf "$RUN/lock"
    fi
}

roll_back() { # WHY
    take_back "$1"
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
    roll_back "$*"
}

refuse() { # before anything could have changed
    say failed 0 "$*"
    say rolled_back ''
    exit 1
}

commit() { # one rename is the confirmation: before it a power cut undoes everything, behind it nothing
    sync $places "$work" 2>/dev/null || :
    mv "$work/journal" "$work/confirmed" 2>"$work/log" || fail "cannot confirm: $(reason)"
    sync "$work" 2>/dev/null || :
}

conclude() { # what a confirmed run still has to do; begun anew where it was cut off
    if [ -s "$work/ledger" ]; then
        mv -f "$work/ledger" "$STATE/ledger"
    elif [ -e "$work/ledger" ]; then
        rm -f "$STATE/ledger" # owns nothing any more: a host that was left keeps no ledger
    fi
    keep_generation
    reversed "$work/confirmed"
    untidy=''
    for step in $lines; do
        case $step in restore"$US"*)
            old=${step#*"$US"}
            rm -f "${old%%"$US"*}" 2>/dev/null || untidy=yes
            ;;
        esac
    done
    disarm 2>/dev/null || untidy=yes
    end_hand_over "$lines"
    [ -e "$work/left" ] || record confirmed
    if [ -z "$untidy" ]; then release; else leave; fi
}

take_journal() { # a commit that outlived its shell is one rename, and so is this: the first one decides
    [ -e "$work/confirmed" ] || mv "$work/journal" "$work/undoing" 2>/dev/null || :
}

settle() { # WHY: end what a run that died had begun: keep what was confirmed, else undo it; sets `outcome`
    read_run
    ops=$(cat "$work/ops" 2>/dev/null)
    problems=''
    take_journal
    if [ -e "$work/confirmed" ]; then
        outcome=kept
        conclude
    else
        outcome=undone
        take_back "$1"
    fi
}

record() { # OUTCOME [WHY]: a line in this host's log; of the reason only what hactl says itself, as a parser quotes secrets
    log=$R/var/log/hactl.log
    [ ! -L "$log" ] || return 0
    [ ! -e "$log" ] || [ "$(wc -c <"$log")" -lt 262144 ] || mv -f "$log" "$log.1"
    why=${2-}
    [ -z "$why" ] || why=" why=\"${why%%: *}\""
    printf '%s %s inventory=%s generation=%s changes=%s outcome=%s%s\n' \
        "$(now)" "$who" "$inventory" "${number:--}" "${counts:--}" "$1" "$why" >>"$log"
} 2>/dev/null
