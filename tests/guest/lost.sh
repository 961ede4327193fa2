#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is fsynced after a journal flush, and a power cut: the flush marks the
# journal empty on disk, fast commits do not mark it valid again.
#
#	lost.sh write OP...	one filesystem for each OP (vda, vdb...): the
#				flush by OP, a file written and fsynced after
#				it, then the power goes
#	lost.sh read OP...	the next boot: is the file there?
#
# OP: extend, freeze, remount, checkpoint, or none (the control). The module
# is there if it was added. Run by tests/lost-fsync.t and scripts/demo.
. /lib/test.sh

do_op() {
	case $1 in
	extend) /test/fcr extend /mnt 20064 ;;
	freeze) fsfreeze --freeze /mnt && fsfreeze --unfreeze /mnt ;;
	remount) mount -o remount,ro /mnt && mount -o remount,rw /mnt ;;
	checkpoint) /test/fcr checkpoint /mnt ;;
	none) ;;
	esac
}

what=$1
shift
modprobe ext4
[ ! -e /test/ext4_fc_resize_fix.ko ] || insmod /test/ext4_fc_resize_fix.ko || bail insmod

disk=a
for op; do
	dev=/dev/vd$disk
	if [ "$what" = write ]; then
		mke2fs -q -F -t ext4 -b 4096 -O fast_commit "$dev" 20000 || bail mke2fs
		mkdir -p "/mnt$disk"
		# No commit by the timer: the power goes when all disks are done
		mount -o commit=1000 "$dev" "/mnt$disk" || bail mount
		mount --bind "/mnt$disk" /mnt
		/test/fcr write /mnt/before before >/dev/null
		sync -f /mnt # of this filesystem only
		do_op "$op" >/dev/null || bail "$op"
		is "$(/test/fcr write /mnt/after after)" 0 "$op: fsync says that the file is on disk"
		umount /mnt
	else
		mount "$dev" /mnt || bail mount
		is "$(cat /mnt/after 2>&1)" after "$op: the file is there after the power cut"
		umount /mnt
	fi
	disk=$(echo "$disk" | tr a-y b-z)
done

if [ "$what" = write ]; then
	echo "1..${count:?}"
	echo "# guest-exit: ${failed:?}"
	# No sync, no unmount
	poweroff -nf
fi
finish
