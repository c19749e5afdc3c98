# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# The transaction of the apply agent: lock, journal, and its end. The connection may be lost at any
# point: output that cannot be written and the end of input both mean "roll back". A rollback never
# needs the connection.

umask 077
trap : PIPE # caught, not ignored: a write then fails, and started commands have the default action
exec 3<&0   # background commands have /dev/null as standard input, and read the controller's words from 3
RUN=$R/run/hactl
STATE=$R/var/lib/hactl
MAIN=$$
index=0 work='' ops='' staged=$NL watched=$NL watchdog='' child='' kept='' number='' booted='' last_try=''

run() { # COMMAND...: run it with its output in the log; a signal ends the wait, not the command
    (umask 022 && exec "$@") >"$work/log" 2>&1 </dev/null 3<&- &
    wait $!
}

within() { # SECONDS COMMAND...: run a command that may hang; 124 after the time-out, as with timeout(1)
    limit=$1
    shift
    ! have timeout || set -- timeout "$limit" "$@"
    run "$@"
}

systemctl_in_time() { # VERB UNIT: time-out is a minute plus systemd's own time-outs to stop and start the unit
    allowed=60
    for property in $(systemctl show -p TimeoutStartUSec,TimeoutStopUSec -- "$2" 2>/dev/null); do
        case $1:$property in
        start:TimeoutStart* | stop:TimeoutStop* | restart:*) allow "${property#*=}" ;;
        esac
    done
    within $allowed systemctl "$1" "$2"
}

allow() { # SPANS: add them to `allowed`; systemd writes `1min 30s`, and `infinity` adds nothing
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

printable() { # print the end of standard input as one line
    tail -n 6 | tail -c 800 | tr -s '\000-\037\177' ' '
}

reason() { # the output of the last command
    { printable <"$work/log"; } 2>/dev/null
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

note() { # FIELDS: write to the journal how to undo the next change
    IFS=$US
    printf '%s\n' "$*" >>"$work/journal" || fail "cannot write the journal in $STATE"
    IFS=$NL
}

# ---------------------------------------------------------------------------------------------------- the lock

holder_of() { # set `holder`, `since` and `pid` of the lock
    holder=unknown since='' pid=''
    { IFS=$US read -r holder since pid <"$RUN/lock/owner"; } 2>/dev/null
    IFS=$NL
}

own_lock() { # PID
    printf '%s\n' "$who$US$since$US$1" >"$RUN/lock/owner.new" && mv -f "$RUN/lock/owner.new" "$RUN/lock/owner"
}

make_lock() { # PID: make lock and owner in one step, as a lock without an owner is useless; false if locked
    rm -rf "$RUN/lock-$1"
    { mkdir "$RUN/lock-$1" && printf '%s\n' "$who$US$since$US$1" >"$RUN/lock-$1/owner" &&
        mv -T "$RUN/lock-$1" "$RUN/lock"; } 2>/dev/null && return
    rm -rf "$RUN/lock-$1"
    return 1
}

sweep_locks() { # remove the unfinished locks of killed processes
    set +f
    for left in "$RUN"/lock-*; do
        set -f
        [ ! -d "$left" ] || alive "${left##*-}" || rm -rf "$left"
    done
    set -f
}

take_over() { # PID: take the lock of a dead holder; false if it lives or another process was faster
    holder_of
    [ -n "$pid" ] && ! alive "$pid" && mkdir "$RUN/lock/after-$pid" 2>/dev/null || return 1
    who=$holder
    own_lock "$1"
}

take_dead_lock() { # take the lock of a run that died before it had anything to undo
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

make_work() { # make this run's folder, on a disk, so that it outlives a power cut
    work=$(mkdir -p "$STATE" && chmod 755 "$STATE" && mktemp -d "$STATE/run-XXXXXX") 2>/dev/null &&
        printf '%s\n' "$who$US$since$US$inventory$US$number$US$counts" 2>/dev/null >"$work/run" &&
        : >"$work/journal" && : >"$work/log" && return
    rm -rf "$RUN/lock" ${work:+"$work"}
    refuse "no space for a working folder in $STATE"
}

find_unfinished() { # set `work` to the folder of an interrupted run; false if there is none
    set +f
    for work in "$STATE"/run-??????; do
        set -f
        [ -d "$work" ] && return 0
    done
    set -f
    work=''
    return 1
}

read_run() { # read the data of the run in `work`
    who=unknown since='' inventory='' number='' counts=''
    { IFS=$US read -r who since inventory number counts <"$work/run"; } 2>/dev/null
    IFS=$NL
}

hang_up() { # end the processes that hold the channel open
    [ -z "$watchdog$child" ] || kill $watchdog $child 2>/dev/null
}

release() {
    hang_up
    disarm
    rm -rf "$work"
    rmdir "$STATE" 2>/dev/null # if nothing was ever confirmed
    rm -rf "$RUN/lock"
}

# ---------------------------------------------------------------------------------------------------- ending

take_back() { # WHY: undo, write to the log, unlock; set `problems`
    ! going_down || exit 1
    undo
    disarm 2>"$work/log" || problem disarm "$UNIT"
    if [ -z "$problems" ]; then
        record rolled-back "$1"
        release # unlock first: the controller may begin a new run as soon as it has the answer
    else
        record rollback-failed "$1"
        leave
    fi
}

leave() { # keep the folder of a failed rollback or clean-up: the next deploy or boot tries again
    hang_up
    if [ -n "$last_try" ]; then
        release
    else
        mv "$work/watch" "$work/left" 2>/dev/null # ends the guard; a rename needs no space
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

refuse() { # MESSAGE: end before any change
    say failed 0 "$*"
    say rolled_back ''
    exit 1
}

commit() { # one rename is the confirmation: a power cut before it rolls back, after it keeps the changes
    sync $places "$work" 2>/dev/null || :
    mv "$work/journal" "$work/confirmed" 2>"$work/log" || fail "cannot confirm: $(reason)"
    sync "$work" 2>/dev/null || :
}

conclude() { # the clean-up of a confirmed run; may be repeated after an interruption
    if [ -s "$work/ledger" ]; then
        mv -f "$work/ledger" "$STATE/ledger"
    elif [ -e "$work/ledger" ]; then
        rm -f "$STATE/ledger" # hactl owns nothing here any more, so there is no ledger
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

take_journal() { # a late commit is one rename and so is this: the first of the two renames decides
    [ -e "$work/confirmed" ] || mv "$work/journal" "$work/undoing" 2>/dev/null || :
}

settle() { # WHY: end a dead run: keep a confirmed run, else undo it; set `outcome`
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

record() { # OUTCOME [WHY]: write to this host's log, without a parser's message, which may quote secrets
    log=$R/var/log/hactl.log
    [ ! -L "$log" ] || return 0
    [ ! -e "$log" ] || [ "$(wc -c <"$log")" -lt 262144 ] || mv -f "$log" "$log.1"
    why=${2-}
    [ -z "$why" ] || why=" why=\"${why%%: *}\""
    printf '%s %s inventory=%s generation=%s changes=%s outcome=%s%s\n' \
        "$(now)" "$who" "$inventory" "${number:--}" "${counts:--}" "$1" "$why" >>"$log"
} 2>/dev/null
