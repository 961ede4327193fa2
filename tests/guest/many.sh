#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Many filesystems: a hold is of one filesystem. 63 are held at once (a frozen
# filesystem stops its resize between ext4_resize_begin() and the group
# operation) while the 64th keeps its fast commits. Then all are resized by
# eight tasks, with fsyncs, freezes and thaws beside it, and rmmod and modprobe
# tried all the while: "in use" during a resize, and never anything worse.
#
# A resize beside fsyncs of its own filesystem hangs forever if it begins while
# the module is not there. So it is "in use" to the end of the first half, by a
# resize of a frozen filesystem, and those four that have the fsyncs are not
# resized in the second.
# vm: --disk 64M --mem 3G --timeout 600
. /lib/test.sh

status=/sys/module/ext4_fc_resize_fix/status
number=64

modprobe ext4
modprobe -q loop max_loop=$number
ok "modprobe" modprobe ext4_fc_resize_fix
# The resize that keeps the module in use waits for a minute and more on a debug
# kernel; what hangs does so forever
echo 240 >/proc/sys/kernel/hung_task_timeout_secs

i=0
mkdir /images
mount -t tmpfs tmpfs /images
while [ $i -lt $number ]; do
	[ -e /dev/loop$i ] || mknod /dev/loop$i b 7 $i
	mke2fs -q -t ext4 -b 1024 -O fast_commit -J size=4 -E lazy_itable_init=0 /images/$i 9000 >/dev/null || bail mke2fs
	truncate -s 40M /images/$i
	losetup /dev/loop$i /images/$i || bail losetup
	mkdir /mnt$i
	mount /dev/loop$i /mnt$i || bail mount
	/test/fcr write /mnt$i/file one >/dev/null
	i=$((i + 1))
done

# commits NAME: 20 fsyncs on the 64th are fast commits, but for one or another
# that is a full commit for the kernel's own reasons
commits() {
	before=$(fc_stat loop63 commits)
	n=0
	while [ $n -lt 20 ]; do
		n=$((n + 1))
		/test/fcr write /mnt63/file $n >/dev/null
	done
	commits=$(($(fc_stat loop63 commits) - before))
	is $((commits > 15)) 1 "$1"
	note "$commits fast commits of 20 fsyncs"
}

# holds N: waits for that many to be taken
holds() {
	n=0
	while [ "$(cat $status/holds)" -lt "$1" ] && [ $n -lt 60 ]; do
		sleep 1
		n=$((n + 1))
	done
}

/test/fcr write /mnt63/file two >/dev/null
commits "none held: fsyncs are fast commits"
i=0
while [ $i -lt 63 ]; do
	/test/fcr freeze /mnt$i >/dev/null
	/test/fcr extend /mnt$i 9100 >/tmp/extend$i &
	i=$((i + 1))
done
holds 63
is "$(cat $status/holds)" 63 "63 filesystems are held"
commits "63 held: fsyncs on the other one are fast commits"
refuses "in use" "rmmod while resizes are running" rmmod ext4_fc_resize_fix
i=0
while [ $i -lt 63 ]; do
	/test/fcr thaw /mnt$i >/dev/null
	i=$((i + 1))
done
while grep -q 'fcr.extend' /proc/[0-9]*/cmdline 2>/dev/null; do sleep 1; done
is "$(cat /tmp/extend* | sort | uniq -c | xargs)" "63 0" "all 63 resizes return 0"
ok "rmmod when they are done" rmmod ext4_fc_resize_fix
modprobe ext4_fc_resize_fix

# --- all at once ---

fsynced='3 10 17 24'

# resizer FIRST SIZE END [EXCEPT]: each eighth filesystem, in steps, with pauses,
# or rmmod finds one of the eight in the middle of one each time
resizer() {
	size=$2
	while [ "$size" -lt "$3" ]; do
		j=$1
		while [ "$j" -lt 63 ]; do
			case " ${4-} " in
			*" $j "*) ;;
			*) /test/fcr extend /mnt"$j" "$size"; sleep 0.2 ;;
			esac
			j=$((j + 8))
		done
		size=$((size + 200))
	done >/tmp/resizer"$1"
}

freezer() {
	j=0
	while [ ! -e /tmp/stop ]; do
		j=$(((j + 5) % 63))
		/test/fcr freeze /mnt$j && /test/fcr thaw /mnt$j
	done >>/tmp/freezer
}

# busybox' rmmod does not ask the reference count first, it leaves that to the kernel.
# kmod's has two ways to say "in use": the other one if a resize comes in between
loader() {
	until [ -e /tmp/stop ]; do
		busybox rmmod ext4_fc_resize_fix 2>&1 && echo removed
		modprobe ext4_fc_resize_fix 2>&1
	done >"$1"
}

# half LOADER SIZE END [EXCEPT]: resizes by eight tasks, freezes, rmmod and modprobe
half() {
	log=$1
	shift
	rm -f /tmp/stop
	resizers=''
	for j in 0 1 2 3 4 5 6 7; do
		resizer $j "$@" &
		resizers="$resizers $!"
	done
	freezer &
	freezer=$!
	loader "$log" &
	loader=$!
	# shellcheck disable=SC2086 # words
	wait $resizers
	touch /tmp/stop
	wait $loader $freezer
}

storms=''
for j in $fsynced; do
	/test/fcr storm /mnt"$j" 1 over >/tmp/storm"$j" &
	storms="$storms $!"
done

/test/fcr freeze /mnt63 >/dev/null
/test/fcr extend /mnt63 9200 >/tmp/extend &
extend=$!
holds 1
half /tmp/in-use 9200 10200
is "$(cat /tmp/resizer* | sort | uniq -c | xargs)" "315 0" "315 resizes by eight tasks, each returns 0"
is "$(grep -cv ': Resource temporarily unavailable$' /tmp/in-use) $(($(wc -l </tmp/in-use) > 0))" "0 1" "rmmod says \"in use\" all the while"
/test/fcr thaw /mnt63 >/dev/null
wait $extend
is "$(cat /tmp/extend)" 0 "the resize that waited returns 0"

half /tmp/loader 10200 11000 "$fsynced"
# shellcheck disable=SC2086 # words
kill -TERM $storms
# shellcheck disable=SC2086 # words
wait $storms
modprobe ext4_fc_resize_fix

is "$(cat /tmp/resizer* | sort | uniq -c | xargs)" "236 0" "236 more, each returns 0"
is "$(grep -cvE ': Resource temporarily unavailable$|^removed$' /tmp/loader) $(($(grep -c '^removed$' /tmp/loader) > 0))" "0 1" "rmmod succeeds or says \"in use\""
is "$(cd /tmp && grep -c 'failed 0 ' storm3 storm10 storm17 storm24 | grep -c ':1')" 4 "fsyncs go on and none fails"
is "$(grep -cvx 0 /tmp/freezer)" 0 "each freeze and each thaw succeeds"
note "freezes and thaws $(($(wc -l </tmp/freezer) / 2)), rmmod $(grep -c removed /tmp/loader), in use $(grep -c unavailable /tmp/loader) and $(wc -l </tmp/in-use)"

i=0 dirty=''
while [ $i -lt $number ]; do
	umount /mnt$i || dirty="$dirty umount:$i"
	e2fsck -fn /dev/loop$i >/tmp/fsck 2>&1 || dirty="$dirty $i"
	i=$((i + 1))
done
is "$dirty" "" "e2fsck -f: all are clean"
ok "rmmod" rmmod ext4_fc_resize_fix
finish
