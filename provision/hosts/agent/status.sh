# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Recall: what a host remembers, beside the look: its last confirmed generation, hand-overs in force, the directors' log.
# A part that comes before the look, which calls `look_further`.

recall_generation() { # the newest: its number, then what is known about it
    newest=''
    set +f
    for folder in "$R"/var/lib/hactl/generations/*; do
        number=${folder##*/}
        case $number in '' | *[!0-9]*) continue ;; esac
        [ "${newest:-0}" -ge "$number" ] || newest=$number
    done
    set -f
    section generation
    [ -n "$newest" ] || return 0
    printf '%s\n' "$newest"
    gzip -dc "$R/var/lib/hactl/generations/$newest/about.gz" 2>/dev/null && echo # its one line has no end
}

recall_handover() { # FILE:NUMBER, what is added to the director's priority (keepalived.conf(5), track_file)
    section handover
    set +f
    grep -sH '^[1-9]' "$R"/var/lib/hactl/handover/*
    set -f
}

look_further() {
    recall_generation
    recall_handover
    health_checks
}
