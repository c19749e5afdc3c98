# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Files: staged beside their place, validated, and renamed into place; the old file is kept for the undo.

ways=$NL # the folders above all managed files

collect_ways() { # PATH: add the existing folders above it
    way=${1%/*}
    while [ -n "$way" ] && [ "$way" != "$R" ]; do
        case $ways in *"$NL$way$NL"*) return ;; esac
        [ ! -e "$way" ] && [ ! -L "$way" ] || ways=$ways$way$NL
        way=${way%/*}
    done
}

check_ways() { # refuse folders that other users may change: they could put a link there before hactl writes
    me=0 links=''
    [ -z "$R" ] || me=$(id -u)
    set -- $ways
    [ $# = 0 ] || ways=$(stat -c '%u %A %n' "$@" 2>"$work/log") || fail "cannot look at the folders: $(reason)"
    for way in $ways; do
        name=${way#* * }
        case $way in
        "$me l"*) links=$links$name$NL ;;
        "$me "?????????[tT]*) ;; # as in /tmp, users may change only their own files
        "$me "????????w*) fail "everybody may change the folder ${name#"$R"} and put a link there; chmod o-w it" ;;
        "$me "*) ;;
        *) fail "${name#"$R"} belongs to another user than root, who could put a link there; chown it" ;;
        esac
    done
    ways=$NL
    for name in $links; do # check the targets of root's own links
        collect_ways "$(cd -P "$name/" 2>/dev/null && pwd)/"
    done
    [ -z "$links" ] || check_ways
}

make_parents() { # PATH: make its missing parent folders, and record each of them
    parent=${1%/*}
    [ -n "$parent" ] && [ ! -d "$parent" ] || return 0
    make_parents "$parent"
    parent=${1%/*}
    note rmdir "$parent"
    mkdir -m 755 "$parent" 2>"$work/log" || fail "cannot make the folder ${parent#"$R"}: $(reason)"
}

check_place() { # PATH: refuse anything that is no regular file
    if [ -L "$1" ]; then
        fail "${1#"$R"} is a symbolic link, which is never followed; remove it or manage the file it points to"
    elif [ -e "$1" ] && [ ! -f "$1" ]; then
        fail "${1#"$R"} is not a regular file; move it away"
    fi
}

beside() { # PATH: set `temporary` to a new file with a random name beside it, readable by its owner alone
    make_parents "$1"
    set +f
    rm -f "${1%/*}/.${1##*/}.hactl-"?????? # left by a run that lost its power
    set -f
    temporary=$(mktemp -u "${1%/*}/.${1##*/}.hactl-XXXXXX")
    note unlink "$temporary" # first: if the journal has no space, no file is left behind
    (set -C && : >"$temporary") 2>"$work/log" || fail "cannot stage ${1#"$R"}: $(reason)"
}

stage() { # N PATH
    check_place "$2"
    beside "$2"
    cat "$work/files/$1" >"$temporary" 2>"$work/log" || fail "cannot stage ${2#"$R"}: $(reason)"
    staged=$staged$1$US$temporary$NL
}

staged_path() { # N: set `temporary`
    temporary=${staged#*"$NL$1$US"}
    temporary=${temporary%%"$NL"*}
}

sync_staged() { # so that after a power cut the file has its old or its new content, and is never empty
    paths=''
    for line in $staged; do
        paths=$paths$NL${line#*"$US"}
    done
    [ -z "$paths" ] || sync $paths 2>/dev/null || :
}

finish_stage() { # N PATH MODE OWNER GROUP [VALIDATE]: the owner first, so that no other user can read it
    staged_path "$1"
    chown "$4:$5" "$temporary" 2>"$work/log" || fail "cannot give ${2#"$R"} to $4:$5: $(reason)"
    chmod "$3" "$temporary" 2>"$work/log" || fail "cannot set the mode of ${2#"$R"}: $(reason)"
    [ -z "${6-}" ] || validate "$2" "$6"
}

validate() { # PATH COMMAND: words separated by blanks, %s is the staged file; no shell interprets them
    path=$1
    IFS=' '
    set -- $2
    IFS=$NL
    for word; do
        shift
        case $word in *%s*) word=${word%%%s*}$temporary${word#*%s} ;; esac
        set -- "$@" "$word"
    done
    within 60 "$@" || fail "${path#"$R"} was refused by its parser ($1): $(reason)"
}

digest_of() { # PATH: set `digest`, to `absent` if there is no file
    digest=absent
    [ -e "$1" ] || return 0
    digest=$(sha256sum "$1") || return 1
    digest=${digest#\\}
    digest=${digest%% *}
}

appeared() { fail "$1 is not what was observed: somebody else changed it; plan again"; }

unchanged() { # PATH OBSERVED
    check_place "$1"
    digest_of "$1" || fail "cannot read ${1#"$R"}"
    [ "$digest" = "$2" ] || { [ "$2" = absent ] && [ -n "$kept" ]; } || # a package of this run installed it
        appeared "${1#"$R"}"
}

set_aside() { # PATH [N]: keep the present file beside its place for the undo; file N replaces it
    old=$(mktemp -u "${1%/*}/.${1##*/}.hactl-XXXXXX")
    note restore "$old" "$1" "${2-}"
    ln "$1" "$old" 2>/dev/null || copy_aside "$@"
    olds=$olds$old$NL
}

copy_aside() { # PATH [N]: copy the file if the file system has no hard links; never over an existing file
    old=$(mktemp "${1%/*}/.${1##*/}.hactl-XXXXXX" 2>"$work/log") || fail "cannot keep ${1#"$R"}: $(reason)"
    note restore "$old" "$1" "${2-}"
    cp -p "$1" "$old" 2>"$work/log" || fail "cannot keep ${1#"$R"}: $(reason)"
}

remember() { # PATH [N]: record how to undo its change, before any change is made
    check_place "$1"
    if [ -e "$1" ]; then
        set_aside "$1" "${2-}"
    elif [ -n "${2-}" ]; then
        note unlink "$1" "$2"
    fi
    places=$places${1%/*}$NL
}

relabel() { # PATH: restore its SELinux context
    [ ! -e /sys/fs/selinux/enforce ] || ! have restorecon || restorecon "$1"
}

swap() { # N PATH OBSERVED
    unchanged "$2" "$3"
    staged_path "$1"
    note swapped "$2"
    mv -f "$temporary" "$2" 2>"$work/log" || fail "cannot put ${2#"$R"} in place: $(reason)"
    relabel "$2" 2>/dev/null || :
}

take_away() { # PATH OBSERVED
    unchanged "$1" "$2"
    note swapped "$1"
    rm -f "$1" 2>"$work/log" || fail "cannot remove ${1#"$R"}: $(reason)"
}
