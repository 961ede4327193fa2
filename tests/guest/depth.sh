#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The replacements run, and what they call in ext4 and jbd2 is called, where it may
# sleep: the function tracer shows the preempt depth. A contended lock or a debug
# kernel is not needed to see that, only one that counts (CONFIG_PREEMPT_COUNT).
# The originals are called after the place where the tracer sees a call: it sees
# the replacements instead. The negative is the mark from a kretprobe handler
# (tests/wrong); not on a debug kernel, which reports it: there it is wrong.sh's.
# vm: --disk 1G --timeout 300
# build: tests/wrong
. /lib/test.sh

tracing=/sys/kernel/tracing
status=/sys/module/ext4_fc_resize_fix/status
# What runs in place of $(hooked)
replacements='resize_begin mark_group_extend mark_group_add resize_end mark_ineligible hold_fc_commit'
called='ext4_force_commit jbd2_complete_transaction'
flat='irqs . irq . depth .'

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

is "$(echo "$replacements" | wc -w)" "$(hooked | wc -w)" "each hook has its replacement here"
modprobe ext4
mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 30000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"
# shellcheck disable=SC2046,SC2086 # words
printf '%s\n' $(hooked) $called >$tracing/set_ftrace_filter

# --- ext4 by itself, and the negative ---

trace
resizes "ext4 by itself"
traced
for function in $(hooked); do
	is "$(depths "$function" '[^ ]*')" "$flat" "ext4 by itself: $function"
done

if ! grep -qw __might_sleep /proc/kallsyms; then
	ok "modprobe wrong" modprobe wrong
	trace
	is "$(/test/fcr extend /mnt $(($(size) + 64)))" 0 "wrong: extend"
	traced
	wrong=$(depths ext4_fc_mark_ineligible wrong_return)
	is "$([ -n "$wrong" ] && [ "$wrong" != "$flat" ] && echo deeper)" deeper "wrong: a mark from a kretprobe handler: $wrong"
	ok "rmmod wrong" rmmod wrong
fi

# --- the module ---

ok "modprobe" modprobe ext4_fc_resize_fix
# shellcheck disable=SC2086 # words
printf '%s\n' $replacements >>$tracing/set_ftrace_filter
/test/fcr write /mnt/file zero >/dev/null
trace
resizes "module"
/test/fcr storm /mnt 2 append >/tmp/storm &
sleep 1
is "$(/test/fcr extend /mnt $(($(size) + 64)))" 0 "module: extend beside fsyncs"
kill -TERM $!
wait
traced
for function in $replacements $called; do
	is "$(depths "$function" '[^ ]*')" "$flat" "module: $function"
done
is "$(cat $status/missed)" 0 "no call missed"
echo >$tracing/set_ftrace_filter
ok "umount" umount /mnt
ok "rmmod" rmmod ext4_fc_resize_fix
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
