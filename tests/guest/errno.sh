#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module changes no errno: 114 calls that are wrong in some way (fcr bad, by
# root and by nobody), of a 64 and of a 32 bit program, on filesystems of all kinds
# get the same answers without the module, with it, and with it and hold=0, and
# leave the same lines of ext4 in the log. The filesystem is then as it was.
#
# The negative is that the calls get where they are meant to: each errno and
# each complaint of ext4 is found among the answers.
#
#	FCR=fcr		the 64 bit program alone
# vm: --disk 100M --disk 224M --timeout 300
. /lib/test.sh

# answers: those of the calls, then ext4's lines about them
answers() {
	dmesg -c >/dev/null
	for fcr in ${FCR-fcr fcr32}; do
		"/test/$fcr" bad /mnt "$dev" 2>&1 | sed "s/^/$fcr: /"
	done
	dmesg -c | sed -n 's/^.*\] EXT4-fs/EXT4-fs/p'
}

# same [hold=0]: the answers with the module are those without
same() {
	modprobe ext4_fc_resize_fix "$@" || bail "modprobe"
	answers >/tmp/with
	rmmod ext4_fc_resize_fix || bail "rmmod"
	ok "$kind: with the module${1:+, $1}, the same answers" diff /tmp/without /tmp/with
}

# errnos KIND DEV BLOCKS "MKE2FS-WORDS" "MOUNT-WORDS" [COMMAND...]: the calls on
# such a filesystem, in the state that COMMAND brings it to
errnos() {
	kind=$1 dev=$2 blocks=$3 make=$4 mount=$5
	shift 5

	# shellcheck disable=SC2086 # words
	mke2fs -q -F -b 4096 $make "$dev" "$blocks" 2>/tmp/said || bail "$kind: $(cat /tmp/said)"
	if ! { mount "$dev" /mnt && : >/mnt/badcalls && umount /mnt; }; then bail "$kind: mount"; fi
	# shellcheck disable=SC2086 # words
	mount $mount "$dev" /mnt || bail "$kind: mount $mount"
	for limit in warning msg; do
		echo 0 >"/sys/fs/ext4/${dev#/dev/}/${limit}_ratelimit_interval_ms"
	done
	"$@" >/dev/null
	answers >/tmp/without
	cat /tmp/without >>/tmp/all
	note "$kind: $(sed -n 's/^fcr.* //p' /tmp/without | sort | uniq -c | tr -s ' \n' ' ')"
	same
	same hold=0
	[ "$kind" != busy ] || { /test/fcr thaw /mnt; wait; } >/dev/null
	ok "$kind: umount" umount /mnt
	is "$(/test/fcr size "$dev")" "$blocks" "$kind: the size is as it was"
	case $kind in
	error|shutdown) ;;
	*) ok "$kind: e2fsck -f" e2fsck -fn "$dev" ;;
	esac
}

# A resize that hangs in the ioctl until the filesystem is thawed
resize_inside() {
	/test/fcr freeze /mnt
	/test/fcr extend /mnt "$blocks" &
	sleep 1
}

# found TEXT...: it was among the answers
found() {
	for text; do
		ok "found: $text" grep -qE "$text" /tmp/all
	done
}

modprobe ext4
# A group is 32768 blocks: vda ends in the first, vdb in the second
errnos extend /dev/vda 20000 "-t ext4 -O fast_commit" ""
errnos add /dev/vdb 32768 "-t ext4 -O fast_commit" ""
errnos read-only /dev/vda 20000 "-t ext4 -O fast_commit" "-o ro"
errnos "read-only, add" /dev/vdb 32768 "-t ext4 -O fast_commit" "-o ro"
errnos "no fast_commit" /dev/vdb 32768 "-t ext4" ""
errnos "no journal" /dev/vda 20000 "-t ext4 -O ^has_journal" ""
errnos "no resize_inode" /dev/vdb 32768 "-t ext4 -O fast_commit,^resize_inode" ""
errnos meta_bg /dev/vdb 32768 "-t ext4 -O fast_commit,^resize_inode,meta_bg" ""
errnos bigalloc /dev/vda 20000 "-t ext4 -O fast_commit,bigalloc" ""
errnos ext2 /dev/vda 20000 "-t ext2" "-t ext2"
errnos ext3 /dev/vdb 32768 "-t ext3" "-t ext3"
errnos busy /dev/vda 20000 "-t ext4 -O fast_commit" "" resize_inside
errnos error /dev/vda 20000 "-t ext4 -O fast_commit" "" sh -c 'echo 1 >/sys/fs/ext4/vda/trigger_fs_error'
errnos shutdown /dev/vda 20000 "-t ext4 -O fast_commit" "" /test/fcr shutdown /mnt

found ' 0$' ' EBADF$' ' EBUSY$' ' EFAULT$' ' EINVAL$' ' EIO$' ' ENOSPC$' ' ENOTTY$' ' EOPNOTSUPP$' ' EPERM$' ' EROFS$'
found "can't shrink FS" "can't read last block" "need to use ext2online" "will only finish group" \
	"Cannot add at group" "Last group not full" "Reserved blocks too high" "Bad blocks count" \
	"Cannot read last block" "Block bitmap not in group" "Inode bitmap not in group" \
	"Inode table not in group" "Block bitmap same as inode bitmap" "Block bitmap .* in inode table" \
	"Inode bitmap .* in inode table" "Block bitmap .* in GDT" "Inode bitmap .* in GDT" \
	"Inode table .* GDT" "No reserved GDT blocks" "not supported with bigalloc" \
	"There are errors in the filesystem"
finish
