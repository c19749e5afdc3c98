# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Watch: a director's addresses, as `ip -o` prints them, and the weights in the kernel's IPVS table.
#
# One `ip monitor` prints addresses at the moment they change. The table is read at each line of the
# input: the controller keeps the time, so no fork is needed here. The end of the input ends the agent.
#
# The output begins with the lines of `ip -o addr show` and `watching`. Then come the lines of
# `ip -o monitor`. When the table has changed, a line `table` has a field for each service and each of
# its real servers, as in /proc/net/ip_vs: `TCP C0A8E30A:0050`, `C0A8E367:0050 1`. Every fiftieth line of
# the input is answered with `alive`.

table() { # set `now` to the line of the table
    now=table
    [ -r "$R/proc/net/ip_vs" ] || return 0
    while IFS=' ' read -r word address _ weight _; do
        case $word in
        TCP | UDP | SCTP | FWM) now=$now$US$word' '$address ;;
        '->') [ "$weight" = Weight ] || now=$now$US$address' '$weight ;;
        esac
    done <"$R/proc/net/ip_vs"
}

ip -o monitor address </dev/null 2>/dev/null &
monitor=$!
trap 'kill $monitor 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
ip -o addr show
before='' ticks=0
say watching
while IFS= read -r _; do
    table
    [ "$now" = "$before" ] || printf '%s\n' "$now" || exit 1
    before=$now
    ticks=$(((ticks + 1) % 50))
    [ $ticks != 0 ] || say alive || exit 1
done
