# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Watch and guard: they roll back if the agent cannot. The watch runs beside the agent; the guard runs
# outside the login's session.

SILENCE_TIMEOUT=60 # maximum seconds without a word from the controller, before `go`

watch() { # run beside the main shell: say `alive`, and roll back if the main shell is killed
    trap '' HUP
    trap : PIPE
    beat=0
    while alive $MAIN; do
        sleep 1 >/dev/null 2>&1 3<&- # sleep must not hold the channel open
        beat=$((beat + 1))
        [ $((beat % 5)) != 0 ] || say alive || kill -HUP $MAIN 2>/dev/null
    done
    watchdog=''
    [ -d "$work" ] && read -r me <"$work/watch" && take_over "$me" || exit
    end_reader
    settle 'the agent was killed'
    [ $outcome = undone ] || {
        say confirmed
        exit
    }
    say failed 0 'the agent was killed'
    [ -z "$problems" ] || {
        say rollback_failed "$problems"
        exit
    }
    say rolled_back "$kept"
}

end_reader() { # end the reader of a main shell that just died, since it holds the channel open
    for announced in "$work/ready" "$work/reached" "$work/applied"; do
        [ ! -e "$announced" ] || kill "$(cat "$announced")" 2>/dev/null
    done
}

start_guard() { # start it under the service manager: a login manager may kill all processes of the login
    printf '%s\n' "${p-}" >"$work/agent" 2>"$work/log" || fail "cannot keep the agent in $STATE: $(reason)"
    set -- sh "$work/agent" guard "$watchdog" "$deadline"
    if [ -z "$R" ] && [ -d /run/systemd/system ] && have systemd-run; then
        run systemd-run --quiet --collect --unit="hactl-${work##*/}" -- "$@" && return
    fi
    ! have setsid || set -- setsid "$@"
    "$@" >/dev/null 2>&1 </dev/null 3<&- &
}

guard() { # WATCHDOG DEADLINE: keep the deadlines, and roll back if agent and watch were killed together
    trap '' HUP
    work=${0%/*} applied=$2 ready=$SILENCE_TIMEOUT
    while [ -d "$work" ] && [ ! -e "$work/left" ]; do
        holder_of
        if [ -z "$pid" ] || alive "$pid" || alive "$1"; then
            deadlines
        elif take_over $$; then
            end_reader
            settle 'the agent was killed'
        fi
        sleep 1
    done
}

deadlines() { # count down by one second
    if [ -e "$work/applied" ]; then
        applied=$((applied - 1))
        [ $applied -gt 0 ] || too_late
    elif [ -e "$work/ready" ] || [ -e "$work/reached" ]; then
        ready=$((ready - 1))
        [ ! -e "$work/heard" ] || ready=$SILENCE_TIMEOUT
        rm -f "$work/heard"
        [ $ready -gt 0 ] || too_late
    fi
}

too_late() {
    : >"$work/late"
    kill -TERM "$pid" 2>/dev/null
}

told_to_end() { # on SIGTERM, by the guard or by another process
    [ -e "$work/late" ] || fail 'interrupted by a signal'
    { [ ! -e "$work/ready" ] && [ ! -e "$work/reached" ]; } || fail "nothing was heard from the controller for $SILENCE_TIMEOUT seconds"
    fail 'not confirmed before the deadline'
}
