#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Resizes beside fsyncs, which without the module hang the filesystem forever:
# the resize waits for the running transaction to commit and holds the journal
# barrier, the commit waits for a fast commit, the fast commit for the barrier.
#
#	storm.sh with		resize2fs, GROUP_EXTEND, GROUP_ADD and RESIZE_FS
#				in steps; every call returns, nothing is blocked
#				for long, the filesystem is clean
#	storm.sh patched	the same without the module, on a kernel with the
#				patches of doc/upstream; checkpoints and chattr beside
#				fsyncs, too
#	storm.sh without	the negative: GROUP_EXTEND in steps hangs
#	STEPS=N			how many steps, 40 if not said
# vm: --disk 2G --timeout 1200
. /lib/test.sh
one_of "${1-}" with without patched

status=/sys/module/ext4_fc_resize_fix/status
limit=20

size() { /test/fcr size /dev/vda; }

# A step that does not return within the limit is a hang. dash runs the trap
# during "wait", so a step runs in the background and is waited for.
hung=0
progress=0
trap 'hung=1' USR1
watchdog() {
	watch &
	# shellcheck disable=SC2064 # this one
	trap "kill $!" EXIT
}
watch() {
	last='' age=0
	while sleep 1; do
		now=$(cat /tmp/progress)
		[ "$now" = "$last" ] || age=0
		last=$now age=$((age + 1))
		[ $age -lt $limit ] || { kill -USR1 $$; age=0; }
	done
}

step() {
	progress=$((progress + 1))
	echo $progress >/tmp/progress
	"$@" >/tmp/step 2>&1 &
	wait $!
}

# Who waits for whom
stacks() {
	for task in /proc/[0-9]*/task/*; do
		grep -q '^State:.D' "$task/status" 2>/dev/null || continue
		echo "# $(cat "$task/comm") (${task##*/}) is blocked in:"
		sed 's/^[^ ]* /#   /; 6q' "$task/stack"
	done
}

# begin MKE2FS-OPTION...: a full filesystem, its reserve in use
begin() {
	mke2fs -q -F -t ext4 -O fast_commit "$@" || bail mke2fs
	mount /dev/vda /mnt || bail mount
	echo 0 >/sys/fs/ext4/vda/reserved_clusters
}

fill() {
	dd if=/dev/zero of=/mnt/full bs=1M 2>/dev/null
	sync
}

storm_begin() {
	/test/fcr storm /mnt "$1" "$2" >/tmp/storm &
	storm=$!
	sleep 1
}

# storm_end NAME: the storm's own result, then the filesystem's
storm_end() {
	kill -TERM $storm
	progress=$((progress + 1))
	echo $progress >/tmp/progress
	wait $storm
	case $(cat /tmp/storm) in
	"fsyncs "[1-9]*" failed 0 "*) pass "$1: fsyncs go on and none fails" ;;
	*) fail "$1: fsyncs go on and none fails" "$(cat /tmp/storm)" ;;
	esac
	note "$1: $(cat /tmp/storm), resizes $steps of $STEPS"
	if [ $hung = 1 ]; then
		stacks
		finish
	fi
	umount /mnt
	ok "$1: e2fsck -f" e2fsck -fn /dev/vda
}

# steps NAME COMMAND...: STEPS times, the command sees the size as \$size
steps() {
	name=$1 steps=0 bad=''
	shift
	while [ $steps -lt "$STEPS" ] && [ $hung = 0 ]; do
		size=$(size)
		step "$@"
		result=$?
		[ $hung = 0 ] || break
		[ $result = 0 ] || bad="$bad step $steps: $(cat /tmp/step);"
		steps=$((steps + 1))
	done
	is "$steps$bad" "$STEPS" "$name: $STEPS resizes, each returns, none fails"
}

by_resize2fs() { resize2fs /dev/vda $((size + 2048)); }
by_extend() { /test/fcr extend /mnt $((size + 64)); }
by_add() { /test/fcr addgroup /mnt /dev/vda; }
by_checkpoint() { /test/fcr checkpoint /mnt; }
by_chattr() { chattr +j /mnt/journalled && chattr -j /mnt/journalled; }
by_resizefs() { /test/fcr resizefs /mnt $((size + 200)); }

: "${STEPS:=${2:-40}}"
modprobe ext4

if [ "$1" = without ]; then
	# The hang is shown here, not by the kernel's log
	echo 0 >/proc/sys/kernel/hung_task_timeout_secs
	begin -b 4096 /dev/vda 8192
	fill
	echo 0 >/tmp/progress
	watchdog
	storm_begin 4 append
	STEPS=400 steps=0
	while [ $steps -lt $STEPS ] && [ $hung = 0 ]; do
		steps=$((steps + 1)) size=$(size)
		[ "$((size % 32768 + 64 > 32768 || size % 32768 == 0))" = 0 ] || step by_add
		[ $hung = 0 ] && step by_extend
	done
	is $hung 1 "without the module the filesystem hangs"
	note "at resize $steps"
	stacks
	finish
fi

echo $limit >/proc/sys/kernel/hung_task_timeout_secs
[ "$1" != with ] || ok "modprobe" modprobe ext4_fc_resize_fix
echo 0 >/tmp/progress
watchdog

begin -b 4096 /dev/vda 10240
storm_begin 4 over
steps "resize2fs" by_resize2fs
storm_end "resize2fs"

begin -b 4096 /dev/vda 8192
fill
storm_begin 4 append
steps "GROUP_EXTEND" by_extend
storm_end "GROUP_EXTEND"

begin -b 1024 -g 1024 -E resize=262144 /dev/vda 16385
fill
storm_begin 4 append
steps "GROUP_ADD" by_add
storm_end "GROUP_ADD"

begin -b 1024 /dev/vda 20000
storm_begin 8 append
STEPS=$((STEPS * 5))
steps "RESIZE_FS" by_resizefs
storm_end "RESIZE_FS"

if [ "$1" = patched ]; then
	STEPS=$((STEPS * 5))
	begin -b 4096 /dev/vda 10240
	storm_begin 4 append
	steps "checkpoint" by_checkpoint
	storm_end "checkpoint"

	STEPS=$((STEPS / 5))
	begin -b 4096 /dev/vda 10240
	: >/mnt/journalled
	storm_begin 4 append
	steps "chattr +j, -j" by_chattr
	storm_end "chattr +j, -j"
	finish
fi

note "$(grep -r . $status | sed "s,$status/,," | tr '\n' ' ')"
is "$(cat $status/missed) $(cat $status/holds_failed)" "0 0" "no call missed, no hold failed"
ok "rmmod" rmmod ext4_fc_resize_fix
finish
