# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Hold: keep this host for one run, locked as for a deploy, for as long as somebody is there.
#
# The first line of the data is WHO; it answers `held`, or what a deploy would be told. Whatever line comes then says that
# somebody is still there: a connection that was cut in the middle may never end here. The end of the input lets go.

SILENCE=60 # seconds without a word
EVERY=5

let_go() {
    kill "$listening" 2>/dev/null
    rm -rf "$RUN/lock"
}

listen() { # beside: ends the wait when no word came for that long
    silent=0
    while sleep $EVERY && alive $MAIN; do
        silent=$((silent + EVERY))
        [ ! -e "$RUN/lock/heard" ] || silent=0
        rm -f "$RUN/lock/heard"
        [ $silent -lt $SILENCE ] || kill -TERM $MAIN
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
