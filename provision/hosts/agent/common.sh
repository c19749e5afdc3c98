# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# What both agents begin with. The parts of an agent are joined into one program (provision/hosts/agent/__init__.py).
#
# Protocol: docs/architecture.md. Fields are separated by US (0x1F), which is not white space to `read` and IFS, so
# that an empty field stays a field. Unquoted expansions split on purpose: `set -f` keeps them from globbing.
# Every fork costs milliseconds on a slow host: one call for all files, all units, all packages.

set -uf
export LC_ALL=C
R=${HACTL_ROOT:-} # a scratch root in the tests, empty on a host
[ -n "$R" ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NL='
'
US=$(printf '\037\t')
# shellcheck disable=SC2034
TAB=${US#?}
US=${US%?}
IFS=$NL

say() { # one line; its fields joined by US
    IFS=$US
    printf '%s\n' "$*" 2>/dev/null
    said=$?
    IFS=$NL
    return $said
}

have() { command -v "$1" >/dev/null 2>&1; }

alive() { # PID: does it run? Nobody may have waited for it yet.
    kill -0 "$1" 2>/dev/null && { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    case $stat in *') Z '*) return 1 ;; esac
}
