# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Generations: what was confirmed, one folder each, named by its number; at most ten of them.

MOST=10         # generations
MOST_KIB=16384  # of all together; the present one and the one before stay in any case

check_generation() { # somebody else may have deployed since this run looked
    [ ! -e "$STATE/generations/$number" ] || fail "generation $number was confirmed meanwhile; plan again"
}

lay_generation() { # ABOUT DESIRED: made ready, so that one rename puts it among the others
    mkdir "$work/generation" && mv "$work/files/$1" "$work/generation/about.gz" &&
        mv "$work/files/$2" "$work/generation/desired.gz"
}

keep_generation() {
    [ -d "$work/generation" ] || return 0
    mkdir -p "$STATE/generations" && mv "$work/generation" "$STATE/generations/$number" || return 1
    numbers=$(set +f && cd "$STATE/generations" && printf '%s\n' * | sort -n)
    set -- $numbers
    while [ $# -gt $MOST ] || { [ $# -gt 2 ] && too_large; }; do
        rm -rf "$STATE/generations/$1"
        shift
    done
}

too_large() {
    size=$(du -sk "$STATE/generations") && [ "${size%%"$TAB"*}" -gt $MOST_KIB ]
}
