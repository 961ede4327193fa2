#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A power cut after two fast commits that create names, without the module and
# without a resize, and then a read-only mount, which is how an initramfs mounts
# the root filesystem. Before kernel commit e1a881ea4674 replay cannot do that.
#
#	ro.sh mounts	it mounts, with all that was fsynced
#	ro.sh fails	it does not (5.10, 6.1)
#
# Read-write it mounts on all of them, with all that was fsynced.
# vm: --disk 64M --disk 64M --add /sbin/dmsetup
. /lib/test.sh
one_of "${1-}" mounts fails

PATH=$PATH:/test
modprobe ext4
modprobe dm-mod
dmsetup mknodes >/dev/null 2>&1

# cut: what a power cut now would leave, on vdb
cut() { dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct conv=fsync 2>/dev/null; }

there() {
	for file in a1 a2; do
		is "$(cat /recovered/$file 2>&1)" $file "$1: $file is there"
	done
	umount /recovered
}

mkdir /recovered
# Not read from where it is mounted: that would write back what is not on the disk
dmsetup create --noudevsync fs --table "0 131072 linear /dev/vda 0" || bail dmsetup
mke2fs -q -F -t ext4 -b 4096 -O fast_commit /dev/dm-0 || bail mke2fs
# No commit by the timer
mount -o commit=1000 /dev/dm-0 /mnt || bail mount
: >/mnt/before
sync -f /mnt
for file in a1 a2; do
	before=$(fc_stat dm-0 commits)
	is "$(/test/fcr write /mnt/$file $file)" 0 "fsync of a new file, $file"
	is "$(fc_stat dm-0 commits)" $((before + 1)) "that was a fast commit"
done

cut
case $1 in
mounts)
	ok "mount -o ro" mount -o ro /dev/vdb /recovered
	there "read-only"
	cut
	;;
fails)
	log=$(dmesg | wc -l)
	if said=$(mount -o ro /dev/vdb /recovered 2>&1); then
		fail "mount -o ro fails"
	else
		pass "mount -o ro fails: $said"
	fi
	dmesg | tail -n +$((log + 1)) | sed 's/^/# /'
	is "$(dmesg | tail -n +$((log + 1)) | grep -c 'error loading journal')" 1 "error loading journal"
	;;
esac
ok "mount -o rw${log:+, of what the failed one has left}" mount -o rw /dev/vdb /recovered
there "read-write"
umount /mnt
finish
