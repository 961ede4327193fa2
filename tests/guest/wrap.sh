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
#	wrap.sh lost	it is not, once (5.10)
# vm: --disk 24M --disk 24M --timeout 600
. /lib/test.sh

modprobe ext4
mke2fs -q -F -t ext4 -b 1024 -J size=2,fast_commit_size=256 -O fast_commit /dev/vda 24000 || bail mke2fs
mkdir /synced /recovered
mount /dev/vda /synced || bail mount

# 400 go twice round the journal
n=0 lost=0
while [ $n -lt 400 ] && [ $lost = 0 ]; do
	n=$((n + 1))
	mkdir /synced/$n
	echo $n >/synced/$n/file
	sync
	dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct 2>/dev/null
	mount /dev/vdb /recovered || bail "mount after sync $n"
	[ "$(cat /recovered/$n/file 2>/dev/null)" = $n ] || lost=1
	umount /recovered
done
note "$n syncs"
case $1 in
kept) is "$n $lost" "400 0" "what was synced is there after a power cut" ;;
lost) is $lost 1 "what was synced is gone after a power cut" ;;
esac
finish
