#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Full commits of a journal with fast commit, without the module and without a
# resize: after each, what is on the disk is recovered elsewhere, and must have
# what was synced. That of 5.10 has not: jbd2's wrap() in fs/jbd2/recovery.c goes
# on into the fast commit area when a commit goes on at the journal's beginning,
# finds its rest nowhere, and leaves out that commit and all that follow.
#
#	wrap.sh kept	each time it is there, also after the journal's end
#	wrap.sh lost	it is not, each time round (5.10)
# vm: --disk 24M --disk 24M --timeout 600
. /lib/test.sh
one_of "${1-}" kept lost

modprobe ext4
mke2fs -q -F -t ext4 -b 1024 -J size=2,fast_commit_size=256 -O fast_commit /dev/vda 24000 || bail mke2fs
mkdir /synced /recovered
mount /dev/vda /synced || bail mount

n=0 lost=0
while [ $n -lt 400 ]; do
	n=$((n + 1))
	mkdir /synced/$n
	echo $n >/synced/$n/file
	sync
	dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct 2>/dev/null
	mount /dev/vdb /recovered || bail "mount after sync $n"
	[ "$(cat /recovered/$n/file 2>/dev/null)" = $n ] || lost=$((lost + 1))
	umount /recovered
done
note "after $lost of $n syncs what was synced is not there"
# Both are rounded down
blocks=$(awk '/ transactions? \(/ { n = $1 } / logged blocks per/ { print n * $1 }' /proc/fs/jbd2/vda-8/info)
is $((blocks > 2048)) 1 "that was more than once round the journal: $blocks blocks"
case $1 in
kept) is $lost 0 "what was synced is there after a power cut" ;;
lost) is $((lost > 0)) 1 "what was synced is gone after a power cut" ;;
esac
finish
