# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Recover: end what a run left that was cut off, before anybody looks at this host again.

recover() {
    find_unfinished || {
        say nothing
        exit
    }
    read_run
    mkdir -p "$RUN" && chmod 755 "$RUN"
    make_lock $$ || take_over $$ || say_locked
    [ -d "$work" ] || { # whoever was quicker has done it
        rm -rf "$RUN/lock"
        say nothing
        exit
    }
    last_try=yes # a host must not be kept from every further deploy
    settle 'the run was cut off'
    [ -z "$problems" ] || {
        say rollback_failed "$problems"
        exit 2
    }
    say $outcome "$who" "$since"
}

recover
