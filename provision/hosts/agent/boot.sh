# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Power cuts and reboots in mid-apply: the systemd unit of an open transaction, and its work at boot.

UNIT=hactl-undo.service

arm() { # install the unit; systemd reads it at boot and needs no reload now
    units=$R/etc/systemd/system
    [ -d "$R/run/systemd/system" ] || return 0 # no systemd, by sd_booted(3): the next deploy rolls back
    mkdir -p "$units/sysinit.target.wants" 2>"$work/log" && boot_unit 2>"$work/log" >"$units/$UNIT" &&
        chmod 644 "$units/$UNIT" && ln -sf "../$UNIT" "$units/sysinit.target.wants/$UNIT" 2>"$work/log" && return
    fail "cannot write ${units#"$R"}/$UNIT: $(reason)"
}

sync_journal() { # bring the journal, and the unit that reads it, to the disk before the first change
    units=$R/etc/systemd/system
    set +f
    set -- "$work"/* "$work"/files/* "$STATE" "$units/$UNIT" "$units/sysinit.target.wants" "$units" $olds
    set -f
    sync "$@" 2>/dev/null || :
}

boot_unit() { # print the unit, which runs before any service that reads the files
    cat <<END
[Unit]
Description=Roll back the interrupted hactl run
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

going_down() { # true in a shutdown: no service can be reloaded, so the next boot rolls back from the journal
    [ -z "$booted" ] && [ -e "$R/etc/systemd/system/$UNIT" ] || return 1
    case $(systemctl is-system-running 2>/dev/null) in stopping | offline | unknown | '') ;; *) return 1 ;; esac
}

disarm() { # remove the unit, and its folder if it is empty, as systemctl does
    rm -f "$R/etc/systemd/system/sysinit.target.wants/$UNIT" "$R/etc/systemd/system/$UNIT" || return 1
    rmdir "$R/etc/systemd/system/sysinit.target.wants" 2>/dev/null || :
}

at_boot() { # roll back at boot; the lock was in memory and is gone
    work=${0%/*} booted=yes
    [ -d "$work" ] && mkdir -p "$RUN" || exit 0
    chmod 755 "$RUN"
    read_run
    make_lock $$ || take_over $$ || exit 0
    settle 'the host was rebooted, or lost its power, in mid-apply'
    [ -z "$problems" ]
}
