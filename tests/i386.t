#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An architecture that the module does not know: it is built for Debian 12's
# i386 kernel, without a warning, and that kernel, booted, refuses to load it with
# one line. (tests/refuse.t fakes the architecture.)

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# What runs here is of amd64: not every kernel runs programs of i386
packages=linux-image-686-pae:i386,linux-headers-686-pae:i386,kmod:i386,dash:i386,busybox-static:i386
packages+=,make,base-files,bash,coreutils,diffutils,findutils,grep,mawk,sed

make_system() {
	need mmdebstrap debian-archive-keyring mount
	say "making a chroot with the kernel of i386"
	# Extracted, not installed: nobody needs its maintainer scripts, but for awk
	unshare -m mmdebstrap --quiet --mode=root --variant=extract --architectures=amd64,i386 \
		--include="$packages" --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		bookworm "$1" "deb http://deb.debian.org/debian bookworm main" >"$1.log" 2>&1 ||
		die "mmdebstrap failed: $(tail -n 1 "$1.log")"
	ln -s mawk "$1/usr/bin/awk"
	ln -sf bash "$1/bin/sh"
}

system=$cache/i386-$(cksum <<<"$packages" | cut -d' ' -f1)
prepare "$system" make_system
build=$(mktemp -d "$system/tmp/build.XXXXXX")
trap 'rm -rf "$work" "$build"' EXIT

cp -r "$top"/{Kbuild,dkms.conf,src} "$build"
headers=$(cd "$system" && echo usr/src/linux-headers-*-686-pae)
chroot "$system" env -i PATH=/usr/bin:/bin LC_ALL=C \
	make -C "/$headers" M="/tmp/${build##*/}" ARCH=i386 "CC=gcc-$(compiler gcc bookworm)" modules </dev/null >"$work/build.log" 2>&1 ||
	{ cat "$work/build.log" >&2; die "it does not build for i386"; }
! grep -E 'warning:|error:' "$work/build.log" >&2 || die "it does not build for i386 without a warning"

# A guest as scripts/vm makes it: dash and kmod with their libraries, busybox for
# the rest
root=$work/root
mkdir -p "$root"/{bbin,bin,sbin,dev,proc,sys,tmp,run,lib,test}
need busybox-static cpio
cp "$system/bin/busybox" "$root/bin"
for applet in $(/bin/busybox --list); do ln -s ../bin/busybox "$root/bbin/$applet"; done
(cd "$system" && cp -d --parents bin/{dash,kmod} lib/ld-linux.so.2 {,usr/}lib/i386-linux-gnu/*.so.* "$root")
ln -s dash "$root/bin/sh"
for name in insmod modprobe; do ln -s ../bin/kmod "$root/sbin/$name"; done
install "$top/tests/guest/init" "$root/init"
cp "$top/tests/guest/lib.sh" "$root/lib/test.sh"
cp "$top/tests/guest/refuse.sh" "$build/ext4_fc_resize_fix.ko" "$root/test"
echo "/test/refuse.sh 'ext4_fc_resize_fix.ko Operation_not_supported not loaded: only x86_64 and arm64 are supported'" >"$root/test/.command"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/initrd"

# One CPU: a kernel of i386 takes QEMU's for an Athlon that was not sold for two
vm --name i386 --smp 1 --kernel "$system"/boot/vmlinuz-*-686-pae --initrd "$work/initrd"
finish
