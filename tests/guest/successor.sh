#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is done while the full commit of a marked transaction runs, or by a marked
# operation in later transactions, then fsynced: is it there after a crash?
#
#	successor.sh kept	with the module
#	successor.sh lost	with successor=0, the kernel alone does as badly
# vm: --disk 1G --timeout 2400 --add @REPRO/fc-race --add /usr/bin/setfattr
# need: attr
. /lib/test.sh
one_of "${1-}" kept lost

dev=/dev/vda
stat=/sys/module/ext4_fc_resize_fix/status
modprobe ext4

race() {
	fc_race $dev "$1"
	[ "${gone-}" != ' the filesystem' ] || bail "mount after shutdown"
	is $(($(wc -l </tmp/names) > 0)) 1 "files were fsynced"
}

case $1 in
kept)
	insmod /test/ext4_fc_resize_fix.ko || bail insmod

	# No more than it takes: the first two transactions that are seen, and two after a mark
	mke2fs -q -F -t ext4 -O fast_commit -b 4096 $dev || bail mke2fs
	mount -o commit=1000 $dev /mnt || bail mount
	/test/fcr write /mnt/a a >/dev/null # the flush rule's
	how=''
	for n in 1 2 3 4 5 6 7 8; do
		[ $n != 5 ] || /test/setfattr -n user.a -v b /mnt/a
		before=$(cat $stat/full_commits_successor)
		/test/fcr write /mnt/a$n a >/dev/null
		how="$how $(($(cat $stat/full_commits_successor) - before))"
	done
	is "$how" " 1 1 0 0 1 1 0 0" "full commits of eight fsyncs, before the fifth a mark"
	umount /mnt

	for n in 1 2 3; do
		race untracked
		is "$gone" "" "race $n: all of them are there"
	done
	race restart
	is "$gone" "" "what was marked went on in later transactions"
	;;
lost)
	insmod /test/ext4_fc_resize_fix.ko successor=0 || bail insmod
	for how in untracked restart; do
		race $how
		is "${gone:+some are gone}" "some are gone" "$how, without the rule"
		note "gone:$gone"
	done
	is "$(cat $stat/full_commits_successor)" 0 "no full commits by the rule"
	;;
esac
finish
