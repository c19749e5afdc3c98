# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Apply: make the listed changes as one transaction. Without the controller's confirmation, roll back.

each_op() { # FUNCTION: call it with the fields of every op
    index=0
    for op in $ops; do
        index=$((index + 1))
        IFS=$US
        set -- "$1" $op
        IFS=$NL
        "$@"
    done
}

lead() { # collect the folders of the files
    case $1 in
    stage) collect_ways "$R$3" ;;
    remove) collect_ways "$R$2" ;;
    esac
}

prepare() { # first pass, before any change: write everything that takes space
    case $1 in
    stage) stage "$2" "$R$3" ;;
    package) kept=$kept${kept:+ }$2 package_index=$index ;;
    file) [ "$4" != absent ] || [ ! -e "$R$3" ] || appeared "$3" ;;
    generation) check_generation ;;
    esac
}

check() { # second pass, with the packages installed: owners, modes and the parsers
    case $1 in
    package) say step "$index" ok ;;
    stray) no_master_of "$2" "$3" ;; # checked again just before the removal; no change has been made yet
    stage)
        shift
        nth=$1 path=$R$2
        shift 2
        finish_stage "$nth" "$path" "$@"
        say step "$index" ok
        ;;
    esac
}

intend() { # third pass: the journal entries of changes that outlive a power cut
    case $1 in
    file) remember "$R$3" "$2" ;;
    remove) remember "$R$2" ;;
    unit) intend_unit "$2" "$3" ;;
    esac
}

change() { # fourth pass: make the changes
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
    await) hear reached go ;; # several hosts make the next changes at the same moment
    unit)
        shift
        change_unit "$@"
        ;;
    table) change_table "$2" "$3" "$4" "${5-}" ;;
    checker)
        shift
        begin_checks "$@"
        ;;
    ledger) ledger=$2 ;; # the confirmation puts ledger and generation in place
    generation) about=$2 desired=$3 ;;
    *) fail "unknown operation $1" ;;
    esac
    say step "$index" ok
}

role_of() { # ADDRESS: set `role` to Keepalived's role for it, master or backup; empty for unknown
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

no_master_of() { # ADDRESS/PREFIX DEVICE: refuse if this host became its master since the plan was made
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

listen() { # WORD: a child waits for the controller's next word; its exit status says which word came
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

hear() { # ANSWER WORD: answer questions until WORD comes; any other word, end of input, signal or deadline rolls back
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

lay_out() { # prepare ledger and generation, which the confirmation renames into place
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

unpack() { # unpack the controller's archive: `ops` and files/N
    said=$(dd bs="$length" count=1 iflag=fullblock 2>/dev/null | tar -xf - -C "$work" 2>&1) || {
        release # without space for the archive there is none for a log
        refuse "cannot unpack into $STATE: $(printf '%s\n' "$said" | printable)"
    }
    ops=$(cat "$work/ops")
}

begin() { # lock the host, and start the watch and the guard, which can roll back
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

get_ready() { # do everything that can fail before a change is made
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
    hear ready go # up to here only packages have changed
    olds='' places='' to_link=$NL ledger='' about=''
    each_op intend
    sync_journal
    each_op change
    hear applied confirm # the deadline begins here
    finish
}

case ${1-} in
guard) guard "$2" "$3" ;;
boot) at_boot ;;
*) transact ;;
esac
