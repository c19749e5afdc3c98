# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Hand-over: the questions that a waiting transaction answers about its host, and the hand-over of VIPs.
#
# A director with a lowered number in its hand-over files stays master until another director has taken
# over: that director ignores adverts with a lower priority than its own (RFC 5798 6.4.2). The numbers
# belong to the transaction. Its end, by confirmation, rollback or boot, restores them last of all.

DIRECTOR=$R/etc/hactl/director
HANDOVER=/var/lib/hactl/handover
LOWEST=-253 # Keepalived takes a lower number for a fault

tell() { # print the present addresses and table
    for line in $(ip -o addr show 2>/dev/null); do
        say address "$line"
    done
    table=''
    [ ! -e "$R/proc/net/ip_vs" ] || ! have ipvsadm || table=$(ipvsadm -Sn 2>/dev/null)
    for line in $table; do
        say ipvs "$line"
    done
    say told
}

hand_over() { # lower the numbers, and print how many files changed: 0 if hactl manages no Keepalived here
    lowered=0
    [ ! -r "$DIRECTOR" ] || while IFS= read -r line; do
        case $line in *..*) ;; "handover $HANDOVER/"*) lower "$R${line#handover }" ;; esac
    done <"$DIRECTOR"
    say handed-over $lowered
}

lower() { # FILE
    [ -f "$1" ] && [ ! -L "$1" ] || return 0
    was=''
    IFS= read -r was <"$1"
    note handover "$1" "$was"
    { printf '%s\n' $LOWEST >"$1"; } 2>"$work/log" || fail "cannot write ${1#"$R"}: $(reason)"
    lowered=$((lowered + 1))
}

end_hand_over() { # JOURNAL-LINES, last first: restore the numbers before the first hand-over
    for step in $1; do
        case $step in handover"$US"*) ;; *) continue ;; esac
        IFS=$US
        set -- $step
        IFS=$NL
        [ ! -f "$2" ] || [ -L "$2" ] || printf '%s\n' "${3:-0}" >"$2"
    done
}

take_back_over() {
    reversed "$work/journal"
    end_hand_over "$lines"
    say taken-back
}
