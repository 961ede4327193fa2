#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The recording of a crash test (scripts/crash-points); vda is the disk whose
# writes are logged.
#
#	crash-record.sh MODE OP MOUNT-OPTS ACKS SEED [paused] [serial] [mixed]

mode=$1 op=$2 opts=$3 acks=$4 seed=$5
shift 5

modprobe ext4
case $mode in
module) modprobe ext4_fc_resize_fix ;;
hold0) modprobe ext4_fc_resize_fix hold=0 ;;
overlap0) modprobe ext4_fc_resize_fix overlap=0 ;;
esac || exit
mount -t ext4 -o "$opts" /dev/vda1 /mnt || exit
# Or writers take old blocks from the reserve
echo 0 >/sys/fs/ext4/vda1/reserved_clusters

/test/crash record /mnt /dev/vda1 /dev/vda2 "$op" "$acks" "$seed" "$@" >/tmp/out 2>&1 &
# A process that hangs cannot be waited for, nor its filesystem unmounted
while sleep 0.2; do
	if grep -q '^hung' /tmp/out; then hung=1; break; fi
	[ -e /proc/$!/exe ] || break
done
cat /tmp/out
grep -qE '^(recorded|hung)' /tmp/out || exit 1
if [ "$hung" ]; then
	echo w >/proc/sysrq-trigger
else
	sed 's/^/# fc: /' /proc/fs/ext4/vda1/fc_info
fi
for file in /sys/module/ext4_fc_resize_fix/status/*; do
	[ ! -e "$file" ] || echo "# module: ${file##*/} $(cat "$file")"
done
exit 0
