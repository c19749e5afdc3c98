# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Drained: what is drained here on purpose. A part of every agent that looks.

drained_lines() { # `HOST WHO WHEN` for each real server that gets no new connections from here; for this host itself `. WHO WHEN`
    set +f
    set -- "$R"/var/lib/hactl/drain/*
    set -f
    for file; do
        { IFS=' ' read -r number words <"$file"; } 2>/dev/null || continue
        case $number in -[1-9]*) printf '%s %s\n' "${file##*/}" "$words" ;; esac
    done
    ! { read -r words <"$R/var/lib/hactl/drained"; } 2>/dev/null || printf '. %s\n' "$words"
}
