# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Packages: installed in one command, without a start of their services, and never removed.

install_packages() { # NAME...
    if have apt-get; then
        # With SYSTEMD_OFFLINE, systemctl does nothing in maintainer scripts: no daemon starts without its files.
        set -- env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 SYSTEMD_OFFLINE=1 apt-get -qy \
            -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
            --no-install-recommends install -- "$@"
        run "$@" || { # the package index may be old
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
