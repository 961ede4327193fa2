#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With Secure Boot: the kernel is locked down, and refuses the module without a
# signature and with that of a stranger; ours it takes, and it protects. Run by
# tests/secureboot.t.
. /lib/test.sh

mod=ext4_fc_resize_fix
status=/sys/module/$mod/status
ko=/lib/modules/$(uname -r)/updates/$mod.ko

echo # the firmware was here
mount -t securityfs securityfs /sys/kernel/security
is "$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/security/lockdown)" integrity "the kernel is locked down"
# By enforced signatures, or by the lockdown where they are not
for how in unsigned stranger; do
	insmod /test/$how.ko 2>/tmp/said
	case $? in
	0) fail "$how: refused" ;;
	*) is "$(grep -cE 'Key was rejected by service|Operation not permitted' /tmp/said)" 1 "$how: refused" ;;
	esac
done
cp "$ko" /tmp/ours.ko
cp /test/stranger.ko "$ko"
says "what the packages say of it" 1 "the kernel refuses the key of DKMS (Secure Boot): " /test/module load
cp /tmp/ours.ko "$ko"
ok "signed with a key in db" /test/module load
case $(cat $status/state) in
protected*) pass "it is loaded and protects" ;;
*) fail "it is loaded and protects" "$(cat $status/state)" ;;
esac
modprobe ext4
mke2fs -q -t ext4 -b 1024 -O fast_commit /dev/vda 20000 || bail mke2fs
mount /dev/vda /mnt || bail mount
ok "a resize" /test/fcr extend /mnt 20256
is "$(cat $status/holds) $(cat $status/missed)" "1 0" "it was held"
umount /mnt
refuses "ermitted" "debugfs is closed: no remedy through it" sh -c 'echo 1 >/sys/kernel/debug/kprobes/enabled'
ok "unload" /test/module unload
finish
