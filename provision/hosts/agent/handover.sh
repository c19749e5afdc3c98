# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# What a transaction answers while it waits for the controller: what the host holds, and a hand-over of its addresses.
#
# A director whose number in its hand-over files is lowered goes on as master until another has taken over, since that one
# refuses adverts of a lower priority than its own (RFC 5798 6.4.2). The files belong to the transaction: whatever ends
# it, the confirmation, an undoing or a boot, puts the numbers back, after everything else.

DIRECTOR=$R/etc/hactl/director
HANDOVER=/var/lib/hactl/handover
LOWEST=-253 # less is a fault to Keepalived

tell() { # the addresses and the table as they are now
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

hand_over() { # answers how many files were lowered: none where no Keepalived of ours tracks any
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

end_hand_over() { # JOURNAL-LINES, last first: the numbers as they were before the first hand-over
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
