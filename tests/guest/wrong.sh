#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test of the tests: a debug kernel catches the mark from a kretprobe handler
# (tests/wrong), and does not find fault with the module in the same steps. KCSAN
# catches the data race of tests/wrong.
# vm: --disk 1G --timeout 900 --expect-console .
# build: tests/wrong
. /lib/test.sh

size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 64)); }
reports() { dmesg | grep -E 'BUG:|WARNING:' | grep -v 'BUG: KCSAN:'; }

mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 20000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"

ok "modprobe" modprobe ext4_fc_resize_fix
is "$(extend)" 0 "module: extend"
ok "rmmod" rmmod ext4_fc_resize_fix
is "$(reports)" "" "module: the kernel reports nothing"

ok "modprobe wrong" modprobe wrong
if [ -e /sys/kernel/debug/kcsan ]; then
	is "$(kcsan_reports)" "" "KCSAN: no race yet"
	for _ in 1 2; do
		echo 1000000 >/sys/kernel/debug/wrong_race &
	done
	wait
	note "$(kcsan_reports)"
	is "$(kcsan_reports | sort -u)" "BUG: KCSAN: data-race in wrong_race [wrong] / wrong_race [wrong]" "wrong: KCSAN reports the race"
	wrong_module=wrong
	is "$(kcsan_reports $wrong_module)" "" "and of no other module"
	finish
fi
is "$(extend)" 0 "wrong: extend"
note "$(reports)"
is "$(reports | grep -c 'BUG: sleeping function called from invalid context')" 1 "wrong: the kernel reports a sleep in a handler"
finish
