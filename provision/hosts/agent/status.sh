# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Status: the last confirmed generation, hand-overs in force and the checks' log. This part comes
# before the look, which calls `look_further`.

recall_generation() { # the newest generation: its number, then its document
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
    gzip -dc "$R/var/lib/hactl/generations/$newest/about.gz" 2>/dev/null && echo # its only line has no newline
}

recall_handover() { # FILE:NUMBER, added to the director's priority (keepalived.conf(5), track_file)
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
