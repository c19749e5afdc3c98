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

lead() { # before all: where the files are
    case $1 in
    stage) collect_ways "$R$3" ;;
    remove) collect_ways "$R$2" ;;
    esac
}

prepare() { # first pass: everything that takes space, before anything changes
    case $1 in
    stage) stage "$2" "$R$3" ;;
    package) kept=$kept${kept:+ }$2 package_index=$index ;;
    file) [ "$4" != absent ] || [ ! -e "$R$3" ] || appeared "$3" ;;
    generation) check_generation ;;
    esac
}

check() { # second pass: with the packages there, ownership and the parsers
    case $1 in
    package) say step "$index" ok ;;
    stray) no_master_of "$2" "$3" ;; # asked again where it is taken off; here nothing has changed yet
    stage)
        shift
        nth=$1 path=$R$2
        shift 2
        finish_stage "$nth" "$path" "$@"
        say step "$index" ok
        ;;
    esac
}

intend() { # third pass: the journal of what would outlive a power cut
    case $1 in
    file) remember "$R$3" "$2" ;;
    remove) remember "$R$2" ;;
    unit) intend_unit "$2" "$3" ;;
    esac
}

change() { # fourth pass: the changes themselves
    case $1 in
    stage | package) return ;;
    file) swap "$2" "$R$3" "$4" ;;
    remove) take_away "$R$2" "$3" ;;
    sysctl) set_sysctl "$2" "$3" "$R$4" ;;
    address) change_address "$2" "$3" "$4" "${5-}" ;;
    stray)
        no_master_of "$2" "$3"
        change_address del "$2" "$3"
        ;;
    module) load_module "$2" ;;
    await) hear reached go ;; # what comes next happens on several hosts at once
    unit)
        shift
        change_unit "$@"
        ;;
    table) change_table "$2" "$3" "$4" "${5-}" ;;
    checker)
        shift
        begin_checks "$@"
        ;;
    ledger) ledger=$2 ;; # put in place by the confirmation, as is the generation
    generation) about=$2 desired=$3 ;;
    *) fail "unknown operation $1" ;;
    esac
    say step "$index" ok
}

role_of() { # ADDRESS: sets `role` to what Keepalived is of it, master or backup; empty where it does not say
    role='' rest=$json
    while :; do
        case $rest in *'"iname"'*) ;; *) return ;; esac
        rest=${rest#*'"iname"'}
        instance=${rest%%'"iname"'*}
        case $instance in *"\"$1 "* | *"\"$1/"*) ;; *) continue ;; esac
        role=backup
        case $instance in *'"state":2,'* | *'"state": 2,'*) role=master && return ;; esac
    done
}

no_master_of() { # ADDRESS/PREFIX DEVICE: who became its master since the plan was made keeps it
    has_address "$1" "$2" || return 0
    state_of keepalived.service
    pid=${state#*MainPID=}
    pid=${pid%% *}
    ask_keepalived
    await_keepalived
    role_of "${1%/*}"
    case $role in
    backup) ;;
    master) fail "it became master of ${1%/*} since the plan was made, so the address stays: plan again" ;;
    *) fail "its Keepalived does not say whether it is master of ${1%/*}, so the address stays" ;;
    esac
}

listen() { # WORD: a child waits for the controller's next one, and ends with a status that says which it was
    (
        while IFS= read -r word <&3; do
            : >"$work/heard"
            case $word in
            wait) ;;
            "$1") exit 0 ;;
            look) exit 3 ;;
            hand-over) exit 4 ;;
            take-back) exit 5 ;;
            *) exit 1 ;;
            esac
        done
        exit 1
    ) &
    child=$!
    echo $child >"$work/$announced" || fail "no space in $STATE"
}

hear() { # ANNOUNCEMENT WORD: questions are answered; end of file, any other word, a signal or the deadline undo everything
    announced=$1
    listen "$2"
    say "$1"
    while :; do
        wait $child
        heard=$?
        child=''
        case $heard in
        0) break ;;
        3) tell ;;
        4) hand_over ;;
        5) take_back_over ;;
        *) fail "not told to $2" ;;
        esac
        listen "$2"
    done
    rm -f "$work/$1"
}

lay_out() { # what the confirmation puts in place, ready to be renamed
    [ -z "$ledger" ] || { mv "$work/files/$ledger" "$work/ledger" && chmod 644 "$work/ledger"; } || return 1
    [ -z "$about" ] || lay_generation "$about" "$desired"
}

finish() {
    trap '' HUP INT TERM
    index=0
    still_running
    lay_out 2>"$work/log" || fail "cannot write the ledger: $(reason)"
    commit
    conclude
    say confirmed
}

unpack() { # the controller's archive: `ops` and files/N
    said=$(dd bs="$length" count=1 iflag=fullblock 2>/dev/null | tar -xf - -C "$work" 2>&1) || {
        release # where there is no space for the archive, there is none for a log
        refuse "cannot unpack into $STATE: $(printf '%s\n' "$said" | printable)"
    }
    ops=$(cat "$work/ops")
}

begin() { # lock, and somebody beside who undoes
    IFS=$US read -r who inventory deadline number counts
    IFS= read -r length || exit 1
    IFS=$NL
    take_lock
    make_work
    trap 'fail "interrupted by a signal, or the connection is gone"' HUP INT
    trap told_to_end TERM
    watch &
    watchdog=$!
    echo $watchdog >"$work/watch"
    start_guard
    arm
    unpack
}

get_ready() { # everything that may fail without a change
    each_op lead
    check_ways
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
}

transact() {
    for tool in tar dd mktemp sha256sum stat mkdir chown chmod ln mv tail tr; do
        have $tool || refuse "the tool $tool is missing"
    done
    begin
    get_ready
    hear ready go # nothing but packages has changed so far
    olds='' places='' to_link=$NL ledger='' about=''
    each_op intend
    sync_journal
    each_op change
    hear applied confirm # from here on the deadline runs
    finish
}

case ${1-} in
guard) guard "$2" "$3" ;;
boot) at_boot ;;
*) transact ;;
esac
