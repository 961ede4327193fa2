#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Who recovers, without the module and without a resize: some fsyncs (fast
# commits), one that is a full commit, here since a directory was renamed, and a
# power cut. The kernel recovers all of it. e2fsck -p, which a distribution runs
# at boot before it mounts, does not: the fast commits of the transaction before
# are still in their area, ext4_fc_replay_scan() of e2fsck/journal.c says EINVAL to
# another transaction's head, where the kernel ends its scan, and e2fsck then does
# without the journal. It finds all if the first block of that area is zapped.
#
# vm: --disk 64M --disk 64M --add /sbin/dmsetup
. /lib/test.sh

PATH=$PATH:/test
dev=/dev/dm-0
modprobe ext4
modprobe dm-mod
dmsetup mknodes >/dev/null 2>&1

# write N: three files, each fsynced
write() {
	for n in 1 2 3; do
		/test/fcr write /mnt/"$1$n" "$1$n" >/dev/null || fail "fsync of $1$n"
	done
}

# cut: what a power cut now would leave, on vdb. Not read from where it is mounted:
# that would see, or write back, what is not on the disk.
cut() { dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct conv=fsync 2>/dev/null; }

# there WHERE WANT FILE...: how many of these are on vdb
there() {
	where=$1 want=$2 found=0
	shift 2
	mount /dev/vdb /recovered || bail "$where: mount"
	for file; do
		[ "$(cat /recovered/"$file" 2>/dev/null)" != "$file" ] || found=$((found + 1))
	done
	umount /recovered
	is $found "$want" "$where: $want of $# files that were fsynced or synced are there"
}

# by_e2fsck WHAT WANT FILE...
by_e2fsck() {
	e2fsck -p /dev/vdb >/tmp/e2fsck 2>&1
	note "e2fsck -p: exit $?, $(tr '\n' ';' </tmp/e2fsck)"
	there "$@"
}

# recovered WHAT BY_E2FSCK FILE...: by the kernel all
recovered() {
	what=$1 want_e2fsck=$2
	shift 2
	cut
	there "$what, recovered by the kernel" $# "$@"
	cut
	by_e2fsck "$what, recovered by e2fsck -p" "$want_e2fsck" "$@"
}

mkdir /recovered
dmsetup create --noudevsync fs --table "0 131072 linear /dev/vda 0" || bail dmsetup
mke2fs -q -F -t ext4 -b 1024 -O fast_commit $dev 60000 || bail mke2fs
# No commit by the timer
mount -o commit=1000 $dev /mnt || bail mount
note "$(e2fsck -V 2>&1 | head -n 1)"

write a
sync -f /mnt
write b
recovered "after fast commits" 6 a1 a2 a3 b1 b2 b3
commits=$(fc_stat dm-0 commits)
mkdir /mnt/old
mv /mnt/old /mnt/new
/test/fcr write /mnt/c1 c1 >/dev/null
is "$(fc_stat dm-0 commits)" "$commits" "after the rename of a directory an fsync is a full commit"
recovered "after a full commit" 0 b1 b2 b3 c1
# Safe only where e2fsck would say EINVAL: the head's tid is not the one that comes
# after the last commit's
cut
debugfs -R 'logdump -S' /dev/vdb 2>/dev/null >/tmp/log
sequence=$(sed -n 's/^Found expected sequence \([0-9]*\), type 2.*/\1/p' /tmp/log | tail -n 1)
tid=$(sed -n 's/^tag HEAD.*tid //p' /tmp/log | tail -n 1)
is $((tid <= sequence)) 1 "the fast commits are of an earlier transaction"
note "the last commit $sequence, the fast commits' head $tid"
block=$(dumpe2fs -h /dev/vdb 2>/dev/null | awk -F: '
	$1 == "Total journal blocks" { n += $2 } $1 == "Fast commit length" { n -= $2 } END { print n + 1 }')
ok "their first block in the journal is $block: zapped" debugfs -w -R "zap_block -f <8> $block" /dev/vdb
by_e2fsck "after a full commit, recovered by e2fsck -p after a zap" 4 b1 b2 b3 c1

write d
is $(($(fc_stat dm-0 commits) > commits)) 1 "the next are fast commits"
recovered "after fast commits again" 7 b1 b2 b3 c1 d1 d2 d3

# The module's promise is of the kernel's recovery
ok "modprobe" modprobe ext4_fc_resize_fix
is "$(/test/fcr extend /mnt 60064)" 0 "a resize"
/test/fcr write /mnt/e1 e1 >/dev/null
recovered "with the module, after a resize and an fsync" 0 e1
/test/fcr write /mnt/e2 e2 >/dev/null
recovered "after the second fsync" 2 e1 e2

umount /mnt
finish
