#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test of the tests: a debug kernel catches the mark from a kretprobe handler
# (tests/wrong), and does not find fault with the module in the same steps.
# vm: --disk 1G --expect-console .
# build: tests/wrong
. /lib/test.sh

size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 64)); }
reports() { dmesg | grep -E 'BUG:|WARNING:'; }

mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 20000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"

ok "modprobe" modprobe ext4_fc_resize_fix
is "$(extend)" 0 "module: extend"
ok "rmmod" rmmod ext4_fc_resize_fix
is "$(reports)" "" "module: the kernel reports nothing"

ok "modprobe wrong" modprobe wrong
is "$(extend)" 0 "wrong: extend"
note "$(reports)"
is "$(reports | grep -c 'BUG: sleeping function called from invalid context')" 1 "wrong: the kernel reports a sleep in a handler"
finish
