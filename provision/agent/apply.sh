# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Apply: make the listed changes as one transaction; undo them unless the controller confirms.

each_op() { # FUNCTION: calls it with the fields of every op
    index=0
    for op in $ops; do
        index=$((index + 1))
        IFS=$US
        set -- "$1" $op
        IFS=$NL
        "$@"
    done
}

prepare() { # first pass: everything that takes space, before anything changes
    case $1 in
    stage) stage "$2" "$R$3" ;;
    ledger) stage "$2" "$STATE/ledger" ;;
    package) kept=$kept${kept:+ }$2 package_index=$index ;;
    file) [ "$4" != absent ] || [ ! -e "$R$3" ] || appeared "$3" ;;
    esac
}

check() { # second pass: with the packages there, ownership and the parsers
    case $1 in
    package) say step "$index" ok ;;
    stage)
        shift
        number=$1 path=$R$2
        shift 2
        finish_stage "$number" "$path" "$@"
        say step "$index" ok
        ;;
    esac
}

change() { # third pass: the changes themselves
    case $1 in
    stage | package) return ;;
    file) swap "$2" "$R$3" "$4" ;;
    remove) take_away "$R$2" "$3" ;;
    sysctl) set_sysctl "$2" "$3" "$R$4" ;;
    address) change_address "$2" "$3" "$4" "${5-}" ;;
    module) load_module "$2" ;;
    unit)
        shift
        change_unit "$@"
        ;;
    ledger) number=$2 ;; # put in place by the confirmation
    *) fail "unknown operation $1" ;;
    esac
    say step "$index" ok
}

write_ledger() { # atomically, and only once everything is confirmed
    [ -n "$number" ] || return 0
    staged_path "$number"
    [ -s "$temporary" ] || { # owns nothing any more: a host that was left keeps no ledger
        rm -f "$temporary" "$STATE/ledger"
        return
    }
    chmod 644 "$temporary" && mv -f "$temporary" "$STATE/ledger"
}

hear() { # ANNOUNCEMENT WORD: end of file, any other word, a signal or the deadline undo everything
    (IFS= read -r word <&3 && [ "$word" = "$2" ]) &
    child=$!
    echo $child >"$work/$1" || fail "no space in $RUN"
    say "$1"
    wait $child || {
        child=''
        fail "not told to $2"
    }
    child=''
    rm -f "$work/$1"
}

finish() {
    trap '' HUP INT TERM
    index=0
    still_running
    write_ledger >"$work/log" 2>&1 || fail "cannot write the ledger: $(reason)"
    reversed
    for step in $lines; do
        case $step in restore"$US"*)
            old=${step#*"$US"}
            rm -f "${old%%"$US"*}"
            ;;
        esac
    done
    release
    say confirmed
}

for tool in tar dd mktemp sha256sum mkdir chown chmod ln mv tail tr; do
    have $tool || refuse "the tool $tool is missing"
done
IFS=$US read -r who _ deadline
IFS= read -r length || exit 1
IFS=$NL
take_lock
unpack
trap 'fail "interrupted by a signal, or the connection is gone"' HUP INT
trap 'fail "not confirmed before the deadline"' TERM
watch &
watchdog=$!
each_op prepare
sync_staged
if [ -n "$kept" ]; then
    index=$package_index
    IFS=' '
    set -- $kept
    IFS=$NL
    install_packages "$@"
fi
each_op check
hear ready go # nothing but packages has changed so far: waiting here has no deadline
number=''
each_op change
hear applied confirm # from here on the deadline runs
finish
