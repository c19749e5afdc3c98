# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# The beginning of every agent. The parts of an agent are joined into one program (agent/__init__.py).
#
# The protocol is in docs/agent-protocol.md. Fields are separated by US (0x1F). It is no white space
# to `read` and IFS, so empty fields are kept. Unquoted expansions split on purpose; `set -f` keeps
# them from globbing. Every fork takes milliseconds on a slow host: use one call for all files, all
# units and all packages.

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

say() { # FIELDS: print one line, the fields joined by US
    IFS=$US
    printf '%s\n' "$*" 2>/dev/null
    said=$?
    IFS=$NL
    return $said
}

have() { command -v "$1" >/dev/null 2>&1; }

alive() { # PID: true if the process runs; a zombie does not count
    kill -0 "$1" 2>/dev/null && { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    case $stat in *') Z '*) return 1 ;; esac
}
