#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installed by deb, through a kernel upgrade, in a whole Debian (systemd, apt,
# dkms) on a disk in a VM: tests/guest/upgrade.sh says what is done in each boot.
#
#   tests/upgrade.t [SUITE...]      bookworm and trixie
#
# Three kernels of the suite's own: A, B with headers, newer, and C, which has
# no headers. apt gets them from a repository on a second disk. The boot loader is
# QEMU: it boots kernel and initramfs out of the disk's /boot, and which one is
# next is chosen here.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

suites=${*:-bookworm trixie}
work=$(scratch upgrade)
trap 'rm -rf --one-file-system "$work"' EXIT

# in_root COMMAND...
in_root() {
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

packages=systemd-sysv,udev,kmod,initramfs-tools,zstd,e2fsprogs,dkms,gcc,make,openssl
packages+=,libc6-dev,${cli_libraries// /,},libkmod2,libext2fs2,libjson-c5
packages+=,fio,gnuplot-nox,binutils,xz-utils # of make bench-host

# make_system SUITE DIR: disk (the root filesystem with kernel A), repo/ (the
# packages of B and C), kernels (their names)
make_system() {
	local suite=$1 root=$2/root a b c

	mkdir "$2"
	unshare -m mmdebstrap --quiet --mode=root --variant=apt --skip=cleanup/apt/lists --include="$packages" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$root" \
		"deb http://deb.debian.org/debian $suite main" \
		"deb http://deb.debian.org/debian $suite-backports main" \
		"deb http://deb.debian.org/debian-security $suite-security main" >&2

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

	# A small initramfs: an emulated CPU makes and unpacks it
	printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$root/etc/initramfs-tools/conf.d/small"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules"
	in_root apt-get -y install "linux-image-$a" "linux-headers-$a" >&2
	for kernel in "linux-image-$b linux-headers-$b" "linux-image-$c"; do
		# shellcheck disable=SC2086 # words
		in_root apt-get -y --download-only -t "$suite-backports" install $kernel >&2
	done
	mkdir "$2/repo"
	mv "$root"/var/cache/apt/archives/*.deb "$2/repo"

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
	rm -f "$root"/etc/systemd/system/timers.target.wants/* # no apt-daily beside us
	mke2fs -q -F -t ext4 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$2/disk" 4G
	rm -rf --one-file-system "$root"
}

# The result lines of all boots, numbered through
count=0 failed=0
results() {
	local line

	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			count=$((count + 1))
			[ "${line#not}" = "$line" ] || failed=$((failed + 1))
			sed -E "s/^(not ok|ok) [0-9]+ - /\1 $count - $suite, /" <<<"$line"
			;;
		1..*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

# boot KERNEL STEP [WORDS]: it, with what is in /boot
boot() {
	local status=0 kernel=$1 step=$2 vmlinuz

	for vmlinuz in "/boot/vmlinuz-$kernel" "/usr/lib/modules/$kernel/vmlinuz"; do
		debugfs -R "dump $vmlinuz $work/vmlinuz" "$work/disk" 2>/dev/null
		[ ! -s "$work/vmlinuz" ] || break
	done
	debugfs -R "dump /boot/initrd.img-$kernel $work/initrd" "$work/disk" 2>/dev/null
	if [ ! -s "$work/vmlinuz" ] || [ ! -s "$work/initrd" ]; then
		die "$suite: kernel $kernel is not in the disk's /boot"
	fi
	say "$suite: boot into $kernel for: $step"
	"$top/scripts/vm" --kernel "$work/vmlinuz" --initrd "$work/initrd" --name "upgrade-$suite-$step" \
		--disk "$work/disk" --disk "$work/repo" --mem 2G --timeout 2400 \
		--append "root=/dev/vda rw step=$step systemd.show_status=0 ${3-}" >"$work/out" || status=$?
	results <"$work/out"
	# The shell's own status of failed tests is 1, and they have been counted
	if [ $status != 0 ] && ! grep -q '^not ok' "$work/out"; then
		failed=$((failed + 1)) count=$((count + 1))
		echo "not ok $count - $suite, $step: the VM runs to its end, its log is clean"
	fi
	rm -f "$work/vmlinuz" "$work/initrd"
}

fresh_disk() { cp --sparse=always --reflink=auto "$system/disk" "$work/disk"; }

need mmdebstrap debian-archive-keyring e2fsprogs apt-utils
debs=$("$top/scripts/package" deb)
for suite in $suites; do
	system=$cache/system/$suite.$({ declare -f make_system; echo "$packages"; } | cksum | cut -d' ' -f1)
	[ -e "$system" ] || say "making a Debian $suite with three kernels, once; its log is $cache/system-$suite.log"
	# No "|| die": nothing in it would stop at an error then
	prepare "$system" make_system "$suite" 2>>"$cache/system-$suite.log"
	read -r a b c <"$system/kernels"
	echo "# $suite: A is $a, B is $b, C is $c"

	rm -rf "${work:?}"/*
	mkdir "$work/files"
	ln "$system/repo"/*.deb "$work/files"
	# shellcheck disable=SC2086 # words
	cp $debs "$work/files"
	(cd "$work/files" && apt-ftparchive packages . >Packages)
	mkdir "$work/files/src"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,tests} "$work/files/src"
	cp "$top/tests/guest/lib.sh" "$work/files/test.sh"
	cp "$top/tests/guest/upgrade.sh" "$work/files"
	cat >"$work/files/run" <<-END
		stty -opost </dev/ttyS1
		step=\$(sed 's/.*step=\([^ ]*\).*/\1/' /proc/cmdline)
		cd /root
		sh /repo/upgrade.sh "\$step" $a $b $c >/dev/ttyS1 2>&1
		echo "# guest-exit: \$?" >/dev/ttyS1
		systemctl --no-block poweroff
	END
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
done
echo "1..$count"
[ $failed = 0 ]
