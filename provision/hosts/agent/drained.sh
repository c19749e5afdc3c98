# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Drained: the drains on this host. A part of every agent that looks.

drained_lines() { # print `HOST WHO WHEN` for each drained real server, and `. WHO WHEN` for this host
    set +f
    set -- "$R"/var/lib/hactl/drain/*
    set -f
    for file; do
        { IFS=' ' read -r number words <"$file"; } 2>/dev/null || continue
        case $number in -[1-9]*) printf '%s %s\n' "${file##*/}" "$words" ;; esac
    done
    ! { read -r words <"$R/var/lib/hactl/drained"; } 2>/dev/null || printf '. %s\n' "$words"
}
