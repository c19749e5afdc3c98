# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Recover: end an interrupted run, before another run looks at this host.

recover() {
    find_unfinished || {
        say nothing
        exit
    }
    read_run
    mkdir -p "$RUN" && chmod 755 "$RUN"
    make_lock $$ || take_over $$ || say_locked
    [ -d "$work" ] || { # another run was faster and has ended it
        rm -rf "$RUN/lock"
        say nothing
        exit
    }
    last_try=yes # a failed rollback must not prevent all further deploys
    settle 'the run was interrupted'
    [ -z "$problems" ] || {
        say rollback_failed "$problems"
        exit 2
    }
    say $outcome "$who" "$since"
}

recover
