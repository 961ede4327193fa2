#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installed by deb, through a kernel upgrade, in a whole Debian (systemd, apt,
# dkms) on a disk in a VM: tests/guest/upgrade.sh says what is done in each boot.
# Then with Secure Boot: OVMF with Microsoft's keys, Debian's shim, grub and kernel,
# first without the key of DKMS, which is enrolled then as MokManager would do it.
#
#   tests/upgrade.t [SUITE...]      bookworm and trixie
#
# Three kernels of the suite's own: A, B with headers, newer, and C, which has
# no headers. apt gets them from a repository on a second disk. The boot loader is
# QEMU, or shim and grub on a disk of their own: kernel and initramfs come out of the
# disk's /boot, and which one is next is chosen here.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=system.sh
. "$top/tests/system.sh"
# shellcheck source=firmware.sh
. "$top/tests/firmware.sh"

packages=systemd-sysv,udev,kmod,initramfs-tools,zstd,e2fsprogs,dkms,gcc,make,openssl,mokutil
packages+=,libc6-dev,${cli_libraries// /,},libkmod2,libext2fs2,libjson-c5
packages+=,fio,gnuplot-nox,binutils,xz-utils # of make bench-host

# make_system SUITE DIR: disk (the root filesystem with kernel A), repo/ (the
# packages of B and C), kernels (their names), shim/ (it and grub, unpacked)
make_system() {
	local suite=$1 root=$2/root a b c package

	mkdir "$2"
	make_root "$suite" "$root" "$packages"
	in_root apt-cache pkgnames linux-image- | grep -E '^linux-image-[0-9].*[0-9]-cloud-amd64$' |
		sed 's/^linux-image-//' | sort -V >"$2/images"
	in_root apt-cache pkgnames linux-headers- | sed -n 's/^linux-headers-//p' | sort >"$2/headers"
	grep -xF -f "$2/headers" "$2/images" >"$2/with"
	a=$(head -n 1 "$2/with")
	b=$(tail -n 1 "$2/with")
	# The archive keeps an image longer than its headers, and sometimes longer than its modules
	for c in $(grep -vxF -f "$2/headers" "$2/images" | tac) "$(tail -n 2 "$2/with" | head -n 1)"; do
		! in_root apt-get -s -t "$suite-backports" install "linux-image-$c" >&2 || break
	done
	echo "$a $b $c" >"$2/kernels"

	in_root apt-get -y install "linux-image-$a" "linux-headers-$a" >&2
	for kernel in "linux-image-$b linux-headers-$b" "linux-image-$c"; do
		# shellcheck disable=SC2086 # words
		in_root apt-get -y --download-only -t "$suite-backports" install $kernel >&2
	done
	mkdir "$2/repo"
	mv "$root"/var/cache/apt/archives/*.deb "$2/repo"
	in_root sh -c 'cd /tmp && apt-get download shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed' >&2
	for package in "$root"/tmp/*.deb; do dpkg-deb -x "$package" "$2/shim"; done
	rm "$root"/tmp/*.deb

	echo 'deb [trusted=yes] file:/repo ./' >"$root/etc/apt/sources.list"
	rm -rf "$root"/var/lib/apt/lists/*
	mkdir "$root/repo"
	printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /repo ext4 ro 0 0\n' >"$root/etc/fstab"
	echo upgrade-test >"$root/etc/hostname"
	cat >"$root/etc/systemd/system/upgrade-test.service" <<-END
		[Unit]
		RequiresMountsFor=/repo
		[Service]
		Type=idle
		ExecStart=/bin/sh /repo/run
		[Install]
		WantedBy=multi-user.target
	END
	in_root systemctl enable upgrade-test.service >&2
	mke2fs -q -F -t ext4 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$2/disk" 4G
	rm -rf --one-file-system "$root"
}

# boot KERNEL STEP [WORDS]: it, with what is in /boot; with Secure Boot if $secure_boot says so
secure_boot=()
boot() {
	local kernel=$1 step=$2 vmlinuz

	for vmlinuz in "/boot/vmlinuz-$kernel" "/usr/lib/modules/$kernel/vmlinuz"; do
		debugfs -R "dump $vmlinuz $work/vmlinuz" "$work/disk" 2>/dev/null
		[ ! -s "$work/vmlinuz" ] || break
	done
	debugfs -R "dump /boot/initrd.img-$kernel $work/initrd" "$work/disk" 2>/dev/null
	if [ ! -s "$work/vmlinuz" ] || [ ! -s "$work/initrd" ]; then
		die "$suite: kernel $kernel is not in the disk's /boot"
	fi
	say "$suite: boot into $kernel for: $step"
	boot_step "$step" "${secure_boot[@]}" --disk "$work/disk" --disk "$work/repo" --mem 2G --timeout 2400 \
		--append "root=/dev/vda rw step=$step systemd.show_status=0 ${3-}"
	rm -f "$work/vmlinuz" "$work/initrd"
}

# enroll: the key that DKMS has made on the disk
enroll() {
	debugfs -R "dump /var/lib/dkms/mok.pub $work/mok.der" "$work/disk" 2>/dev/null
	openssl x509 -inform DER -in "$work/mok.der" -out "$work/mok.pem"
	firmware "$work/vars" "$work/vars" --add-mok "$owner" "$work/mok.pem"
}

fresh_disk() { cp --sparse=always --reflink=auto "$system/disk" "$work/disk"; }

need apt-utils openssl
for suite in $suites; do
	system_of "$suite"
	read -r a b c <"$system/kernels"
	echo "# $suite: A is $a, B is $b, C is $c"

	rm -rf "${work:?}"/*
	mkdir "$work/files"
	ln "$system/repo"/*.deb "$work/files"
	copy_debs "$work/files"
	(cd "$work/files" && apt-ftparchive packages . >Packages)
	mkdir "$work/files/src"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,packaging,tests} "$work/files/src"
	cp "$top/tests/guest/lib.sh" "$work/files/test.sh"
	cp "$top/tests/guest/upgrade.sh" "$work/files"
	run_script "sh /repo/upgrade.sh \"\$step\" $a $b $c" >"$work/files/run"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$work/files" "$work/repo" 1G

	fresh_disk
	boot "$a" install-deb
	boot "$a" protected-on-A
	boot "$b" protected-on-B
	cp --sparse=always --reflink=auto "$work/disk" "$work/before-purge"
	boot "$c" no-headers-on-C
	mv "$work/before-purge" "$work/disk"
	boot "$b" disabled-on-B ext4_fc_resize_fix.disable=1

	fresh_disk
	boot "$a" make-install

	fresh_disk
	firmware "$microsoft" "$work/vars"
	secure_boot=(--secure-boot "$work/vars" --shim "$system/shim")
	boot "$a" without-key
	boot "$a" key-not-confirmed
	enroll
	boot "$a" key-enrolled
	secure_boot=()
done
finish
