#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What fc_info counts (commits, ineligible commits, reasons) after each step of
# a script of resizes, calls that fail, fsyncs and flushes. The script runs
# without and with the module, each time on a new filesystem, and prints lines
# "# without: ..." and "# with: ...". tests/parity.t compares those of an
# unfixed kernel with the module to those of a fixed kernel without: the same.
#
#	parity.sh unfixed|fixed
#
# With hold=0, since the hold and the full commit after a flush, which upstream
# has not, change the counts. The negative: without the module an unfixed kernel
# counts no "Resize" but that of RESIZE_FS.
# vm: --disk 58M --timeout 300
. /lib/test.sh
one_of "${1-}" unfixed fixed

# All that is not 0 on one line; no times, they differ from run to run
counts() {
	fc_info /dev/vda | awk '
		/^"/ { split($0, part, /:[ \t]*/); name = part[1]; n = part[2] }
		/^[0-9]+ / { name = $2; n = $1 }
		name && n + 0 { printf " %s %d", name, n }
		{ name = "" }'
}

# step NAME COMMAND...: runs it, prints what it said last and the counts
step() {
	what=$1
	shift
	said=$("$@" 2>&1 | tail -n 1)
	note "$phase: $what: $said;$(counts)" | tee -a "/tmp/$phase"
}

# A group is 4096 blocks; the device ends in group 3, as fcr bad wants it
size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + $1)); }
fill() { /test/fcr extend /mnt $((($(size) + 4095) / 4096 * 4096)); }
add() { /test/fcr addgroup /mnt /dev/vda "$@"; }
resizefs() { /test/fcr resizefs /mnt $(($(size) + $1)); }
fsyncs() { for i in 1 2 3; do /test/fcr write "/mnt/$1$i" $i; done; }
synced() { sync && fsyncs "$1"; }
dirty_extend() { mkdir /mnt/dir && extend 64; }
two() { extend 64 && extend 64; }
bad() { : >/mnt/badcalls; /test/fcr bad /mnt /dev/vda | sed "s/.* //" | sort | uniq -c | tr -s " \n" " "; }
thaw() { /test/fcr freeze /mnt && /test/fcr thaw /mnt; }
rename() { mkdir /mnt/one /mnt/two && sync && mv /mnt/one /mnt/two; }

# run PHASE: the script
run() {
	phase=$1
	mke2fs -q -t ext4 -b 4096 -g 4096 -J size=4 -O fast_commit -U $uuid \
		-E hash_seed=$uuid /dev/vda 3000 || bail "mke2fs"
	# No commit but those asked for, no inode tables written in the background
	mount -o commit=1000,noinit_itable /dev/vda /mnt || bail "mount"

	step "mount" true
	step "fsyncs, the first a full commit" fsyncs a
	step "extend" extend 64
	step "touch" touch /mnt/file
	step "fsync" fsync /mnt/file
	step "sync" sync
	step "fsyncs" fsyncs b
	step "extend with a transaction running" dirty_extend
	step "fsyncs at once" fsyncs c
	step "sync, fsyncs" synced c
	step "two extends" two
	step "sync, fsyncs" synced d
	step "shrink" extend -64
	step "extend to the same size" extend 0
	step "sync, fsyncs" synced e
	step "add, last group not full" add
	step "sync, fsyncs" synced f
	step "extend to the end of the group" fill
	step "extend, last group full" extend 64
	step "add" add 2048
	step "fsyncs at once" fsyncs g
	step "sync, fsyncs" synced g
	step "fill" fill
	step "add" add
	step "sync, fsyncs" synced h
	step "many bad calls" bad
	step "sync, fsyncs" synced i
	step "resizefs, new group" resizefs 1024
	step "resizefs" resizefs 64
	step "resizefs, shrink" resizefs -64
	step "sync, fsyncs" synced j
	step "checkpoint" /test/fcr checkpoint /mnt
	step "freeze, thaw" thaw
	step "sync, fsyncs" synced k
	step "remount read-only" mount -o remount,ro /mnt
	step "extend, read-only" extend 64
	step "remount read-write" mount -o remount,rw /mnt
	step "extend" extend 64
	step "sync, fsyncs" synced l
	step "rename of a directory" rename
	step "extend" extend 64
	step "sync, fsyncs" synced m
	ok "$phase: umount" umount /mnt
	ok "$phase: e2fsck -f" e2fsck -fn /dev/vda
}

uuid=5ea1ab1e-0000-4000-8000-000000000001
modprobe ext4
run without
ok "modprobe hold=0" modprobe ext4_fc_resize_fix hold=0
run with
ok "rmmod" rmmod ext4_fc_resize_fix

# marks PHASE: what was counted for extends and adds, before the first RESIZE_FS
marks() { sed '/: many bad calls:/,$d' "/tmp/$1" | sed -n 's/.*"Resize" \([0-9]*\).*/\1/p' | tail -n 1; }
if [ "$1" = fixed ]; then
	is "$(marks without) $(marks with)" "12 13" "12 \"Resize\", with the module one more, by which it learns"
else
	is "$(marks without)" "" "without: no \"Resize\""
	is "$(marks with)" 12 "with: 12 \"Resize\""
fi
finish
