# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# systemd units, and the stamps that say what a running one has loaded.

unit_is() { systemctl "is-$1" --quiet "$2" 2>/dev/null; } # active|enabled

state_of() { # NAME: sets `state` to its state, main PID and invocation in a line, `changed` to when it last changed
    state='' changed=''
    for property in $(systemctl show -p ActiveState,MainPID,InvocationID,StateChangeTimestampMonotonic \
        -- "$1" 2>/dev/null); do
        case $property in
        StateChange*) changed=${property#*=} ;;
        *) state=$state${state:+ }$property ;;
        esac
    done
}

verb() { # VERB NAME
    systemctl_in_time "$1" "$2" && return
    [ $? != 124 ] || fail "systemctl $1 $2 did not end within $allowed s: is $2 hung? $(last_words "$2")"
    fail "systemctl $1 $2 failed: $(reason) $(last_words "$2")"
}

last_words() { # what the unit itself said, for the operator
    ! have journalctl || journalctl -q --no-pager -n 4 -o cat -u "$1" 2>/dev/null | tail -c 500 | tr -s '\000-\037\177' ' '
}

await_reload() { # NAME: as `state_of`, once it is no longer reloading
    state_of "$1"
    tries=0
    # Of Type=notify, a daemon may say that it is still at it (sd_notify(3), RELOADING=1); on a slow host that shows.
    while [ $tries -lt 100 ]; do
        case $state in *ActiveState=reloading*) ;; *) break ;; esac
        tries=$((tries + 1))
        sleep 0.1 2>/dev/null 3<&- || sleep 1 3<&-
        state_of "$1"
    done
}

must_run() { # NAME VERB: active afterwards; noted, so that it is looked at again before the confirmation
    await_reload "$1"
    case $state in *ActiveState=active*) ;; *) fail "$1 is not active after its $2: $(last_words "$1")" ;; esac
    case $watched in *"$NL$1$US"*) # looked at before: only the last look counts
        rest=${watched#*"$NL$1$US"}
        watched=${watched%%"$NL$1$US"*}$NL${rest#*"$NL"}
        ;;
    esac
    watched=$watched$1$US$state$US$changed$NL
}

intend_unit() { # NAME VERB: links of enabled units lie on the disk
    case $2 in
    enable) unit_is enabled "$1" || { note unit disable "$1" && to_link=$to_link$1$NL; } ;;
    disable) ! unit_is enabled "$1" || { note late enable "$1" && to_link=$to_link$1$NL; } ;;
    esac
}

link_unit() { # NAME VERB: where it was not so already
    case $to_link in *"$NL$1$NL"*) verb "$2" "$1" ;; esac
}

change_unit() { # NAME VERB [FILE...]
    unit=$1 action=$2
    case $action in
    enable | disable) link_unit "$unit" "$action" ;;
    start) unit_is active "$unit" || { note unit stop "$unit" && verb start "$unit" && must_run "$unit" start; } ;;
    stop) ! unit_is active "$unit" || { note late start "$unit" && verb stop "$unit"; } ;;
    reload) reload "$unit" ;;
    restart)
        if unit_is active "$unit"; then note late restart "$unit"; else note unit stop "$unit"; fi
        verb restart "$unit"
        must_run "$unit" restart
        ;;
    daemon-reload)
        note daemon-reload
        run systemctl daemon-reload || fail "systemctl daemon-reload failed: $(reason)"
        ;;
    stamp) stamp "$@" ;;
    *) fail "unknown verb $action for $unit" ;;
    esac
}

reload() { # NAME: it must come through with the same main process
    state_of "$1"
    before=$state
    note late reload "$1"
    verb reload "$1"
    must_run "$1" reload
    [ "$state" = "$before" ] || fail "$1 did not survive its reload: \"$before\" became \"$state\""
}

loaded_since() { # NAME: sets `text` to which process has loaded its files, and when; at boot, to whichever comes next
    if [ -n "$booted" ]; then
        IFS=' ' read -r text _ <"$R/proc/uptime"
        text="boot ${text%.*}${text#*.}0000"
        return
    fi
    case $watched in
    *"$NL$1$US"*) # just looked at
        state=${watched#*"$NL$1$US"}
        state=${state%%"$NL"*}
        changed=${state#*"$US"} state=${state%%"$US"*}
        ;;
    *) await_reload "$1" ;;
    esac
    text=${state#*InvocationID=}
    text=${text%% *}
    if [ -z "$text" ]; then
        text=${state#*MainPID=}
        text=${text%% *}
    fi
    text="$text $changed"
}

write_stamp() { # NAME FILE...: what the running process has loaded
    name=$1
    shift
    loaded_since "$name"
    for path; do
        digest_of "$R$path" || return 1
        text=$text$NL$digest' '$path
    done
    mkdir -p "$RUN/loaded"
    printf '%s\n' "$text" >"$RUN/loaded/.new" && mv -f "$RUN/loaded/.new" "$RUN/loaded/$name"
}

stamp() { # NAME stamp FILE...
    name=$1
    shift 2
    saved=$work/stamp-$index
    [ ! -f "$RUN/loaded/$name" ] || cp -p "$RUN/loaded/$name" "$saved"
    note stamp "$RUN/loaded/$name" "$saved"
    write_stamp "$name" "$@" || fail "cannot write the stamp of $name in $RUN"
}

still_running() { # a daemon can die a moment after its reload
    for entry in $watched; do
        IFS=$US
        set -- $entry
        IFS=$NL
        state_of "$1"
        [ "$state" = "$2" ] || fail "$1 did not stay up: \"$2\" became \"$state\"; $(last_words "$1")"
    done
}
