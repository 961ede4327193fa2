#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Upstream's own test of commits 1f8dd813a1c7 and 89b4336fd5ec: a group extend
# and a group add each make the next commit fast-commit ineligible, which
# fc_info counts under "Resize".
#
#	fix.sh unfixed|fixed
#
# On an unfixed kernel the count stays without the module (the negative), rises
# by one per ioctl with it, and stays again after rmmod. A fixed kernel counts
# by itself; the module adds one surplus mark, finds out, and adds none after.
# vm: --disk 1G
. /lib/test.sh

sys=/sys/module/ext4_fc_resize_fix/status

# by NAME WANT CALL...: what one ioctl adds to the count
by() {
	name=$1 want=$2
	shift 2
	before=$(fc_reason /dev/vda Resize)
	is "$("$@")" 0 "$name: the ioctl succeeds"
	is $(($(fc_reason /dev/vda Resize) - before)) "$want" "$name: \"Resize\" rises by $want"
}

size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 64)); }
# fill the last group, so that the next can be added
fill() { /test/fcr extend /mnt $((($(size) + 32767) / 32768 * 32768)) >/dev/null; }
# half a group, so that there is room to extend
add() { /test/fcr addgroup /mnt /dev/vda 16384; }

one_of "${1-}" unfixed fixed
if [ "$1" = fixed ]; then native=1; else native=0; fi

modprobe ext4
mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 20000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"

extend >/dev/null # the first full commit after the mount, to start even
by "without, extend" $native extend
fill
by "without, add" $native add

ok "modprobe" modprobe ext4_fc_resize_fix
is "$(cat $sys/state)" protected "state"
extend >/dev/null
is "$(cat $sys/kernel_marks)" $native "whether the kernel marks by itself is known after one resize"
by "with, extend" 1 extend
fill
by "with, add" 1 add
if [ $native = 1 ]; then
	is "$(cat $sys/marks_group_extend) $(cat $sys/marks_group_add)" "1 0" "one surplus mark in the module's lifetime"
	is "$(dmesg | grep -c 'marks by itself')" 1 "the log says once that the kernel has the fix"
else
	is "$(cat $sys/marks_group_extend) $(cat $sys/marks_group_add)" "3 1" "the marks are counted per ioctl"
fi
is "$(cat $sys/missed)" 0 "no call missed"
is "$(cat $sys/holds) $(cat $sys/holds_failed)" "4 0" "four resizes, four holds"

before=$(fc_stat /dev/vda commits)
ok "write and fsync" /test/fcr write /mnt/file one
sync
for i in 1 2 3 4 5; do /test/fcr write /mnt/file $i >/dev/null; done
is "$(($(fc_stat /dev/vda commits) - before > 0))" 1 "fast commits go on after the resize"
is "$(cat $sys/full_commits_flush)" 1 "the first commit after the flush was a full one"

ok "rmmod" rmmod ext4_fc_resize_fix
by "after rmmod, extend" $native extend
fill
by "after rmmod, add" $native add

ok "umount" umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
