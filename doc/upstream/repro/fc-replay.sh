#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fc-replay.sh - ext4 with fast commit: a mount that fails, takes long, or leaves
# damage, after a power failure at a bad moment
#
#	fc-replay.sh DEVICE MOUNTPOINT full|cut-old|cut-zero|sparse|mkdir|rmdir|grow|index|again|
#		unlinked|split|stale|zeroout|tmpfile|tmpfile-unlinked
#
# DEVICE is made anew. Wants fc-race (see fc-race.c) and fc-tmpfile beside it or on the
# PATH, and programs of e2fsprogs.
#
#	full		the fast commit area is filled to its last block
#	cut-old, cut-zero
#			of the first fast commit since a full one, which is several blocks
#			long, only the first block was written; in place of the others
#			is an older fast commit, or nothing. That is done by dd here.
#	sparse		a file of 16 GB has one block, which is in a fast commit
#	mkdir, rmdir	a directory was made, or removed, and is in a fast commit of another file
#	grow		the names of a fast commit need more blocks of a directory
#	index		a directory was made, and has so many names that it has an index
#	again		the power fails again at the end of the recovery of a fast commit with
#			a new directory, so all of it is done twice. What is needed of that,
#			the journal as it was, is put back by dd here.
#	unlinked	two files are open and have been unlinked, one that the full commit
#			before has, and one that it has not
#	split		one block is written of the last of the four unwritten extents of a file,
#			in a filesystem without a free block
#	zeroout		two blocks of one unwritten extent are written, each in a fast commit of its own
#	tmpfile		a file was opened with O_TMPFILE, and then got a name
#	tmpfile-unlinked
#			and a fast commit has it without a name before
#	stale		DEVICE had another ext4 before, and what was in its inode tables is there yet
#
# Exit status: 0 mounted ("sparse": within 20 seconds; it takes much longer or none, but on a fast
# machine more than 16 GB may be needed for that), everything that was fsynced is there, e2fsck -fn
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

# fast_commit FILE: its fsync is one
fast_commit() {
	before=$(blocks)
	sync "$1" || trouble fsync
	[ "$(blocks)" -gt "$before" ] || trouble "no fast commit"
}

power_failure() {
	fc-race "$mnt" shutdown || trouble shutdown
	exec 3>&- 4>&-
	umount "$mnt"
}

# make: not with what the device had before in place of inodes that are not in use yet
make() {
	mke2fs -q -F -t ext4 -O fast_commit -b 4096 -m 0 -J size=16 \
		-E lazy_itable_init="${1-0}",lazy_journal_init=0,nodiscard "$dev" 65536 || trouble mke2fs
}

# files NAME N BLOCKS: NAME1 to NAMEN
files() {
	i=0
	while [ $i -lt "$2" ]; do
		i=$((i + 1))
		dd if=/dev/zero of="$1$i" bs=4096 count="$3" 2>/dev/null || trouble "$1$i"
	done
}

# With dioread_nolock, the default, ext4 up to 6.12 needs a block for "split" itself
opts=commit=1000,dioread_lock
if [ "$how" = stale ]; then
	make
	mount "$dev" "$mnt" || trouble mount
	files "$mnt/old" 40 8
	umount "$mnt"
	make 1
	opts=$opts,noinit_itable
else
	make
fi
fc=$(field 'Fast commit length')
first=$(($(field 'Total journal blocks') - fc + 1))
first=$(debugfs -R "bmap <8> $first" "$dev" 2>/dev/null)
mount -o "$opts" "$dev" "$mnt" || trouble mount

echo begin >"$mnt/file"
[ "$how" != rmdir ] || mkdir "$mnt/dir"
[ "$how" != unlinked ] || { exec 3>"$mnt/open"; echo data >&3; }
[ "$how" != stale ] || files "$mnt/kept" 16 15
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
index)
	mkdir "$mnt/dir" || trouble mkdir
	many "dir/$(printf '%0200d' 0)"
	power_failure
	;;
unlinked)
	exec 4>"$mnt/temp"
	echo data >&4
	rm "$mnt/open" "$mnt/temp" || trouble rm
	echo more >&3
	echo end >"$mnt/new"
	fast_commit "$mnt/new"
	power_failure
	;;
again)
	mkdir "$mnt/dir" || trouble mkdir
	echo end >"$mnt/dir/new"
	fast_commit "$mnt/dir/new"
	power_failure
	length=$(field 'Total journal blocks')
	journal=$(debugfs -R "bmap <8> 0" "$dev" 2>/dev/null)
	[ $((journal + length - fc + 1)) = "$first" ] || trouble "a journal in pieces"
	dd if="$dev" of=/tmp/fc-replay bs=4096 skip="$journal" count="$length" 2>/dev/null
	dd if="$dev" of=/tmp/fc-replay.super bs=1024 skip=1 count=1 2>/dev/null
	mount "$dev" "$mnt" || trouble "recovered once"
	[ -e "$mnt/dir/new" ] || trouble "recovered once: no file"
	umount "$mnt"
	dd if=/tmp/fc-replay of="$dev" bs=4096 seek="$journal" conv=notrunc 2>/dev/null
	dd if=/tmp/fc-replay.super of="$dev" bs=1024 seek=1 conv=notrunc 2>/dev/null
	sync
	;;
split)
	for i in 0 10 20 30; do
		fallocate -o $((i * 4096)) -l $((8 * 4096)) "$mnt/split" || trouble fallocate
	done
	# What is kept for trees of extents, and then all there is
	echo 0 >"/sys/fs/ext4/${dev##*/}/reserved_clusters" || trouble reserved_clusters
	at=0 step=$((128 << 20))
	while [ $step -ge 4096 ]; do
		if fallocate -o $at -l $step "$mnt/fill" 2>/dev/null; then
			at=$((at + step))
		else
			step=$((step / 2))
		fi
	done
	sync -f "$mnt"
	[ "$(stat -f -c %f "$mnt")" = 0 ] || trouble "it is not full"
	echo x | dd of="$mnt/split" bs=4096 seek=33 conv=notrunc 2>/dev/null
	fast_commit "$mnt/split"
	power_failure
	;;
stale)
	# Those with inodes in a block that the full commit does not have
	files "$mnt/new" 20 1
	fast_commit "$mnt/new20"
	power_failure
	;;
zeroout)
	fallocate -l $((8 * 4096)) "$mnt/zeroout" || trouble fallocate
	sync -f "$mnt"
	for i in 3 5; do
		echo $i | dd of="$mnt/zeroout" bs=4096 seek=$i conv=notrunc 2>/dev/null
		fast_commit "$mnt/zeroout"
	done
	power_failure
	;;
tmpfile|tmpfile-unlinked)
	set -- "$mnt"
	[ "$how" = tmpfile ] || set -- "$mnt" "$mnt/file"
	fc-tmpfile "$@" || trouble fc-tmpfile
	fast_commit "$mnt/linked"
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
sparse) [ "$(head -n 1 "$mnt/sparse" | cut -c1)" = x ] && [ $seconds -le 20 ] ;;
full) [ "$(tail -n 1 "$mnt/file")" = "$n" ] ;;
mkdir) [ -d "$mnt/dir" ] ;;
rmdir) [ ! -e "$mnt/dir" ] ;;
grow) [ -e "$mnt/$(printf '%0200d' 0)100" ] ;;
index) [ -e "$mnt/dir/$(printf '%0200d' 0)1" ] && [ -e "$mnt/dir/$(printf '%0200d' 0)100" ] ;;
unlinked) [ -e "$mnt/new" ] && [ ! -e "$mnt/open" ] && [ ! -e "$mnt/temp" ] ;;
again) [ -e "$mnt/dir/new" ] ;;
stale) [ "$(stat -c %s "$mnt/new20")" = 4096 ] ;;
zeroout)
	is=$(for i in 3 5; do
		dd if="$mnt/zeroout" bs=4096 skip=$i count=1 2>/dev/null | head -n 1 | tr -d '\0'
	done)
	[ "$is" = "$(printf '3\n5')" ]
	;;
tmpfile*) [ "$(cat "$mnt/linked")" = data ] ;;
split) [ "$(dd if="$mnt/split" bs=4096 skip=33 count=1 2>/dev/null | head -n 1)" = x ] ;;
*) [ -e "$mnt/old100" ] && [ -e "$mnt/between" ] && [ ! -e "$mnt/new1" ] ;;
esac
status=$?
umount "$mnt"
[ $status = 0 ] || { echo "mounted, and not all is there, or too late"; exit 1; }
e2fsck -fn "$dev" || exit 1
