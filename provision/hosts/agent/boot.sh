# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Power cuts and reboots in mid-apply: a unit that is there while a transaction is open, and what it does.

UNIT=hactl-undo.service

arm() { # systemd reads it when it starts: it need not be told now
    units=$R/etc/systemd/system
    [ -d "$R/run/systemd/system" ] || return 0 # no systemd, by sd_booted(3): the next deploy undoes what was cut off
    mkdir -p "$units/sysinit.target.wants" 2>"$work/log" && boot_unit 2>"$work/log" >"$units/$UNIT" &&
        chmod 644 "$units/$UNIT" && ln -sf "../$UNIT" "$units/sysinit.target.wants/$UNIT" 2>"$work/log" && return
    fail "cannot write ${units#"$R"}/$UNIT: $(reason)"
}

sync_journal() { # it must be on the disk, and the unit that reads it, before the first change
    units=$R/etc/systemd/system
    set +f
    set -- "$work"/* "$work"/files/* "$STATE" "$units/$UNIT" "$units/sysinit.target.wants" "$units" $olds
    set -f
    sync "$@" 2>/dev/null || :
}

boot_unit() { # before anything that would read the files
    cat <<END
[Unit]
Description=Undo the hactl run that was cut off
ConditionPathExists=$work/agent
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target systemd-sysctl.service network-pre.target
Before=systemd-networkd.service NetworkManager.service networking.service keepalived.service
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh $work/agent boot
TimeoutStartSec=300
END
}

going_down() { # services cannot be reloaded any more: the next boot undoes all, from the same journal
    [ -z "$booted" ] && [ -e "$R/etc/systemd/system/$UNIT" ] || return 1
    case $(systemctl is-system-running 2>/dev/null) in stopping | offline | unknown | '') ;; *) return 1 ;; esac
}

disarm() { # systemctl, too, takes an empty folder away
    rm -f "$R/etc/systemd/system/sysinit.target.wants/$UNIT" "$R/etc/systemd/system/$UNIT" || return 1
    rmdir "$R/etc/systemd/system/sysinit.target.wants" 2>/dev/null || :
}

at_boot() { # the lock was in memory, and went with the power
    work=${0%/*} booted=yes
    [ -d "$work" ] && mkdir -p "$RUN" || exit 0
    chmod 755 "$RUN"
    read_run
    make_lock $$ || take_over $$ || exit 0
    settle 'the host was rebooted, or lost its power, in mid-apply'
    [ -z "$problems" ]
}
