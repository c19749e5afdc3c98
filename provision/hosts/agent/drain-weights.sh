# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Drain weights: real servers that will leave the table get the weight 0, and so no new connections.
#
# The data begins with lines `SELECTOR OPTIONS-WITH-PLACE` in ipvsadm's words, up to an empty line.
# The answer is `eased`. Each `count` is answered with the table, a line `row` for each of its lines,
# and `counted`. `gone` ends the agent. Any other end, above all the end of the input, restores the
# weights of the servers that are still in the table.

trap : PIPE
ask=''

read_entries() {
    while IFS= read -r line && [ -n "$line" ]; do
        ask=$ask$NL$line
    done
}

edit() { # WEIGHT SELECTOR OPTIONS: set the weight; a server that is not in the table is not added
    weight=$1 before=${3%%-w *} after=${3#*-w }
    case "$after " in *' '*) after=${after#"${after%% *}"} ;; esac
    IFS=' '
    ipvsadm -e $2 $before -w $weight $after >/dev/null 2>&1
    IFS=$NL
}

weight_now() { # SELECTOR OPTIONS: set `weight`; empty if the server is not in the table
    place=${2#-r }
    weight=''
    for row in $saved; do
        case $row in "-a $1 -r ${place%% *} "*) ;; *) continue ;; esac
        weight=${row#*-w }
        weight=${weight%% *}
    done
}

ease() {
    eased=''
    saved=$(ipvsadm -Sn 2>/dev/null)
    for line in $ask; do
        IFS=$US
        set -- $line
        IFS=$NL
        weight_now "$@"
        case $weight in '' | 0) continue ;; esac # not in the table, or drained already
        eased=$eased$NL$weight$US$line
        edit 0 "$@"
    done
}

give_back() {
    trap '' HUP INT TERM
    for line in $eased; do
        IFS=$US
        set -- $line
        IFS=$NL
        edit "$@"
    done
}

count() {
    for row in $(ipvsadm -Ln 2>/dev/null); do
        say row "$row"
    done
    say counted
}

read_entries
trap 'give_back; exit 1' HUP INT TERM
ease
say eased || { give_back && exit 1; }
while IFS= read -r word; do
    case $word in
    count) count || break ;;
    gone) exit 0 ;;
    *) break ;;
    esac
done
give_back
