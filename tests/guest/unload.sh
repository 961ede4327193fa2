#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Load and unload, beside resizes of one filesystem, and beside fsyncs, freezes
# and thaws of another. (Beside fsyncs of its own the first would hang forever
# whenever the module is not there; it has one between two resizes.)
#
#	unload.sh [ROUNDS]	500 if not said
# vm: --disk 2G --disk 64M --timeout 3600
. /lib/test.sh

mod=ext4_fc_resize_fix
rounds=${1:-500}
if command -v busybox >/dev/null; then rmmod='busybox rmmod'; else rmmod=rmmod; fi

modprobe ext4
mkdir /resized /other
mke2fs -q -t ext4 -b 1024 -O fast_commit -E resize=2000000 /dev/vda 20000 || bail mke2fs
mke2fs -q -t ext4 -b 1024 -O fast_commit /dev/vdb || bail mke2fs
mount /dev/vda /resized || bail mount
mount /dev/vdb /other || bail mount
echo 60 >/proc/sys/kernel/hung_task_timeout_secs

size() { /test/fcr size /dev/vda; }

# By GROUP_EXTEND to the end of the group, then GROUP_ADD or RESIZE_FS
resizer() {
	how=0
	while [ ! -e /tmp/stop ]; do
		/test/fcr write /resized/file $how >/dev/null
		size=$(size)
		case $((size % 8192)) in
		1)
			how=$((1 - how))
			if [ $how = 1 ]; then
				/test/fcr addgroup /resized /dev/vda
			else
				/test/fcr resizefs /resized $((size + 2048))
			fi
			;;
		*)
			next=$((size + 256 - (size - 1) % 256))
			/test/fcr extend /resized $next
			;;
		esac
	done >/tmp/resizer 2>&1
}

freezer() {
	while [ ! -e /tmp/stop ]; do
		/test/fcr freeze /other && /test/fcr thaw /other
		sleep 0.2
	done >/tmp/freezer
}

/test/fcr storm /other 2 over >/tmp/storm &
storm=$!
resizer &
resizer=$!
freezer &
freezer=$!

round=0 busy=0
# Whether a resize is inside when rmmod comes is chance: some more, if none was
while [ $round -lt "$rounds" ] || { [ $busy = 0 ] && [ $round -lt 1000 ]; }; do
	said=$(modprobe $mod 2>&1) || { fail "round $round: modprobe" "$said"; break; }
	sleep 0.$((round % 5))
	# busybox' does not ask the reference count first, it leaves that to the kernel;
	# scripts/try has only kmod's
	until said=$($rmmod $mod 2>&1); do
		case $said in
		*"temporarily unavailable"* | *"is in use"*) busy=$((busy + 1)) ;;
		*) fail "round $round: rmmod" "$said"; break 2 ;;
		esac
	done
	round=$((round + 1))
done
touch /tmp/stop
wait $resizer $freezer
kill -TERM $storm
wait $storm

is $((round >= rounds)) 1 "loaded and unloaded $rounds times"
note "$round rounds, rmmod was refused $busy times; $(sort /tmp/resizer | uniq -c | xargs) resizes; $(($(wc -l </tmp/freezer) / 2)) freezes; $(cat /tmp/storm)"
is "$((busy > 0))" 1 "rmmod was refused at least once, with a resize inside"
is "$(sort -u /tmp/resizer) $(sort -u /tmp/freezer)" "0 0" "each resize and each freeze succeeds"
case $(cat /tmp/storm) in
"fsyncs "[1-9]*" failed 0 "*) pass "fsyncs go on and none fails" ;;
*) fail "fsyncs go on and none fails" "$(cat /tmp/storm)" ;;
esac
is "$(cat /sys/kernel/debug/kprobes/list /sys/kernel/tracing/enabled_functions 2>/dev/null)" "" "no hook is left"
ok "umount" umount /resized /other
ok "e2fsck -f of the resized" e2fsck -fn /dev/vda
ok "e2fsck -f of the other" e2fsck -fn /dev/vdb
finish
