#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Others on the functions that the module hooks: the function and function_graph
# tracers, kprobe and kretprobe events, bpftrace (by perf's probes); before it is
# loaded and after, going off and on beside resizes and fsyncs. Resizes go on and
# are held, nothing recurses (a hook that is hit inside a hook is missed, and
# counted). For what the console may say see redirect.sh.
# vm: --disk 1G --mem 2G --timeout 900 --add /usr/bin/bpftrace
# vm: --expect-console wrong.direction..at.return_to_handler
# need: bpftrace
. /lib/test.sh

mod=ext4_fc_resize_fix
status=/sys/module/$mod/status
tracing=/sys/kernel/tracing

modprobe ext4
mke2fs -q -t ext4 -b 1024 -O fast_commit -E resize=900000 /dev/vda 20000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"
echo 60 >/proc/sys/kernel/hung_task_timeout_secs

size() { /test/fcr size /dev/vda; }

# works WHERE: each function is called, each resize held, the fsync after a flush
# is a full commit
works() {
	before=$(($(cat $status/holds) * 10 + $(cat $status/full_commits_flush)))
	size=$(size)
	is "$(/test/fcr extend /mnt $((size + 8192 - (size - 1) % 8192)))" 0 "$1: extend"
	is "$(/test/fcr addgroup /mnt /dev/vda)" 0 "$1: add"
	is "$(/test/fcr resizefs /mnt $(($(size) + 4096)))" 0 "$1: resizefs"
	is "$(/test/fcr write /mnt/file "$1")" 0 "$1: fsync"
	is $(($(cat $status/holds) * 10 + $(cat $status/full_commits_flush) - before)) 31 "$1: three holds, one full commit after the flush"
	is "$(cat $status/missed)" 0 "$1: no call missed"
}

# tracer NAME: on the functions, and on the module's own
tracer() {
	echo nop >$tracing/current_tracer
	[ "$1" != nop ] || return
	{ hooked | tr ' ' '\n'; echo ':mod:'$mod; } >$tracing/set_ftrace_filter
	echo "$1" >$tracing/current_tracer
}
traced() { grep -c "$1" $tracing/trace; }

# --- there first ---

for tracer in function function_graph; do
	tracer $tracer
	ok "$tracer first: modprobe" modprobe $mod
	tracer $tracer # with the module's functions
	works "$tracer first"
	is "$(($(traced ext4_group_extend) > 0)) $(($(traced '[^_]resize_begin') > 0))" "1 1" "$tracer first: it sees ext4's functions and the module's"
	ok "$tracer first: rmmod" rmmod $mod
	tracer nop
done
for type in p r; do
	events $type "$(hooked)"
	ok "$type events first: modprobe" modprobe $mod
	works "$type events first"
	is "$(awk '$2 == 0' $tracing/kprobe_profile)" "" "$type events first: each was hit"
	ok "$type events first: rmmod" rmmod $mod
	events
done

# --- there later ---

ok "modprobe" modprobe $mod
works "alone"
for tracer in function function_graph; do
	tracer $tracer
	works "$tracer"
	tracer nop
done
events "p r" "$(hooked)"
works "events"
is "$(awk '$2 == 0' $tracing/kprobe_profile)" "" "events: each was hit"
tracer function_graph
works "events and function_graph"
tracer nop
events

# shellcheck disable=SC2046 # words
program=$(printf 'kprobe:%s { @[probe] = count(); }\n' $(hooked); printf 'kretprobe:%s { @[probe] = count(); }\n' $(hooked))
probes() { grep -c . /sys/kernel/debug/kprobes/list; }
before=$(probes) wanted=$(($(hooked | wc -w) * 2))
{
	/test/bpftrace -e "$program" >/tmp/bpftrace 2>&1
	touch /tmp/bpftrace.end
} &
n=0
while [ $(($(probes) - before)) -lt $wanted ] && [ $n -lt 120 ]; do
	sleep 1
	n=$((n + 1))
done
works "bpftrace"
# It ignores the signal for a while, until it has all attached
until [ -e /tmp/bpftrace.end ]; do
	killall -q -INT bpftrace
	sleep 5
done
is "$(grep -c '^@\[k' /tmp/bpftrace)" $wanted "bpftrace: it saw all entries and returns"
note "$(grep -v '^$' /tmp/bpftrace | tail -n 14)"
works "alone again"

# --- off and on, beside resizes and fsyncs ---

/test/fcr storm /mnt 2 over >/tmp/storm &
storm=$!
before=$(cat $status/holds) n=0
while [ $n -lt 60 ]; do
	case $((n % 6)) in
	0) tracer function ;;
	1) tracer function_graph ;;
	2) tracer nop ;;
	3) events "p r" "$(hooked)" ;;
	4) events ;;
	5) echo 0 >$tracing/tracing_on; echo 1 >$tracing/tracing_on ;;
	esac
	/test/fcr resizefs /mnt $(($(size) + 4096))
	n=$((n + 1))
done >/tmp/resizes
kill -TERM $storm
wait $storm
is "$(sort /tmp/resizes | uniq -c | xargs)" "60 0" "off and on: 60 resizes beside fsyncs, each returns 0"
is $(($(cat $status/holds) - before)) 60 "off and on: each was held"
case $(cat /tmp/storm) in
"fsyncs "[1-9]*" failed 0 "*) pass "off and on: no fsync fails" ;;
*) fail "off and on: no fsync fails" "$(cat /tmp/storm)" ;;
esac
works "at the end"
ok "rmmod" rmmod $mod
ok "umount" umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
