#!/bin/sh
# Turn a fresh Debian root into the lab's image; called by mmdebstrap as a customize hook.
# usage: customize.sh ROOT OUT "DIRECTOR_PACKAGE..." PACKAGE...
# ROOT is the new root, OUT gets vmlinuz and initrd, the PACKAGEs go into the local repository uninstalled;
# of the DIRECTOR_PACKAGEs, the libraries are installed.
set -eu
root=$1 out=$2 director_packages=$3
shift 3
here=$(dirname "$0")

say() { echo "lab-image: $*" >&2; }

# apt of this machine on the new root, as mmdebstrap runs it: with this machine's keys, certificates and proxies,
# which so never get into the image.
apt_get() {
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq -y -o DPkg::Chroot-Directory="$root" "$@"
}

# The packages a deploy installs: fetched with all they need, indexed, the only source of the hosts.
say "fetching the packages a deploy installs"
apt_get clean
apt_get --download-only install "$@"
mkdir -p "$root/opt/packages"
mv "$root"/var/cache/apt/archives/*.deb "$root/opt/packages/"

# An emulated director needs half a minute for a dozen libraries, so only the packages themselves are left
# to the deploy.
say "installing the libraries of $director_packages"
for action in install purge; do
    # shellcheck disable=SC2086  # a list of packages
    apt_get --no-install-recommends "$action" $director_packages
done
apt_get clean

# The kernel is unpacked, not installed: its package insists on initramfs-tools, whose triggers cost an
# emulated director a minute at each installation, and whose initrd is ten times the size of ours.
say "fetching the kernel of the directors"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
kernel=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
(cd "$root/tmp" && apt_get download "$kernel" busybox-static)
for deb in "$root"/tmp/*.deb; do
    dpkg-deb -x "$deb" "$tmp/x"
    rm "$deb"
done
release=${kernel#linux-image-}
mkdir -p "$root/usr/lib/modules"
mv "$tmp/x/lib/modules/$release" "$root/usr/lib/modules/"
chroot "$root" depmod "$release"
cp "$tmp/x/boot/vmlinuz-$release" "$out/vmlinuz"

say "packing the initrd"
mkdir -p "$tmp/i/bin" "$tmp/i/lib" "$tmp/i/dev" "$tmp/i/proc" "$tmp/i/mnt"
cp "$tmp/x/bin/busybox" "$tmp/i/bin/busybox"
ln -s busybox "$tmp/i/bin/sh"
cp "$here/init" "$tmp/i/init"
chmod 755 "$tmp/i/init"
for module in virtio_pci virtio_blk virtio_net ext4; do
    chroot "$root" modprobe -S "$release" --ignore-install --show-depends "$module"
done | sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' | while read -r file; do
    cp "$root$file" "$tmp/i/lib/"
    basename "$file" >>"$tmp/i/lib/order"
done
(cd "$tmp/i" && find . | "$tmp/x/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$out/initrd"

say "settling the configuration"
cp -r "$here/files/." "$root/"
ln -sf /usr/share/zoneinfo/UTC "$root/etc/localtime"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
mkdir -p "$root/etc/network/interfaces.d"
chroot "$root" systemctl -q enable lab-agent.service
mask() {
    # shellcheck disable=SC2086  # a list of units
    chroot "$root" systemctl -q mask $1
}
# Nothing may start by itself in a guest whose clock jumps at a warm start; no login prompts on consoles;
# no waiting for udev before the network, as the initrd has loaded the card's driver.
mask "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    e2scrub_reap.service getty.target console-getty.service serial-getty@ttyS0.service ifupdown-pre.service"
# What no lab host uses costs an emulated director a third of its boot and half of every daemon-reload.
mask "proc-sys-fs-binfmt_misc.automount systemd-binfmt.service dev-hugepages.mount dev-mqueue.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-initctl.socket
    systemd-fsckd.socket cryptsetup.target integritysetup.target veritysetup.target systemd-pstore.service
    systemd-repart.service systemd-sysext.service systemd-firstboot.service systemd-pcrphase.service
    systemd-pcrphase-sysinit.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
    kmod-static-nodes.service"
chroot "$root" systemctl -q set-default multi-user.target
mkdir -p "$root/etc/systemd/system-generators"
for name in cryptsetup debug getty gpt-auto hibernate-resume integritysetup rc-local run system-update veritysetup; do
    ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$name-generator"
done

# Manual pages are left out, but Java's package makes links to its own and wants the folder.
mkdir -p "$root/usr/share/man/man1"

say "indexing the packages"
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/auth.conf.d \
    "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/opt/packages ./' >"$root/etc/apt/sources.list.d/lab.list"
(cd "$root/opt/packages" && apt-ftparchive packages . >Packages)
chroot "$root" apt-get -qq update
chroot "$root" apt-cache gencaches
