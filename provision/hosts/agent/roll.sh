# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Roll: hold a node's host for a controller that restarts a cluster node by node, and restart its unit when told.
#
# The first line of the data is `UNIT WHO`. The host is locked as for a deploy, for as long as somebody listens; then it
# answers `node INVOCATION ACTIVE(yes|no) MARKED WHO WHEN`. The mark is a line in the host's state: which process ran
# when a roll began; it outlives the controller. Words: `look` (`node …` again), `mark`, `unmark`, `restart`.
# `restart` is one job of systemd's, which goes on whatever becomes of this agent: `alive` until `restarted` or `failed WHY`.

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

mark() { # what runs now, is to be replaced; `-` where nothing ever ran
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

last_words() { # what the unit itself said, for the operator
    ! have journalctl || journalctl -q --no-pager -n 4 -o cat -u "$unit" 2>/dev/null | tail -c 500 | tr -s '\000-\037\177' ' '
}

restart() { # its own time-outs bound it (TimeoutStopSec=)
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
