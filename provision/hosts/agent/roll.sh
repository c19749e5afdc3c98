# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Roll: lock a node's host for a controller that restarts a cluster node by node, and restart its unit.
#
# The first line of the data is `UNIT WHO`. The host is locked as for a deploy until the agent ends. The
# answer is `node INVOCATION ACTIVE(yes|no) MARKED WHO WHEN`. The mark is a line in the host's state: the
# process that ran when a roll began. It outlives the controller. The words are `look` (`node …` again),
# `mark`, `unmark` and `restart`. `restart` is one systemd job, which does not need this agent to finish:
# `alive` until `restarted` or `failed WHY`.

MARK=$STATE/kafka-roll

let_go() { rm -rf "$RUN/lock"; }

tell_node() {
    invocation='' active=no marked='' marker='' when=''
    for property in $(systemctl show -p ActiveState,InvocationID -- "$unit" 2>/dev/null); do
        case $property in
        ActiveState=active) active=yes ;;
        InvocationID=*) invocation=${property#*=} ;;
        esac
    done
    { IFS=$US read -r marked marker when <"$MARK"; } 2>/dev/null
    IFS=$NL
    say node "$invocation" $active "$marked" "$marker" "$when"
}

mark() { # mark the present process as the one to replace; `-` if none ever ran
    if mkdir -p "$STATE" && chmod 755 "$STATE" && fresh=$(mktemp "$STATE/.kafka-roll-XXXXXX") &&
        printf '%s\n' "${invocation:--}$US$who$US$(now)" >"$fresh" && sync "$fresh" && mv -f "$fresh" "$MARK" &&
        sync "$STATE"; then
        tell_node
        return
    fi 2>/dev/null
    rm -f "${fresh:-}"
    say failed "cannot write ${MARK#"$R"}: is the disk full or read-only?"
    return 1
}

last_words() { # the last log lines of the unit, for the operator
    ! have journalctl || journalctl -q --no-pager -n 4 -o cat -u "$unit" 2>/dev/null | tail -c 500 | tr -s '\000-\037\177' ' '
}

restart() { # the unit's time-outs limit the duration (TimeoutStopSec=)
    systemctl restart "$unit" >/dev/null 2>&1 </dev/null 3<&- &
    job=$!
    while alive $job; do
        say alive || return 1
        sleep 1 3<&-
    done
    wait $job || {
        say failed "systemctl restart $unit failed: $(last_words)"
        return 1
    }
    say restarted
}

IFS=$US read -r unit who || exit 1
IFS=$NL
take_lock
trap 'let_go; exit 1' HUP INT TERM
tell_node
while IFS= read -r word; do
    case $word in
    look) tell_node ;;
    mark) mark ;;
    unmark) rm -f "$MARK" && say unmarked ;;
    restart) restart ;;
    *) break ;;
    esac || break
done
let_go
