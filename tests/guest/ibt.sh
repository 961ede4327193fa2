#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Indirect Branch Tracking: each function that the module redirects or calls is
# called, and none is called where IBT wants an ENDBR that is not there. The
# negative is a call by way of a pointer (tests/wrong). Of QEMU and Bochs the
# second has IBT; it has no disk that a cloud kernel knows.
# vm: --bochs --append ibt=warn --expect-console . --timeout 1200
# build: tests/wrong
. /lib/test.sh

status=/sys/module/ext4_fc_resize_fix/status
image=/tmp/image
missing() { dmesg | grep -c 'Missing ENDBR'; }
size() { /test/fcr size /dev/loop0; }

modprobe loop
modprobe ext4
truncate -s 64M $image
mke2fs -q -t ext4 -b 1024 -O fast_commit $image 20000 || bail "mke2fs"
losetup /dev/loop0 $image || bail "losetup"
mount /dev/loop0 /mnt || bail "mount"
is "$(dmesg | grep -c 'CET detected: Indirect Branch Tracking enabled')" 1 "Indirect Branch Tracking is on"

ok "modprobe" modprobe ext4_fc_resize_fix
is "$(/test/fcr extend /mnt 24577)" 0 "extend"
is "$(/test/fcr write /mnt/file one)" 0 "fsync after the flush"
is "$(/test/fcr addgroup /mnt /dev/loop0)" 0 "add"
is "$(/test/fcr resizefs /mnt $(($(size) + 4096)))" 0 "resizefs"
is "$(/test/fcr write /mnt/file two)" 0 "fsync"
# The counters tell that each of the calls was made: ext4_force_commit() by the
# holds, jbd2_complete_transaction() by the full commit
is "$(cat $status/holds) $(cat $status/full_commits_flush) $(($(cat $status/marks_group_extend) > 0))" "3 2 1" "the module called into ext4 and jbd2"
is "$(cat $status/state)" protected "state"
is "$(cat $status/missed)" 0 "no call missed"
ok "rmmod" rmmod ext4_fc_resize_fix
is "$(missing)" 0 "not one Missing ENDBR"

ok "modprobe wrong" modprobe wrong pointer=1
is "$(/test/fcr extend /mnt $(($(size) + 8)))" 0 "wrong: extend"
is "$(($(missing) > 0))" 1 "wrong: a call by way of a pointer is a Missing ENDBR"
ok "umount" umount /mnt
finish
