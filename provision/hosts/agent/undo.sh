# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Undo: backwards through the journal. Every step may be repeated, since the undo may be interrupted as
# well. At boot only changes on the disk are undone: parameters, addresses and processes are gone.

reversed() { # JOURNAL: set `lines` to its lines, last line first
    lines=''
    [ -f "$1" ] || return 0
    while IFS= read -r line; do
        lines=$line$NL$lines
    done <"$1"
}

ours() { # PATH N: true if this run has put its Nth file there
    case $swapped in *"$NL$1$NL"*) return 0 ;; esac
    [ -n "$2" ] && digest_of "$1" || return 1
    there=$digest
    digest_of "$work/files/$2" && [ "$there" = "$digest" ]
}

same_file() { # true for two names of one file: the swap was recorded but not made; mv refuses that
    inodes=$(stat -c '%d:%i' "$1" "$2") && [ "${inodes%"$NL"*}" = "${inodes#*"$NL"}" ]
}

put_back() { # OLD PATH N: restore the kept file, unless the run never came to PATH and another process wrote it
    [ -e "$1" ] || return 0
    if [ ! -e "$2" ] || ours "$2" "$3"; then
        mv -f "$1" "$2" || same_file "$1" "$2" || return 1
        relabel "$2"
    fi
    rm -f "$1"
}

undo_disk() { # FIELDS: undo one journal line about the disk
    case $1 in
    swapped) swapped=$swapped$2$NL ;;
    unlink) if [ -z "${3-}" ] || ours "$2" "$3"; then rm -f "$2"; fi ;;
    restore) put_back "$2" "$3" "${4-}" ;;
    rmdir) rmdir "$2" 2>/dev/null || : ;;
    unit) undo_unit "$2" "$3" ;;
    esac
}

undo_unit() { # VERB NAME; at boot do not wait for a unit, which may wait for this one
    if [ -n "$booted" ] && [ "$1" = stop ]; then
        within 60 systemctl --no-block stop "$2"
    else
        systemctl_in_time "$1" "$2"
    fi
}

undo_running() { # FIELDS: undo one journal line about the memory
    case $1 in
    sysctl) printf '%s\n' "$3" >"$2" ;;
    address) "$2_address" "$3" "$4" "${5-}" ;;
    table) edit_table "$2" "$3" "${4-}" ;;
    module) modprobe -r "$2" 2>/dev/null || : ;; # the module may be in use by now: harmless
    stamp) if [ -f "$3" ]; then cp -p "$3" "$2"; else rm -f "$2"; fi ;;
    esac
}

undo_early() { # FIELDS: undo one journal line, in reverse order
    undo_disk "$@" || return 1
    [ -n "$booted" ] || undo_running "$@"
}

undo_late() { # FIELDS: undo one journal line that needs the old files first
    [ "$1" = late ] || return 0
    case $again in *"$NL$2 $3$NL"*) return 0 ;; esac
    again=$again$2' '$3$NL
    verb=$2
    if [ -n "$booted" ]; then
        case $verb in
        enable) within 60 systemctl enable "$3" ;;
        start) within 60 systemctl --no-block start "$3" ;;
        esac
        return
    fi
    [ "$verb" != reload ] || unit_is active "$3" || verb=start # it died of the new files
    systemctl_in_time $verb "$3" && unit_is_back "$verb" "$3" && stamp_again "$3"
}

unit_is_back() { # VERB NAME
    [ "$1" = enable ] || unit_is active "$2" || {
        echo 'not active' >"$work/log"
        return 1
    }
}

stamp_again() { # [UNIT]: stamp a unit that has loaded its old files again; at boot, all units that will start
    for op in $ops; do
        IFS=$US
        set -- "${1-}" $op
        IFS=$NL
        case $2:${4-} in unit:stamp) ;; *) continue ;; esac
        [ "${1:-$3}" = "$3" ] || continue
        (
            unit=$3
            shift 4
            write_stamp "$unit" "$@" || :
        )
        [ -z "$1" ] || return 0
    done
}

problem() { # FIELDS: record a failed undo
    IFS=' '
    problems="$problems$*: $(reason); "
    IFS=$NL
}

undo() { # undo everything; set `problems` to the failed steps
    trap '' HUP INT TERM
    problems='' again=$NL watched=$NL swapped=$NL
    if [ -e "$work/undoing" ]; then reversed "$work/undoing"; else reversed "$work/journal"; fi
    journal=$lines
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_early "$@" 2>"$work/log" || problem "$@"
    done
    case $booted$journal in yes* | *daemon-reload*) run systemctl daemon-reload ;; esac
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_late "$@" 2>"$work/log" || problem "$@"
    done
    [ -z "$booted" ] || stamp_again
    end_hand_over "$journal"
}
