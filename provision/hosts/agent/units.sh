# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# systemd units, and the stamps of the files that a running unit has loaded.

unit_is() { systemctl "is-$1" --quiet "$2" 2>/dev/null; } # active|enabled

state_of() { # NAME: set `state` to its state, main PID and invocation, and `changed` to the time of its last change
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

last_words() { # UNIT: its last log lines, for the operator
    ! have journalctl || journalctl -q --no-pager -n 4 -o cat -u "$1" 2>/dev/null | tail -c 500 | tr -s '\000-\037\177' ' '
}

await_reload() { # NAME: as `state_of`, once it is no longer reloading
    state_of "$1"
    tries=0
    # A daemon of Type=notify may report that it is still reloading (sd_notify(3), RELOADING=1).
    while [ $tries -lt 100 ]; do
        case $state in *ActiveState=reloading*) ;; *) break ;; esac
        tries=$((tries + 1))
        sleep 0.1 2>/dev/null 3<&- || sleep 1 3<&-
        state_of "$1"
    done
}

must_run() { # NAME VERB: fail if it is not active; record it for the check before the confirmation
    await_reload "$1"
    case $state in *ActiveState=active*) ;; *) fail "$1 is not active after its $2: $(last_words "$1")" ;; esac
    case $watched in *"$NL$1$US"*) # recorded before: only the last record counts
        rest=${watched#*"$NL$1$US"}
        watched=${watched%%"$NL$1$US"*}$NL${rest#*"$NL"}
        ;;
    esac
    watched=$watched$1$US$state$US$changed$NL
}

intend_unit() { # NAME VERB: record enable and disable, whose links are on the disk
    case $2 in
    enable) unit_is enabled "$1" || { note unit disable "$1" && to_link=$to_link$1$NL; } ;;
    disable) ! unit_is enabled "$1" || { note late enable "$1" && to_link=$to_link$1$NL; } ;;
    esac
}

link_unit() { # NAME VERB: enable or disable it, if that is a change
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

reload() { # NAME: it must keep its main process
    state_of "$1"
    before=$state
    note late reload "$1"
    verb reload "$1"
    must_run "$1" reload
    [ "$state" = "$before" ] || fail "$1 did not survive its reload: \"$before\" became \"$state\""
}

loaded_since() { # NAME: set `text` to the process that has loaded its files, and the time; at boot to the next process
    if [ -n "$booted" ]; then
        IFS=' ' read -r text _ <"$R/proc/uptime"
        text="boot ${text%.*}${text#*.}0000"
        return
    fi
    case $watched in
    *"$NL$1$US"*) # just recorded
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

write_stamp() { # NAME FILE...: record the files that the running process has loaded
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
