#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# For doc/upstream/e2fsprogs, run by tests/e2fsprogs.t:
#
#	e2fsprogs.sh make		makes the states of its tests, on vdb to vdf: what the
#					disk has after a power cut
#	e2fsprogs.sh recover NAME:WANT...	the kernel recovers them, on vda, vdb...: WANT
#					is a number, so many files have what was written
#					to them; or "fails": the mount does
#
# A file has its own name in it, and nothing else.
. /lib/test.sh
one_of "${1-}" make recover

PATH=$PATH:/test
modprobe ext4

# found DIR: how many files there have their name in them
found() {
	count_found=0
	find "$1" -type f >/tmp/files
	while read -r file; do
		[ "$(cat "$file")" != "${file##*/}" ] || count_found=$((count_found + 1))
	done </tmp/files
	echo $count_found
}

recover() {
	disk=a
	for state; do
		want=${state#*:} state=${state%%:*}
		if ! mount "/dev/vd$disk" /recovered 2>/tmp/said; then
			is fails "$want" "$state: the kernel does not mount it: $(cat /tmp/said)"
		else
			is "$(found /recovered)" "$want" "$state: the kernel recovers $want files"
			umount /recovered
		fi
		disk=$(echo "$disk" | tr a-y b-z)
	done
}

# cut DISK: what a power cut now would leave
cut() { dd if=/dev/vda of="/dev/vd$1" bs=1M iflag=direct conv=fsync 2>/dev/null; }

# fast FILE...: each by a fast commit
fast() {
	for file; do
		before=$(fc_stat dm-0 commits)
		/test/fcr write "/mnt/$file" "$file" >/dev/null || bail "fsync of $file"
		is "$(fc_stat dm-0 commits)" $((before + 1)) "$file: a fast commit"
	done
}

# full FILE: by a full commit, since a directory is renamed
full() {
	before=$(fc_stat dm-0 commits)
	mv /mnt/dir* "/mnt/dir-$1" || bail "mv"
	/test/fcr write "/mnt/$1" "$1" >/dev/null || bail "fsync of $1"
	is "$(fc_stat dm-0 commits)" "$before" "$1: a full commit"
}

# The first commit after a mount is a full one; none by the timer
make() {
	dd if=/dev/zero of=/dev/dm-0 bs=1M 2>/dev/null
	mke2fs -q -F -t ext4 -b 1024 -N 256 -O fast_commit,^resize_inode \
		-J size=1,fast_commit_size=32 /dev/dm-0 || bail mke2fs
	mount -o commit=1000 /dev/dm-0 /mnt || bail mount
	mkdir /mnt/dir
}

# journal_blocks DISK FROM TO SOURCE: of its journal, these, of 1 KiB each, are as on
# SOURCE from now on
journal_blocks() {
	for n in $(seq "$2" "$3"); do echo "bmap <8> $n"; done >/tmp/bmap
	debugfs -f /tmp/bmap "/dev/vd$1" 2>/dev/null | grep -v '^debugfs' >/tmp/blocks
	is "$(wc -l </tmp/blocks)" $(($3 - $2 + 1)) "journal blocks $2 to $3"
	while read -r n; do
		dd if="$4" of="/dev/vd$1" bs=1k conv=notrunc skip="$n" seek="$n" count=1 2>/dev/null || fail "block $n"
	done </tmp/blocks
}

# Of the 1,056 blocks of the journal; the one before is not used
area=1025 area_end=1056

states() {
	modprobe dm-mod
	dmsetup mknodes >/dev/null 2>&1
	# Not read from where it is mounted: that would write back what is not on the disk
	dmsetup create --noudevsync fs --table "0 $(blockdev --getsz /dev/vda) linear /dev/vda 0" || bail dmsetup
	make
	full a1
	fast b1 b2
	cut b
	note "vdb, j_fc_refuse: a full commit, fast commits"
	full c1
	cut c
	note "vdc, j_fc_head: and a full one"
	umount /mnt

	make
	full a1
	for i in $(seq 20); do : >"/mnt/older$i"; done
	fast b1
	full c1
	cut f
	before=$(fc_stat dm-0 numblks)
	for i in $(seq 20); do : >"/mnt/newer$i"; done
	fast d1
	cut d
	is $(($(fc_stat dm-0 numblks) - before > 2)) 1 "several blocks"
	# Of which only the first got to the disk
	journal_blocks d $((area + 1)) $((area_end - 1)) /dev/vdf
	note "vdd, j_fc_cut: a full commit, a fast commit of several blocks that is cut, after it an older one"
	umount /mnt

	make
	full a1
	n=0
	while [ $n -lt $((area_end - area)) ]; do
		fast f$n
		n=$((n + 1))
	done
	cut e
	note "vde, j_fc_full: a full area"
	full f$n
	umount /mnt

	make
	n=0 last=0
	while :; do
		n=$((n + 1))
		full w$n
		cut f
		head=$(debugfs -R 'logdump -S' /dev/vdf 2>/dev/null | sed -n 's/.*type 2 (commit block) at block //p' | tail -n 1)
		# logdump goes on into the fast commit area, too
		[ "$head" != "$last" ] || break
		last=$head
		[ $n -lt 300 ] || bail "no end of the journal"
	done
	written=$n
	# The blocks that recovery does not need compress badly
	start=$(dumpe2fs -h /dev/vdf 2>/dev/null | sed -n 's/^Journal start: *//p')
	first=64
	is $((start > first)) 1 "the journal starts at $start, goes on to $head and round"
	journal_blocks f $first $((start - 1)) /dev/zero
	note "vdf, j_fc_wrap: a full commit that goes on at the beginning: w$written"
	umount /mnt
}

mkdir /recovered
case $1 in
make) states ;;
recover)
	shift
	recover "$@"
	;;
esac
finish
