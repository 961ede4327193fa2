#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each call that the module makes into ext4 and jbd2 is made where it may sleep:
# the function tracer shows its preempt depth. A contended lock or a debug kernel
# is not needed to see that, only one that counts (CONFIG_PREEMPT_COUNT). Where a
# function has a kprobe on ftrace as well, ftrace itself adds one; so what counts
# is the depth at which ext4's own calls are shown, with a kprobe event on each of
# the functions. The negative is the mark from a kretprobe handler (tests/wrong);
# not on a debug kernel, which reports it: there it is wrong.sh's.
# vm: --disk 1G --timeout 300
# build: tests/wrong
. /lib/test.sh

tracing=/sys/kernel/tracing
status=/sys/module/ext4_fc_resize_fix/status
hooked='ext4_resize_begin ext4_group_extend ext4_group_add ext4_resize_end ext4_fc_mark_ineligible'
called='ext4_force_commit jbd2_complete_transaction'

size() { /test/fcr size /dev/vda; }

# trace: on; traced: off, then the lines, without the header
trace() {
	echo >$tracing/trace
	echo function >$tracing/current_tracer
}
traced() {
	grep -v '^#' $tracing/trace >/tmp/trace
	echo nop >$tracing/current_tracer
}
# depths FUNCTION CALLER: the flags of these calls, each once: irqs-off, hard- or
# softirq, preempt depth. Not whether a reschedule is due, which is chance
depths() {
	sed -nE "s/^.*\] +(.)(.)(.)(.)[^ ]* .* $1 <-$2( .*)?$/irqs \1 irq \3 depth \4/p" /tmp/trace | sort -u
}

# resizes: each of the functions is called
resizes() {
	is "$(/test/fcr extend /mnt $((($(size) + 32767) / 32768 * 32768)))" 0 "$1: extend"
	is "$(/test/fcr write /mnt/file one)" 0 "$1: fsync after the flush"
	is "$(/test/fcr addgroup /mnt /dev/vda 16384)" 0 "$1: add"
	is "$(/test/fcr resizefs /mnt $(($(size) + 4096)))" 0 "$1: resizefs"
}

modprobe ext4
mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 30000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"
# shellcheck disable=SC2086 # words
printf '%s\n' $hooked $called >$tracing/set_ftrace_filter

# --- ext4 by itself, and the negative ---

for function in $hooked; do echo "p:depth/$function $function"; done >$tracing/kprobe_events
echo 1 >$tracing/events/depth/enable
trace
resizes "ext4 by itself"
traced
for function in $hooked; do
	depths "$function" '[^ ]*' >"/tmp/depth.$function"
	is "$(grep -c . "/tmp/depth.$function")" 1 "ext4 by itself: $function: $(cat "/tmp/depth.$function")"
done
for function in $called; do echo "irqs . irq . depth ." >"/tmp/depth.$function"; done

if ! grep -qw __might_sleep /proc/kallsyms; then
	ok "modprobe wrong" modprobe wrong
	trace
	is "$(/test/fcr extend /mnt $(($(size) + 64)))" 0 "wrong: extend"
	traced
	wrong=$(depths ext4_fc_mark_ineligible wrong_return)
	is "$([ -n "$wrong" ] && [ "$wrong" != "$(cat /tmp/depth.ext4_fc_mark_ineligible)" ] && echo deeper)" deeper "wrong: a mark from a kretprobe handler: $wrong"
	ok "rmmod wrong" rmmod wrong
fi
echo 0 >$tracing/events/depth/enable
echo >$tracing/kprobe_events

# --- the module ---

ok "modprobe" modprobe ext4_fc_resize_fix
/test/fcr write /mnt/file zero >/dev/null
trace
resizes "module"
/test/fcr storm /mnt 2 append >/tmp/storm &
sleep 1
is "$(/test/fcr extend /mnt $(($(size) + 64)))" 0 "module: extend beside fsyncs"
kill -TERM $!
wait
traced
for function in $hooked $called; do
	case $function in
	ext4_resize_*) caller=hold_resize_ ;;
	ext4_group_*) caller=mark_group_ ;;
	ext4_fc_mark_ineligible) caller=mark ;;
	ext4_force_commit) caller=hold_ ;;
	jbd2_complete_transaction) caller=hold_fc_commit ;;
	esac
	is "$(depths "$function" "${caller}[^ ]*")" "$(cat "/tmp/depth.$function")" "module: $function is called at the depth of ext4's own calls"
done
is "$(cat $status/missed)" 0 "no call missed"
echo >$tracing/set_ftrace_filter
ok "umount" umount /mnt
ok "rmmod" rmmod ext4_fc_resize_fix
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
