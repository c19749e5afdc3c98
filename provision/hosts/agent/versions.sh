# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Versions: of the programs that matter in a failover, and Keepalived's configuration on the disk.

first() { head -n 1 | tr -s '\000-\037\177' ' '; }

read -r kernel <"$R/proc/sys/kernel/osrelease"
say version kernel "$kernel"
if [ -r "$R/etc/os-release" ]; then
    say version os "$(sed -n 's/^PRETTY_NAME=//p' "$R/etc/os-release" | tr -d '"')"
fi
! have keepalived || say version keepalived "$(keepalived --version 2>&1 | first)"
! have ipvsadm || say version ipvsadm "$(ipvsadm --version 2>&1 | first)"
! have nginx || say version nginx "$(nginx -v 2>&1 | first)"
if [ -r "$R/etc/keepalived/keepalived.conf" ]; then
    sed "s/^/line$US/" "$R/etc/keepalived/keepalived.conf"
fi
say end
