#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Power cuts of a whole Debian, and the boot after each: fast_commit on / and on a data
# disk, default fstab, the debs. Files are written and fsynced, now and then both
# filesystems are resized; the machine stops at random moments, and what is on its disks
# then is booted twice: with ext4-fc-recover switched off by its word on the kernel's
# command line, which is what a machine without it does, and with it.
# With it every file whose fsync had returned is there, after each cut, and nothing
# ends in a shell or in emergency mode. Without it some are lost: the negative, of all
# cuts together. tests/guest/cuts.sh is what runs in there.
#
#   tests/cuts.t [--dracut] [CUTS [SUITE...]]
#                                       20 cuts each of bookworm and trixie; with one
#                                       cut possibly nothing is lost without it, either.
#                                       --dracut: with an initramfs of dracut, in which systemd
#                                       runs, in place of initramfs-tools'
#
# The machine that writes is stopped meanwhile, it runs no time while it is copied or
# the others boot.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

initramfs='initramfs-tools'
[ "${1-}" != --dracut ] || { initramfs=dracut; shift; }
cuts=${1:-20}
[ $# = 0 ] || shift
machine=
trap '[ -z "$machine" ] || qmp quit || :; rm -rf --one-file-system "$work"' EXIT

# shellcheck source=system.sh
. "$top/tests/system.sh"

packages=systemd-sysv,udev,kmod,$initramfs,zstd,e2fsprogs,dkms,gcc,make,openssl,libc6-dev
packages+=,libkmod2,libmount1,libext2fs2,libjson-c5,linux-image-cloud-amd64,linux-headers-cloud-amd64

# make_system SUITE ARCHIVE
make_system() {
	local root=$2.root

	make_root "$1" "$root" "$packages"
	# There is no such device here, which the hook that brings e2fsck into the initramfs would ask
	echo FSTYPE=ext4 >"$root/etc/initramfs-tools/conf.d/fstype"
	if [ "$initramfs" = dracut ]; then
		# For an emulated CPU: not compressed, and only what this machine has
		cat >"$root/etc/dracut.conf.d/test.conf" <<-END
			hostonly=no
			compress=cat
			filesystems+=" ext4 "
			add_drivers+=" virtio_pci virtio_blk "
			omit_dracutmodules+=" bluetooth btrfs crypt dm dmraid i18n iscsi kernel-network-modules lvm mdraid multipath network nfs plymouth "
		END
	fi
	printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /srv ext4 defaults 0 2\n' >"$root/etc/fstab"
	cat >"$root/etc/systemd/system/cuts-test.service" <<-END
		[Unit]
		DefaultDependencies=no
		After=multi-user.target emergency.target
		[Service]
		ExecStart=/bin/sh /root/run
		[Install]
		WantedBy=multi-user.target emergency.target
	END
	in_root systemctl enable cuts-test.service >&2
	tar -C "$root" -cf "$2" .
	rm -rf --one-file-system "$root"
}

# qmp COMMAND: to the machine that writes; it has been carried out then
qmp() {
	python3 - "$work/qmp" "$1" <<-'END'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		f = s.makefile("rw")
		for command in "qmp_capabilities", sys.argv[2]:
		    f.write(json.dumps({"execute": command}) + "\n")
		    f.flush()
		    answer = {}
		    while not answer.keys() & {"return", "error"}:
		        answer = json.loads(f.readline())
		    if "error" in answer:
		        sys.exit(str(answer))
	END
}

# boot STEP VM-OPTION...
boot() {
	"$top/scripts/vm" --kernel "$work/vmlinuz" --initrd "$work/initrd" --mem 1G --name "cuts-$suite-$1" --log "$work/$1" \
		"${@:2}" 2>"$work/$1.said"
}

words="root=/dev/vda ro systemd.show_status=0"

# booted STEP WORDS: the cut; how that ended is in $ended: "" is good
booted() {
	local status=0

	boot "$1" --disk "$work/cut.vda,snapshot=on" --disk "$work/cut.vdb,snapshot=on" --timeout 900 \
		--append "$words acked=$acked ${2-}" >"$work/$1.out" || status=$?
	ended=$(sed -n 's/^lost: //p' "$work/$1/out")
	[ $status = 0 ] || [ -n "$ended" ] || ended=$(
		if grep -aq 'Rebooting automatically due to panic=' "$work/$1/console.log"; then
			echo "a shell in the initramfs"
		else
			tail -n 1 "$work/$1.said"
		fi
	)
	grep -aE 'recovered by the kernel|recovering journal|UNEXPECTED|error loading journal' "$work/$1/console.log" "$work/$1/out" |
		sed "s/^[^:]*:/#   $1: /" | tr -d '\r' || : # nothing
}

# shellcheck disable=SC2016 # for the shell inside
case $initramfs in
dracut) make_initramfs='dracut --force --quiet /boot/initrd.img-$(ls /usr/lib/modules) $(ls /usr/lib/modules)' ;;
*) make_initramfs='update-initramfs -u' ;;
esac

need python3
for suite in $suites; do
	system_of "$suite" "cuts-$initramfs-"
	unpack_system "$make_initramfs"
	cp "$top/tests/guest/cuts.sh" "$root/root/run"
	# Of no use any more, and to be copied for each cut
	rm -rf "$root"/root/*.deb "$root"/usr/{lib/gcc,include,src/linux-*} "$root"/var/{cache/apt,lib/apt/lists}

	rm -f "$work"/vd[ab]
	truncate -s 3G "$work/vda"
	truncate -s 256M "$work/vdb"
	mke2fs -q -F -t ext4 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$work/vda" 2G 2>"$work/said" ||
		die "mke2fs: $(cat "$work/said")"
	mke2fs -q -F -t ext4 -O fast_commit -E lazy_itable_init=0,lazy_journal_init=0 "$work/vdb" 128M
	rm -rf --one-file-system "$root"

	say "$suite: the machine that writes, $kernel"
	mkdir -p "$work/write"
	: >"$work/write/out"
	boot write --disk "$work/vda" --disk "$work/vdb" --qmp "$work/qmp" --timeout 86400 --append "$words" >"$work/write.out" &
	machine=$!
	until grep -q '^acked 1$' "$work/write/out"; do
		kill -0 "$machine" || die "$suite: the machine that writes has ended: $(tail -n 3 "$work/write.said" "$work/write/out")"
		sleep 1
	done
	grep '^#' "$work/write/out"
	lost=0
	for cut in $(seq "$cuts"); do
		sleep "$((RANDOM % 9)).$RANDOM"
		qmp stop
		acked=$(sed -n 's/^acked //p' "$work/write/out" | tail -n 1)
		doing=$(tail -n 1 "$work/write/out")
		cp --sparse=always --reflink=auto "$work/vda" "$work/cut.vda"
		cp --sparse=always --reflink=auto "$work/vdb" "$work/cut.vdb"
		echo "# $suite, cut $cut: $acked writes acknowledged on each, the last line: $doing"
		booted without ext4_fc_recover=0
		echo "# $suite, cut $cut: without: ${ended:-nothing lost}"
		[ -z "$ended" ] || lost=$((lost + 1))
		booted with
		is "$ended" "" "cut $cut: with ext4-fc-recover all $acked on / and /srv are there, no shell"
		qmp cont
	done
	is $((lost > 0)) 1 "without it some are lost: by $lost of $cuts cuts"
	qmp quit
	wait "$machine" || : # it was not the guest that ended
	machine=
done
finish
