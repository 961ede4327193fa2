#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fc-replay.sh - ext4 with fast commit: a mount that fails, takes long, or leaves
# damage, after a power failure at a bad moment
#
#	fc-replay.sh DEVICE MOUNTPOINT full|cut-old|cut-zero|sparse|mkdir|rmdir|grow
#
# DEVICE is made anew. Wants fc-race (see fc-race.c) beside it or on the PATH, and
# programs of e2fsprogs.
#
#	full		the fast commit area is filled to its last block
#	cut-old, cut-zero
#			of the first fast commit since a full one, which is several blocks
#			long, only the first block was written; in place of the others
#			is an older fast commit, or nothing. That is done by dd here.
#	sparse		a file of 16 GB has one block, which is in a fast commit
#	mkdir, rmdir	a directory was made, or removed, and is in a fast commit of another file
#	grow		the names of a fast commit need more blocks of a directory
#
# Exit status: 0 mounted within five seconds, everything that was fsynced is there, e2fsck -fn
# finds nothing; 1 not; 2 trouble
dev=$1 mnt=$2 how=$3
PATH=$(dirname "$0"):$PATH

trouble() { echo "$*"; exit 2; }
field() { dumpe2fs -h "$dev" 2>/dev/null | sed -n "s/^$1: *//p"; }
# So many blocks of fast commits there were since the mount
blocks() { sed -n 's/^\([0-9]*\) numblks$/\1/p' "/proc/fs/ext4/${dev##*/}/fc_info"; }

# many NAME: a fast commit of several blocks
many() {
	before=$(blocks)
	i=0
	while [ $i -lt 100 ]; do
		i=$((i + 1))
		: >"$mnt/$1$i" || trouble "$1$i"
	done
	sync "$mnt/$1$i" || trouble fsync
	[ "$(($(blocks) - before))" -ge 3 ] || trouble "a fast commit of $(($(blocks) - before)) blocks"
}

power_failure() {
	fc-race "$mnt" shutdown || trouble shutdown
	umount "$mnt"
}

mke2fs -q -F -t ext4 -O fast_commit -b 4096 -J size=16 "$dev" 65536 || trouble mke2fs
fc=$(field 'Fast commit length')
first=$(($(field 'Total journal blocks') - fc + 1))
first=$(debugfs -R "bmap <8> $first" "$dev" 2>/dev/null)
mount -o commit=1000 "$dev" "$mnt" || trouble mount

echo begin >"$mnt/file"
[ "$how" != rmdir ] || mkdir "$mnt/dir"
sync -f "$mnt" || trouble syncfs
case $how in
full)
	# s_fc_bytes and j_fc_off begin anew with each full commit
	before=$(blocks) n=0
	while [ $(($(blocks) - before)) -lt $((fc - 1)) ]; do
		n=$((n + 1))
		echo $n >>"$mnt/file"
		sync "$mnt/file" || trouble fsync
	done
	power_failure
	;;
cut-old|cut-zero)
	many old
	dd if="$dev" of=/tmp/fc-replay bs=4096 skip="$first" count=$((fc - 1)) 2>/dev/null
	[ "$how" = cut-old ] || dd if=/dev/zero of=/tmp/fc-replay bs=4096 count=$((fc - 1)) 2>/dev/null
	: >"$mnt/between"
	sync -f "$mnt"
	many new
	power_failure
	dd if=/tmp/fc-replay of="$dev" bs=4096 seek=$((first + 1)) skip=1 count=$((fc - 2)) conv=notrunc 2>/dev/null
	sync
	;;
sparse)
	truncate -s 16G "$mnt/sparse" || trouble truncate
	sync -f "$mnt"
	echo x | dd of="$mnt/sparse" conv=notrunc 2>/dev/null
	sync "$mnt/sparse" || trouble fsync
	power_failure
	;;
mkdir|rmdir)
	"$how" "$mnt/dir" || trouble "$how"
	echo end >>"$mnt/file"
	sync "$mnt/file" || trouble fsync
	power_failure
	;;
grow)
	many "$(printf '%0200d' 0)"
	power_failure
	;;
*)
	trouble "which of them? See the head of $0"
	;;
esac

before=$(date +%s)
mount "$dev" "$mnt" || exit 1
seconds=$(($(date +%s) - before))
echo "mount took $seconds s"
case $how in
sparse) [ "$(head -n 1 "$mnt/sparse" | cut -c1)" = x ] && [ $seconds -le 5 ] ;;
full) [ "$(tail -n 1 "$mnt/file")" = "$n" ] ;;
mkdir) [ -d "$mnt/dir" ] ;;
rmdir) [ ! -e "$mnt/dir" ] ;;
grow) [ -e "$mnt/$(printf '%0200d' 0)100" ] ;;
*) [ -e "$mnt/old100" ] && [ -e "$mnt/between" ] && [ ! -e "$mnt/new1" ] ;;
esac
status=$?
umount "$mnt"
[ $status = 0 ] || { echo "mounted, and not all is there, or too late"; exit 1; }
e2fsck -fn "$dev" || exit 1
