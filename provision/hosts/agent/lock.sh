# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Lock: keep this host locked for one run, as for a deploy.
#
# The first line of the data is WHO. The answer is `held`, or the refusal that a deploy would get. Any
# later line means that the controller is still there: a broken connection may never end here. The end
# of the input unlocks the host.

SILENCE_TIMEOUT=60 # maximum seconds without a line
POLL_INTERVAL=5    # seconds between two checks

let_go() {
    kill "$listening" 2>/dev/null
    rm -rf "$RUN/lock"
}

listen() { # run beside: end the wait after too long a silence
    silent=0
    while sleep $POLL_INTERVAL && alive $MAIN; do
        silent=$((silent + POLL_INTERVAL))
        [ ! -e "$RUN/lock/heard" ] || silent=0
        rm -f "$RUN/lock/heard"
        [ $silent -lt $SILENCE_TIMEOUT ] || kill -TERM $MAIN
    done
}

IFS= read -r who || exit 1
take_lock
trap 'let_go; exit 1' HUP INT TERM
(exec >/dev/null 2>&1 3<&- && listen) & # not `listen 3<&- &`: dash would keep a copy to put back
listening=$!
say held
while IFS= read -r word <&3; do
    : >"$RUN/lock/heard"
done
let_go
