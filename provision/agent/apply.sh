# shellcheck shell=sh
# Apply: make the listed changes as one transaction; undo them unless the controller confirms.
#
# Protocol: docs/architecture.md. Fields are separated by US (0x1F). The connection may die at any point: output that
# cannot be written and input that ends both mean "undo", and undoing never needs the connection.
# shellcheck disable=SC2086

set -uf
umask 077
export LC_ALL=C
R=${HACTL_ROOT:-} # a scratch root in the tests, empty on a host
[ -n "$R" ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap : PIPE # caught, not ignored: a write then fails, and commands started here have the default again
exec 3<&0 # background commands get /dev/null as standard input: the controller's words stay readable on 3
NL='
'
US=$(printf '\037\t')
TAB=${US#?}
US=${US%?}
IFS=$NL
RUN=$R/run/hactl
STATE=$R/var/lib/hactl
MAIN=$$
index=0 work='' staged=$NL watched='' watchdog='' child='' kept=''

say() { # one line; its fields joined by US
    IFS=$US
    printf '%s\n' "$*" 2>/dev/null
    said=$?
    IFS=$NL
    return $said
}

have() { command -v "$1" >/dev/null 2>&1; }

run() { # a command whose output goes to the log; a signal interrupts the wait, never the command
    (umask 022 && exec "$@") >"$work/log" 2>&1 </dev/null 3<&- &
    wait $!
}

reason() { # the end of the log as one printable line
    tail -n 6 "$work/log" 2>/dev/null | tail -c 800 | tr -s '\000-\037\177' ' '
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# ---------------------------------------------------------------------------------------------------- ending

note() { # the journal: how to undo what comes next
    IFS=$US
    printf '%s\n' "$*" >>"$work/journal" || fail "cannot write the journal in $RUN"
    IFS=$NL
}

reversed() { # sets `lines` to the journal, last line first
    lines=''
    [ -f "$work/journal" ] || return 0
    while IFS= read -r line; do
        lines=$line$NL$lines
    done <"$work/journal"
}

undo_early() { # one journal line of those undone in reverse order
    case $1 in
    unlink) rm -f "$2" ;;
    restore) # OLD PATH; when both are still one inode, rename leaves OLD in place
        [ ! -e "$2" ] || { mv -f "$2" "$3" && rm -f "$2" && relabel "$3"; }
        ;;
    rmdir) rmdir "$2" 2>/dev/null || : ;;
    sysctl) printf '%s\n' "$3" >"$2" ;;
    address) "$2_address" "$3" "$4" "${5-}" ;;
    module) modprobe -r "$2" 2>/dev/null || : ;; # in use by now: harmless
    unit) run systemctl "$2" "$3" ;;
    stamp) if [ -f "$3" ]; then mv -f "$3" "$2"; else rm -f "$2"; fi ;;
    esac
}

undo_late() { # one journal line of those that need the old files back first
    case $1 in
    late)
        case $again in *"$NL$2 $3$NL"*) return 0 ;; esac
        again=$again$2' '$3$NL
        verb=$2
        [ "$verb" != reload ] || unit_is active "$3" || verb=start # it died of what it was made to load
        run systemctl $verb "$3" && unit_is_back "$verb" "$3" && stamp_again "$3"
        ;;
    esac
}

unit_is_back() { # VERB NAME
    [ "$1" = enable ] || unit_is active "$2" || {
        echo 'not active' >"$work/log"
        return 1
    }
}

stamp_again() { # a unit that took its old files back runs what is installed
    for op in $ops; do
        IFS=$US
        set -- "$1" $op
        IFS=$NL
        case $2:$3:${4-} in "unit:$1:stamp")
            unit=$1
            shift 4
            write_stamp "$unit" "$@" || :
            return 0
            ;;
        esac
    done
}

problem() { # FIELDS: an undo that did not work
    IFS=' '
    problems="$problems$*: $(reason); "
    IFS=$NL
}

undo() { # sets `problems`: what could not be undone
    trap '' HUP INT TERM
    problems='' again=$NL
    reversed
    journal=$lines
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_early "$@" 2>"$work/log" || problem "$@"
    done
    case $journal in *daemon-reload*) run systemctl daemon-reload ;; esac
    for step in $journal; do
        IFS=$US
        set -- $step
        IFS=$NL
        undo_late "$@" 2>"$work/log" || problem "$@"
    done
}

release() {
    [ -z "$watchdog$child" ] || kill $watchdog $child 2>/dev/null # what holds the channel open
    rm -rf "$work"
    rm -rf "$RUN/lock"
}

roll_back() {
    undo
    release # first the lock: who reads the answer may begin again at once
    [ -z "$problems" ] || {
        say rollback_failed "$problems"
        exit 2
    }
    say rolled_back "$kept"
    exit 1
}

fail() {
    trap '' HUP INT TERM
    say failed "$index" "$*"
    roll_back
}

watch() { # runs beside: tells the controller we live, keeps the deadline, takes over should the main shell be killed
    trap '' HUP
    trap : PIPE
    beat=0
    while kill -0 $MAIN 2>/dev/null; do
        sleep 1 >/dev/null 2>&1 3<&- # it must not hold the channel open
        beat=$((beat + 1))
        [ $((beat % 5)) != 0 ] || say alive || kill -HUP $MAIN 2>/dev/null
        [ -e "$work/applied" ] || continue
        deadline=$((deadline - 1))
        [ $deadline -gt 0 ] || kill -TERM $MAIN 2>/dev/null
    done
    watchdog=''
    for announced in "$work/ready" "$work/applied"; do
        [ ! -e "$announced" ] || child=$(cat "$announced")
    done
    say failed 0 'the agent was killed'
    roll_back
}

# ---------------------------------------------------------------------------------------------------- beginning

take_lock() {
    mkdir -p "$RUN" 2>/dev/null
    chmod 755 "$RUN" 2>/dev/null
    if ! mkdir "$RUN/lock" 2>/dev/null; then
        [ -d "$RUN/lock" ] || refuse "cannot make $RUN/lock: is $R/run writable?"
        holder=unknown since='' pid='' alive=no
        { IFS=$US read -r holder since pid <"$RUN/lock/owner"; } 2>/dev/null
        IFS=$NL
        [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null || alive=yes
        say locked "$holder" "$since" $alive
        exit 5
    fi
    trap 'rm -rf "$RUN/lock"; exit 1' HUP INT TERM
    IFS=$US
    printf '%s\n' "$who$US$(now)$US$MAIN" >"$RUN/lock/owner"
    IFS=$NL
    work=$(mktemp -d "$RUN/run-XXXXXX") || {
        rm -rf "$RUN/lock"
        refuse "no space for a working folder in $RUN"
    }
}

refuse() { # before anything could have changed
    say failed 0 "$*"
    say rolled_back ''
    exit 1
}

unpack() { # the controller's archive: `ops` and files/N
    dd bs="$length" count=1 iflag=fullblock 2>/dev/null | tar -xf - -C "$work" 2>"$work/log" || {
        message=$(reason)
        release
        refuse "cannot unpack into $RUN: $message"
    }
    ops=$(cat "$work/ops")
}

# ---------------------------------------------------------------------------------------------------- staging

make_parents() { # PATH: its missing parent folders, each recorded
    parent=${1%/*}
    [ -n "$parent" ] && [ ! -d "$parent" ] || return 0
    make_parents "$parent"
    parent=${1%/*}
    note rmdir "$parent"
    mkdir -m 755 "$parent" 2>"$work/log" || fail "cannot make the folder ${parent#"$R"}: $(reason)"
}

check_place() { # PATH: refuse what is no regular file
    if [ -L "$1" ]; then
        fail "${1#"$R"} is a symbolic link, which is never followed; remove it or manage the file it points to"
    elif [ -e "$1" ] && [ ! -f "$1" ]; then
        fail "${1#"$R"} is not a regular file; move it away"
    fi
}

beside() { # PATH: sets `temporary`, a fresh file of unforeseeable name beside it, readable by its owner alone
    make_parents "$1"
    set +f
    rm -f "${1%/*}/.${1##*/}.hactl-"?????? # of a run that lost its power
    set -f
    temporary=$(mktemp "${1%/*}/.${1##*/}.hactl-XXXXXX" 2>"$work/log") || fail "cannot stage ${1#"$R"}: $(reason)"
    note unlink "$temporary"
}

stage() { # N PATH
    check_place "$2"
    beside "$2"
    cat "$work/files/$1" >"$temporary" 2>"$work/log" || fail "cannot stage ${2#"$R"}: $(reason)"
    staged=$staged$1$US$temporary$NL
}

staged_path() { # N: sets `temporary`
    temporary=${staged#*"$NL$1$US"}
    temporary=${temporary%%"$NL"*}
}

sync_staged() { # so that a power cut after the rename finds old or new bytes, never an empty file
    paths=''
    for line in $staged; do
        paths=$paths$NL${line#*"$US"}
    done
    [ -z "$paths" ] || sync $paths 2>/dev/null || :
}

finish_stage() { # N PATH MODE OWNER GROUP [VALIDATE]: ownership first, so that it is never readable too widely
    staged_path "$1"
    chown "$4:$5" "$temporary" 2>"$work/log" || fail "cannot give ${2#"$R"} to $4:$5: $(reason)"
    chmod "$3" "$temporary" 2>"$work/log" || fail "cannot set the mode of ${2#"$R"}: $(reason)"
    [ -z "${6-}" ] || validate "$2" "$6"
}

validate() { # PATH COMMAND: words separated by blanks, %s the staged file; no shell reads it
    path=$1
    IFS=' '
    set -- $2
    IFS=$NL
    for word; do
        shift
        case $word in *%s*) word=${word%%%s*}$temporary${word#*%s} ;; esac
        set -- "$@" "$word"
    done
    ! have timeout || set -- timeout 60 "$@"
    run "$@" || fail "${path#"$R"} was refused by its parser ($(command_name "$@")): $(reason)"
}

command_name() { # of a command line that may begin with `timeout 60`
    [ "$1" != timeout ] || shift 2
    printf %s "$1"
}

# ---------------------------------------------------------------------------------------------------- packages

install_packages() { # NAME...
    if have apt-get; then
        # SYSTEMD_OFFLINE makes systemctl in the maintainer scripts do nothing: no daemon starts before its files are there.
        set -- env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 SYSTEMD_OFFLINE=1 apt-get -qy \
            -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
            --no-install-recommends install -- "$@"
        run "$@" || { # unknown, or known from an index that has aged
            run apt-get -qy -o DPkg::Lock::Timeout=120 update
            run "$@" || fail "apt-get install failed: $(reason)"
        }
    elif have dnf; then
        run dnf -qy --setopt=install_weak_deps=False install -- "$@" || fail "dnf install failed: $(reason)"
    elif have yum; then
        run yum -qy install -- "$@" || fail "yum install failed: $(reason)"
    else
        fail 'there is neither apt-get nor dnf nor yum here'
    fi
    ! have systemctl || run systemctl daemon-reload || :
}

# ---------------------------------------------------------------------------------------------------- changes

digest_of() { # PATH: sets `digest`, or `absent`
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
    [ "$digest" = "$2" ] || { [ "$2" = absent ] && [ -n "$kept" ]; } || # laid down by a package of this run
        appeared "${1#"$R"}"
}

set_aside() { # PATH: keeps the present file beside it for the undo
    old=${1%/*}/.${1##*/}.hactl-old
    rm -f "$old"
    note restore "$old" "$1"
    ln "$1" "$old" 2>/dev/null || cp -p "$1" "$old" 2>"$work/log" || fail "cannot keep ${1#"$R"}: $(reason)"
}

relabel() { # the SELinux context that belongs to a path
    [ ! -e /sys/fs/selinux/enforce ] || ! have restorecon || restorecon "$1"
}

swap() { # N PATH OBSERVED
    unchanged "$2" "$3"
    staged_path "$1"
    if [ "$digest" = absent ]; then
        note unlink "$2"
    else
        set_aside "$2"
    fi
    mv -f "$temporary" "$2" 2>"$work/log" || fail "cannot put ${2#"$R"} in place: $(reason)"
    relabel "$2" 2>/dev/null || :
}

take_away() { # PATH OBSERVED
    unchanged "$1" "$2"
    [ "$2" != absent ] || return 0
    set_aside "$1"
    rm -f "$1" 2>"$work/log" || fail "cannot remove ${1#"$R"}: $(reason)"
}

fold() { # words joined by single blanks, in `folded`
    IFS=" $TAB"
    set -- $1
    IFS=' '
    folded=$*
    IFS=$NL
}

set_sysctl() { # NAME VALUE PATH
    before=$(cat "$3" 2>"$work/log") || fail "the kernel has no $1: $(reason)"
    note sysctl "$3" "$before"
    { printf '%s\n' "$2" >"$3"; } 2>"$work/log" || fail "the kernel refuses $1 = $2: $(reason)"
    fold "$(cat "$3")"
    after=$folded
    fold "$2"
    [ "$after" = "$folded" ] || fail "the kernel made $1 \"$after\" of \"$folded\""
}

load_module() { # NAME
    [ ! -d "$R/sys/module/$1" ] || return 0
    note module "$1"
    run modprobe "$1" || fail "cannot load the module $1: $(reason)"
}

has_address() { # ADDRESS/PREFIX DEVICE: sets `shown` to its line
    shown=$(ip -o addr show dev "$2" 2>/dev/null)
    for shown in $shown; do
        case $shown in *" inet $1 "* | *" inet6 $1 "*) return 0 ;; esac
    done
    return 1
}

add_address() { # ADDRESS/PREFIX DEVICE LABEL
    ! has_address "$1" "$2" || return 0
    if [ -n "${3-}" ]; then
        ip addr add "$1" dev "$2" label "$3"
    else
        ip addr add "$1" dev "$2"
    fi
}

del_address() {
    ! has_address "$1" "$2" || ip addr del "$1" dev "$2"
}

change_address() { # add|del ADDRESS/PREFIX DEVICE [LABEL]
    if [ "$1" = add ]; then
        ! has_address "$2" "$3" || return 0
        note address del "$2" "$3"
    else
        has_address "$2" "$3" || return 0
        note address add "$2" "$3" "${4-}"
    fi
    "$1_address" "$2" "$3" "${4-}" >"$work/log" 2>&1 || fail "cannot $1 the address $2 on $3: $(reason)"
}

# ---------------------------------------------------------------------------------------------------- units

unit_is() { systemctl "is-$1" --quiet "$2" 2>/dev/null; } # active|enabled

state_of() { # NAME: sets `state` to its state, main PID and invocation in a line
    state=$(systemctl show -p ActiveState,MainPID,InvocationID -- "$1" 2>/dev/null)
    set -- $state
    IFS=' '
    state=$*
    IFS=$NL
}

verb() { # VERB NAME
    run systemctl "$1" "$2" || fail "systemctl $1 $2 failed: $(reason) $(last_words "$2")"
}

last_words() { # what the unit itself said, for the operator
    ! have journalctl || journalctl -q --no-pager -n 4 -o cat -u "$1" 2>/dev/null | tail -c 500 | tr -s '\000-\037\177' ' '
}

must_run() { # NAME VERB: active afterwards; noted, so that it is looked at again before the confirmation
    state_of "$1"
    case $state in *ActiveState=active*) ;; *) fail "$1 is not active after its $2: $(last_words "$1")" ;; esac
    watched=$watched$1$US$state$NL
}

change_unit() { # NAME VERB [FILE...]
    unit=$1 action=$2
    case $action in
    enable) unit_is enabled "$unit" || { note unit disable "$unit" && verb enable "$unit"; } ;;
    disable) ! unit_is enabled "$unit" || { note late enable "$unit" && verb disable "$unit"; } ;;
    start) unit_is active "$unit" || { note unit stop "$unit" && verb start "$unit" && must_run "$unit" start; } ;;
    stop) ! unit_is active "$unit" || { note late start "$unit" && verb stop "$unit"; } ;;
    reload) reload "$unit" ;;
    restart)
        if unit_is active "$unit"; then note late restart "$unit"; else note unit stop "$unit"; fi
        verb restart "$unit"
        must_run "$unit" restart
        ;;
    daemon-reload)
        note daemon-reload
        run systemctl daemon-reload || fail "systemctl daemon-reload failed: $(reason)"
        ;;
    stamp) stamp "$@" ;;
    *) fail "unknown verb $action for $unit" ;;
    esac
}

reload() { # NAME: it must come through with the same main process
    state_of "$1"
    before=$state
    note late reload "$1"
    verb reload "$1"
    must_run "$1" reload
    [ "$state" = "$before" ] || fail "$1 did not survive its reload: \"$before\" became \"$state\""
}

write_stamp() { # NAME FILE...: what the running process has loaded
    name=$1
    shift
    text=$(systemctl show -p InvocationID -- "$name" 2>/dev/null)
    text=${text#*=}
    [ -n "$text" ] || text=$(systemctl show -p MainPID -- "$name" 2>/dev/null)
    text=${text#MainPID=}
    for path; do
        digest_of "$R$path" || return 1
        text=$text$NL$digest' '$path
    done
    mkdir -p "$RUN/loaded"
    printf '%s\n' "$text" >"$RUN/loaded/.new" && mv -f "$RUN/loaded/.new" "$RUN/loaded/$name"
}

stamp() { # NAME stamp FILE...
    name=$1
    shift 2
    saved=$work/stamp-$index
    [ ! -f "$RUN/loaded/$name" ] || cp -p "$RUN/loaded/$name" "$saved"
    note stamp "$RUN/loaded/$name" "$saved"
    write_stamp "$name" "$@" || fail "cannot write the stamp of $name in $RUN"
}

still_running() { # a daemon can die a moment after its reload
    for entry in $watched; do
        state_of "${entry%%"$US"*}"
        [ "$state" = "${entry#*"$US"}" ] ||
            fail "${entry%%"$US"*} did not stay up: \"${entry#*"$US"}\" became \"$state\"; $(last_words "${entry%%"$US"*}")"
    done
}

# ---------------------------------------------------------------------------------------------------- the transaction

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
number=''
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
