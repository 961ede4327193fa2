#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What grows at boot grows with the module there: the debs in a whole Debian, / and
# a data disk with x-systemd.growfs, then a cloud image's first boot (growroot or
# growpart, resizefs, a NoCloud seed), each with slow modules to be loaded by
# modules-load.d. Both also with modules-load.d in place of our unit: nothing
# is held there. And no ordering cycle, also where systemd-modules-load comes late.
# Then the first of these by make install, and by the rpms, which rpm installs here, too.
# tests/guest/boot.sh says what is looked at.
#
#   tests/boot.t [SUITE...]      bookworm and trixie

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=system.sh
. "$top/tests/system.sh"

packages=systemd-sysv,udev,kmod,initramfs-tools,zstd,e2fsprogs,fdisk,dkms,gcc,make,openssl,libc6-dev
packages+=,libkmod2,libmount1,libext2fs2,libjson-c5,cloud-init,cloud-guest-utils,cloud-initramfs-growroot
packages+=,linux-image-cloud-amd64,linux-headers-cloud-amd64
unit=ext4-fc-resize-fix.service

# make_system SUITE ARCHIVE
make_system() {
	local root=$2.root

	make_root "$1" "$root" "$packages"
	cat >"$root/etc/systemd/system/boot-test.service" <<-END
		[Unit]
		After=cloud-init.service cloud-init-network.service
		[Service]
		Type=idle
		ExecStart=/bin/sh /root/run
		[Install]
		WantedBy=multi-user.target
	END
	in_root systemctl enable boot-test.service >&2
	printf 'raid456\nbtrfs\nxfs\n' >"$root/etc/modules-load.d/00-slow.conf"
	echo ext4_fc_resize_fix >"$root/etc/modules-load.d/ext4_fc_resize_fix.conf"
	printf 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\n' >"$root/etc/cloud/cloud.cfg.d/90_test.cfg"
	mkdir -p "$root/var/lib/cloud/seed/nocloud"
	echo 'instance-id: boot-test' >"$root/var/lib/cloud/seed/nocloud/meta-data"
	# There is no other locale, and cloud-config.service would fail
	printf '#cloud-config\nlocale: C.UTF-8\n' >"$root/var/lib/cloud/seed/nocloud/user-data"
	tar -C "$root" -cf "$2" .
	rm -rf --one-file-system "$root"
}

# verified: by systemd; cycles that it finds are in what it says, not in how it exits
verified() {
	in_root systemd-analyze verify --man=no "$@" >"$work/verify" 2>&1
	! grep -E "$unit|cycle" "$work/verify"
}
finds_cycle() { ! verified "$@" && grep -q cycle "$work/verify"; }

# The debs go, ours comes by another way
without_debs() { in_root apt-get -y purge ext4-fc-resize-fix-dkms ext4-fc-resize-fix ext4-fc-recover; }
in_src() { in_root make --no-print-directory -C /opt/src "$1" "KERNELRELEASE=$kernel"; }
by_make() {
	mkdir "$root/opt/src" &&
		cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,packaging} "$root/opt/src" &&
		in_src install
}
# As doc/module.md has it
disabled() { in_root systemctl disable "$unit" && [ ! -L "$root/etc/systemd/system/sysinit.target.wants/$unit" ]; }
by_rpm() {
	in_src uninstall &&
		in_root apt-get -y --no-install-recommends install rpm &&
		"$top/scripts/package" rpm | grep -v recover | xargs cp -t "$root/root" &&
		in_root sh -c 'rpm --dbpath /var/lib/rpm -i --nodeps /root/*.rpm' &&
		in_root modinfo -k "$kernel" -n ext4_fc_resize_fix # rpm exits 0 where a scriptlet fails
}

# disk FSTAB-LINE...: of 4 GB, whose only partition of 3 GB has the root filesystem
disk() {
	printf '%s\n' "$@" >"$root/etc/fstab"
	rm -f "$work/disk"
	truncate -s 4G "$work/disk"
	echo '2048,6291456,L' | sfdisk -q --label gpt "$work/disk"
	mke2fs -q -F -t ext4 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0,offset=1048576 \
		-d "$root" "$work/disk" 3G 2>"$work/said" || die "mke2fs: $(cat "$work/said")"
}

# growing: what fstab grows
growing() { disk '/dev/vda1 / ext4 x-systemd.growfs 0 0' '/dev/vdb /srv ext4 x-systemd.growfs 0 0'; }

# boot STEP DISK [WORDS]
boot() {
	cp --sparse=always --reflink=auto "$work/disk" "$work/vda"
	rm -f "$work/vdb"
	truncate -s 128M "$work/vdb"
	mke2fs -q -F -t ext4 -O fast_commit "$work/vdb" 64M
	say "$suite: boot for: $1"
	boot_step "$1" --disk "$work/vda" --disk "$work/vdb" --mem 1G --timeout 1500 \
		--append "root=/dev/vda1 rw step=$1 systemd.show_status=0 ${2-}"
}

need fdisk
for suite in $suites; do
	system_of "$suite" boot-
	unpack_system true
	# cloud-init takes its time here: the first of modules-load.d may take longer
	cat >"$root/root/slow" <<-'END'
		! grep -q step=cloud-late /proc/cmdline ||
			timeout 600 sh -c 'until grep -Eq "config-resizefs(.*SUCCESS| ran successfully)" /var/log/cloud-init.log; do sleep 1; done'
		exec modprobe -i raid456
	END
	echo 'install raid456 /bin/sh /root/slow' >"$root/etc/modprobe.d/slow.conf"
	cp "$top/tests/guest/lib.sh" "$top/tests/guest/boot.sh" "$root/root"
	# shellcheck disable=SC2016 # of the script
	run_script 'sh /root/boot.sh "$step"' >"$root/root/run"

	ok "systemd-analyze verify" verified "$unit" default.target
	mkdir "$root/etc/systemd/system/systemd-modules-load.service.d"
	printf '[Unit]\nAfter=local-fs.target\n' >"$root/etc/systemd/system/systemd-modules-load.service.d/late.conf"
	ok "systemd-analyze verify, systemd-modules-load after local-fs.target" verified "$unit" default.target
	# The negative
	mkdir "$root/etc/systemd/system/$unit.d"
	printf '[Unit]\nAfter=systemd-modules-load.service\n' >"$root/etc/systemd/system/$unit.d/after.conf"
	ok "it finds the cycle that there is if ours comes after that" finds_cycle "$unit" default.target
	rm -r "$root"/etc/systemd/system/{systemd-modules-load.service.d,"$unit.d"}

	growing
	boot growfs cloud-init=disabled
	boot growfs-late "cloud-init=disabled systemd.mask=$unit"
	disk '/dev/vda1 / ext4 defaults 0 0'
	boot cloud
	boot cloud-late "systemd.mask=$unit"

	ok "apt-get purge" without_debs
	ok "make install" by_make
	growing
	boot growfs-make cloud-init=disabled
	ok "systemctl disable" disabled
	ok "make uninstall, rpm -i" by_rpm
	growing
	boot growfs-rpm cloud-init=disabled
done
finish
