# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Drain: take a real server or this director out of service, or return it to service.
#
# The first line of the data is `drain|undrain server|director NAME WHO INVENTORY-DIGEST`. The answer
# is `done` or `failed MESSAGE`. Keepalived watches the files (inotify), and reads them at each start
# and reload.

umask 022
trap : PIPE
STATE=$R/var/lib/hactl
LOWEST=-2147483647 # with any weight, the sum is not above 0; one less would be "the server is down" to Keepalived
LAST=-253          # the same for a priority of 1 to 254

refuse() {
    say failed "$*"
    exit 1
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

put() { # FILE TEXT: replace the file in one step, so that Keepalived reads the old or the new text
    if fresh=$(mktemp "${1%/*}/.${1##*/}.hactl-XXXXXX") && printf '%s\n' "$2" >"$fresh" && chmod 644 "$fresh" &&
        sync "$fresh" && mv -f "$fresh" "$1" && sync "${1%/*}"; then
        return
    fi 2>/dev/null
    rm -f "${fresh:-}"
    refuse "cannot write ${1#"$R"}: is the disk full or read-only?"
}

priorities() { # NUMBER: write it into each front end's hand-over file
    set +f
    set -- "$1" "$STATE"/handover/*
    set -f
    number=$1
    shift
    for file; do
        [ ! -f "$file" ] || [ "${file##*/}" = README ] || put "$file" "$number"
    done
}

drain_server() { # a repeated drain keeps the first operator and time
    ! { IFS=' ' read -r number _ <"$STATE/drain/$name"; } 2>/dev/null || [ "$number" != $LOWEST ] ||
        return 0
    put "$STATE/drain/$name" "$LOWEST $who $(now)"
}

undrain_server() { put "$STATE/drain/$name" 0; }

drain_director() { # write the mark first: a Keepalived that starts after it gets the lowest priority
    [ -e "$STATE/drained" ] || put "$STATE/drained" "$who $(now)"
    priorities $LAST
}

undrain_director() {
    rm -f "$STATE/drained" || refuse "cannot remove $STATE/drained"
    priorities 0
}

record() { # write a line with the present generation to this host's log
    log=$R/var/log/hactl.log number=0
    set +f
    for folder in "$STATE"/generations/*; do
        folder=${folder##*/}
        case $folder in *[!0-9]*) continue ;; esac
        [ "$folder" -le $number ] || number=$folder
    done
    set -f
    [ ! -L "$log" ] || return 0
    printf '%s %s inventory=%s generation=%s changes=- outcome=%sed %s=%s\n' \
        "$(now)" "$who" "$digest" "$number" "$verb" "$kind" "$name" >>"$log"
} 2>/dev/null

IFS=$US read -r verb kind name who digest || exit 1
IFS=$NL
case $name in '' | */* | .*) refuse "$name is no host's name" ;; esac
case $verb-$kind in
drain-server | undrain-server)
    [ -d "$STATE/drain" ] || refuse "its Keepalived watches no file for drains yet: deploy first"
    ;;
drain-director | undrain-director)
    [ -d "$STATE/handover" ] || refuse "there are no hand-over files here: deploy first"
    ;;
*) refuse "unknown word $verb $kind" ;;
esac
"${verb}_$kind"
record
say 'done'
