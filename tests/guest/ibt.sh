#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Indirect Branch Tracking: each function that the module redirects or calls is
# called, also with bpf programs on it that were there later or first, and none is
# called where IBT wants an ENDBR that is not there. The negative is a call by way
# of a pointer (tests/wrong). Of QEMU and Bochs the second has IBT; it has no disk
# that a cloud kernel knows.
#
# On a kernel with clang's CFI, which is FineIBT then, the same of its checks. The
# instruction that they trap by (0xd6) is none to QEMU 10.0: there they check nothing.
# vm: --bochs --append ibt=warn --append cfi=warn --expect-console . --timeout 1200
# build: tests/wrong
# program: bpf
. /lib/test.sh

status=/sys/module/ext4_fc_resize_fix/status
image=/tmp/image
missing() { dmesg | grep -cE 'Missing ENDBR|CFI failure'; }
size() { /test/fcr size /dev/loop0; }

modprobe loop
modprobe ext4
truncate -s 96M $image
mke2fs -q -t ext4 -b 1024 -O fast_commit $image 20000 || bail "mke2fs"
losetup /dev/loop0 $image || bail "losetup"
mount /dev/loop0 /mnt || bail "mount"
is "$(dmesg | grep -c 'CET detected: Indirect Branch Tracking enabled')" 1 "Indirect Branch Tracking is on"
if grep -q ' __cfi_ext4_fc_commit$' /proc/kallsyms; then
	fine=1
	is "$(dmesg | grep -c 'Using .*FineIBT.* CFI$')" 1 "FineIBT is on"
else
	fine=0
fi

# works WHERE: the counters tell that each of the calls was made: ext4_force_commit()
# by the holds, jbd2_complete_transaction() by the full commits
works() {
	before=$(($(cat $status/holds) * 10 + $(cat $status/full_commits_flush)))
	size=$(size)
	is "$(/test/fcr extend /mnt $((size + 8192 - (size - 1) % 8192)))" 0 "$1: extend"
	is "$(/test/fcr write /mnt/file one)" 0 "$1: fsync after the flush"
	is "$(/test/fcr write /mnt/file two)" 0 "$1: fsync, which is not redirected"
	is "$(/test/fcr addgroup /mnt /dev/loop0)" 0 "$1: add"
	is "$(/test/fcr resizefs /mnt $(($(size) + 4096)))" 0 "$1: resizefs"
	is "$(/test/fcr write /mnt/file three)" 0 "$1: fsync after the flush"
	is $(($(cat $status/holds) * 10 + $(cat $status/full_commits_flush) - before)) 32 "$1: the module called into ext4 and jbd2"
	is "$(($(cat $status/marks_group_extend) > 0)) $(cat $status/state) $(cat $status/missed)" "1 protected 0" "$1: it marks, state, no call missed"
	is "$(missing)" 0 "$1: not one Missing ENDBR, no CFI failure"
}

ok "modprobe" modprobe ext4_fc_resize_fix
works "alone"
if [ -e /sys/kernel/btf/vmlinux ]; then
	# With sharing (see redirect_ftrace.c) a bpf trampoline calls indirectly where the
	# hook sends it
	attach "fentry fexit" "$(hooked)"
	works "bpf later"
	ok "bpf later: rmmod" rmmod ext4_fc_resize_fix
	ok "bpf first: modprobe" modprobe ext4_fc_resize_fix
	works "bpf first"
	detach "bpf"
fi
ok "rmmod" rmmod ext4_fc_resize_fix

# Of FineIBT: the call goes on behind the checks, in the middle of an instruction,
# which is the end of the task
[ $fine = 0 ] || echo 0 >/proc/sys/kernel/panic_on_oops
ok "modprobe wrong" modprobe wrong pointer=1
if [ $fine = 1 ]; then
	/test/fcr extend /mnt $(($(size) + 8)) &
	wait
	is "$(dmesg | grep -c 'CFI failure at wrong_return')" 1 "wrong: a call by way of a pointer is a CFI failure"
	finish
fi
is "$(/test/fcr extend /mnt $(($(size) + 8)))" 0 "wrong: extend"
is "$(($(missing) > 0))" 1 "wrong: a call by way of a pointer is a Missing ENDBR"
ok "umount" umount /mnt
finish
