# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Packages: installed in one command, without starting anything, never taken away.

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
