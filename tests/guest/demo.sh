#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo' shows: one GROUP_EXTEND without the module, with it, and
# after rmmod, and what fc_info counts.
. /lib/test.sh

row() { printf '    %-28s %s\n' "$1" "$2"; }

# One more resize, then the count
resize() {
	size=$((size + 64))
	[ "$(/test/fcr extend /mnt $size)" = 0 ] || echo "the resize failed"
	row "$1" "$(fc_reason /dev/vda Resize)"
}

size=20000
modprobe ext4
mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda $size
mount /dev/vda /mnt
/test/fcr write /mnt/file one >/dev/null

printf '\n  Linux %s, as Debian ships it; ext4 with fast_commit.\n' "$(uname -r)"
printf '  EXT4_IOC_GROUP_EXTEND by 64 blocks, each time; then the counter "Resize" in fc_info:\n\n'
resize "without the module"
modprobe ext4_fc_resize_fix
resize "with the module"
rmmod ext4_fc_resize_fix
resize "after rmmod"

printf '\n  A resize that is not counted can be followed by a fast commit that cannot be replayed.\n'
umount /mnt
result=0
e2fsck -fn /dev/vda >/tmp/fsck 2>&1 || result=$?
printf '  e2fsck -f: exit %s, %s\n\n' $result "$(tail -n 1 /tmp/fsck)"
exit $result
