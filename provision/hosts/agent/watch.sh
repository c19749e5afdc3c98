# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Watching a director: its addresses, as `ip -o` prints them, and the weights in the kernel's IPVS table.
#
# Addresses come the moment they change, from one `ip monitor`. The table is read at each line of the input: the
# controller keeps the time, so that looking costs no fork here. The end of the input ends it.
#
#   ip -o addr show's lines, `watching`, then ip -o monitor's lines, and in between, whenever it has changed,
#   `table` and a field for each service and each real server of it, as /proc/net/ip_vs writes them:
#   `TCP C0A8E30A:0050`, `C0A8E367:0050 1`. `alive` now and then.

table() { # sets `now`
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
