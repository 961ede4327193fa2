#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What goes wrong during a resize lets the hold go: the resizer is killed, the
# device fails so that the journal aborts, the filesystem is unmounted and
# mounted again right after a flush. Each time the module can be removed
# afterwards (nothing is held), and fast commits come back on what still works.
# vm: --disk 1G --add /sbin/dmsetup --timeout 300
. /lib/test.sh

PATH=$PATH:/test
status=/sys/module/ext4_fc_resize_fix/status
modprobe ext4
modprobe -q dm-flakey
echo 30 >/proc/sys/kernel/hung_task_timeout_secs
dmsetup mknodes >/dev/null 2>&1

# Nothing is held if the module can be removed
free() {
	ok "$1: nothing is held, rmmod" rmmod ext4_fc_resize_fix
	modprobe ext4_fc_resize_fix
}

# Fast commits of ten fsyncs, after the full one after a flush. One or another
# is a full commit for the kernel's own reasons.
fast() {
	/test/fcr write /mnt/file 0 >/dev/null
	before=$(fc_stat "$2" commits)
	for i in 1 2 3 4 5 6 7 8 9 10; do /test/fcr write /mnt/file $i >/dev/null; done
	commits=$(($(fc_stat "$2" commits) - before))
	is $((commits > 5)) 1 "$1: fast commits are back"
	note "$commits fast commits of 10 fsyncs"
}

modprobe ext4_fc_resize_fix
mke2fs -q -t ext4 -b 1024 -O fast_commit /dev/vda 20000 || bail mke2fs
mount /dev/vda /mnt || bail mount

# --- SIGKILL, at different points ---
size=20000
/test/fcr storm /mnt 2 over >/tmp/storm &
storm=$!
for delay in 0 0.01 0.02 0.03 0.05 0.08 0.1 0.2 0.3 0.5; do
	size=$((size + 10000))
	/test/fcr resizefs /mnt $size >/dev/null 2>&1 &
	sleep $delay
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
done
kill -TERM $storm
wait $storm
case $(cat /tmp/storm) in
"fsyncs "*" failed 0 "*) pass "killed resizers: no fsync fails" ;;
*) fail "killed resizers: no fsync fails" "$(cat /tmp/storm)" ;;
esac
note "holds $(cat $status/holds), size $(/test/fcr size /dev/vda)"
free "killed resizers"
fast "killed resizers" vda

# --- a flush, and unmount and mount right after it ---
/test/fcr extend /mnt $(($(/test/fcr size /dev/vda) + 8)) >/dev/null
umount /mnt
ok "mount after a flush and unmount" mount /dev/vda /mnt
fast "mount after a flush and unmount" vda
/test/fcr freeze /mnt >/dev/null
/test/fcr thaw /mnt >/dev/null
mount -o remount,ro /mnt
mount -o remount,rw /mnt
fast "remount after a freeze" vda
umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
free "unmounted"

# --- the device fails under the resize ---
sectors=$(cat /sys/block/vda/size)
dmsetup create faulty --table "0 $sectors linear /dev/vda 0" || bail dmsetup
dmsetup mknodes
dm=/dev/mapper/faulty
dmdev="dm-0"
# dm-error fails all, dm-flakey the writes only: so recovery and reads go on
for round in 1 2 3 4; do
	case $round in
	[12]) broken="0 $sectors error" ;;
	*) broken="0 $sectors flakey /dev/vda 0 0 1000 1 error_writes" ;;
	esac
	mke2fs -q -F -t ext4 -b 1024 -O fast_commit $dm 20000 || bail mke2fs
	mount $dm /mnt || bail mount
	fast "round $round, device in order" "$dmdev"
	/test/fcr storm /mnt 2 over >/tmp/storm 2>/dev/null &
	storm=$!
	/test/fcr resizefs /mnt 400000 >/tmp/resize 2>&1 &
	resize=$!
	sleep 0.$round
	dmsetup suspend --noflush --nolockfs faulty
	echo "$broken" | dmsetup load faulty
	dmsetup resume faulty
	wait $resize
	result=$(cat /tmp/resize)
	if [ "$result" = 0 ]; then result=$(/test/fcr extend /mnt 20008); fi
	is "$([ "$result" != 0 ] && echo error)" error "round $round, ${broken#0 * }: the resize returns an error"
	note "the error was $result"
	kill -TERM $storm
	wait $storm
	free "round $round, the device fails"
	umount /mnt || umount -l /mnt
	dmsetup suspend --noflush --nolockfs faulty
	echo "0 $sectors linear /dev/vda 0" | dmsetup load faulty
	dmsetup resume faulty
done
dmsetup remove faulty
ok "rmmod" rmmod ext4_fc_resize_fix
finish
