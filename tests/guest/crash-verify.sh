#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Recovery and check of crash images (scripts/crash-points); vda is the disk
# as it was before, vdb the log.
#
#	crash-verify.sh POINTS SEED FIRST MOUNT-OPTS [DROP]

# What a damaged filesystem makes the kernel do is to be seen, point by point
echo 0 >/proc/sys/kernel/panic_on_warn
echo 0 >/proc/sys/kernel/panic_on_oops
echo 1 >/proc/sys/kernel/printk

modprobe ext4
modprobe loop max_loop=1
mkdir /tmp/image
mount -t tmpfs -o size=64m tmpfs /tmp/image
truncate -s 24M /tmp/image/fs
losetup /dev/loop0 /tmp/image/fs || exit

points=$1 seed=$2 first=$3 opts=$4
shift 4
# To mount(8) a word of its own, to 5.10's mount(2) an unknown option
[ "$opts" != rw ] || opts=''
/test/crash verify /dev/vda /dev/vdb /tmp/image/fs /dev/loop0 /mnt "$points" "$seed" "$first" "$opts" "$@"
