# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Generations: the confirmed runs, a folder for each, named by its number; at most ten of them.

MAX_GENERATIONS=10 # maximum number of generations
MAX_KIB=16384      # maximum size of all together; the last two generations are always kept

check_generation() { # refuse if another run was confirmed since this run looked
    [ ! -e "$STATE/generations/$number" ] || fail "generation $number was confirmed meanwhile; plan again"
}

lay_generation() { # ABOUT DESIRED: prepare the generation, so that one rename puts it in place
    mkdir "$work/generation" && mv "$work/files/$1" "$work/generation/about.gz" &&
        mv "$work/files/$2" "$work/generation/desired.gz"
}

keep_generation() {
    [ -d "$work/generation" ] || return 0
    mkdir -p "$STATE/generations" && mv "$work/generation" "$STATE/generations/$number" || return 1
    numbers=$(set +f && cd "$STATE/generations" && printf '%s\n' * | sort -n)
    set -- $numbers
    while [ $# -gt $MAX_GENERATIONS ] || { [ $# -gt 2 ] && too_large; }; do
        rm -rf "$STATE/generations/$1"
        shift
    done
}

too_large() {
    size=$(du -sk "$STATE/generations") && [ "${size%%"$TAB"*}" -gt $MAX_KIB ]
}
