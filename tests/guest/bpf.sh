#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Other people's bpf programs (fentry, fexit: a bpf trampoline) on the functions
# that the module hooks, and what else can keep its hooks from having effect.
#
#	bpf.sh			Linux 6.0 on: whichever is there first, and whatever is
#				switched off meanwhile, resizes are held, fsyncs after
#				a flush are full commits, nothing stays "in use", and
#				the programs see the calls. Before and after without
#				the module, as the negative: fast commits
#	bpf.sh refused		before 6.0: whoever is second gets EBUSY, and the log
#				says why
#	bpf.sh missed		where the hooks are kprobes and can be switched off: a
#				resize whose end is missed holds nothing afterwards
# vm: --disk 256M --timeout 300
# build: tests/rogue
# program: bpf
. /lib/test.sh

mod=ext4_fc_resize_fix
status=/sys/module/$mod/status
kprobes=/sys/kernel/debug/kprobes

size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 32)); }
to_the_end() {
	size=$(size)
	/test/fcr extend /mnt $((size + 8192 - (size - 1) % 8192))
}

# flushed: six times a flush, and an fsync after it; prints how many of these were fast commits
flushed() {
	before=$(fc_stat /dev/vda commits)
	for _ in 1 2 3 4 5 6; do
		{ /test/fcr freeze /mnt && /test/fcr thaw /mnt && /test/fcr write /mnt/file text; } >/dev/null || echo failed
	done
	echo $(($(fc_stat /dev/vda commits) - before))
}

# beside_fsyncs WHERE N: so many GROUP_EXTEND. One that takes 20 s hangs, and that is the end
beside_fsyncs() {
	/test/fcr storm /mnt 4 append >/tmp/storm &
	storm=$!
	for _ in $(seq "$2"); do extend; done >/tmp/resizes &
	resizer=$!
	last='' age=0
	while kill -0 $resizer 2>/dev/null && [ $age -lt 40 ]; do
		sleep 0.5
		age=$((age + 1)) now=$(grep -c . /tmp/resizes)
		[ "$now" = "$last" ] || age=0
		last=$now
	done
	kill -TERM $storm
	if [ $age = 40 ]; then
		fail "$1: $2 GROUP_EXTEND beside fsyncs" "hangs at number $((now + 1))"
		finish
	fi
	wait $resizer $storm
	is "$(sort /tmp/resizes | uniq -c | xargs)" "$2 0" "$1: $2 GROUP_EXTEND beside fsyncs, each returns 0"
	case $(cat /tmp/storm) in
	"fsyncs "[1-9]*" failed 0 "*) pass "$1: no fsync fails" ;;
	*) fail "$1: no fsync fails" "$(cat /tmp/storm)" ;;
	esac
}

# protected WHERE [N]: all hooked functions are called, and the module does what it is
# there for, N times beside fsyncs
protected() {
	n=${2:-24} holds=$(cat $status/holds) full=$(cat $status/full_commits_flush)
	is "$(cat $status/state)" protected "$1: state"
	is "$(flushed)" 0 "$1: no fsync after a flush is a fast commit"
	is $(($(cat $status/full_commits_flush) - full)) 6 "$1: six of six are full commits of the module's"
	beside_fsyncs "$1" "$n"
	is "$(to_the_end) $(/test/fcr addgroup /mnt /dev/vda 4096)" "0 0" "$1: extend to the end of the group, add"
	is $(($(cat $status/holds) - holds)) $((n + 2)) "$1: each was held"
	is "$(cat $status/missed) $(cat $status/unprotected)" "0 0" "$1: no call missed, no resize unprotected"
	is "$(cat /sys/module/$mod/refcnt)" 0 "$1: no reference is left"
}
load() { ok "$1: modprobe" modprobe $mod; }
unload() { ok "$1: rmmod" rmmod $mod; }

# without WHERE: the negative, the same steps
without() { is "$(flushed)" 6 "$1, without the module: six of six fsyncs after a flush are fast commits"; }

# log: what the module has said since it was last asked
log() {
	dmesg -c | sed -n "s/^.*\] $mod: //p" | grep -vE '^(loading out-of-tree|module verification failed)'
}

modprobe ext4
mke2fs -q -t ext4 -b 1024 -O fast_commit -E resize=262144 /dev/vda 20000 || bail mke2fs
mount /dev/vda /mnt || bail mount
/test/fcr write /mnt/file text >/dev/null

# --- before 6.0 one of them is refused ---

if [ "${1-}" = refused ]; then
	for type in fexit fentry; do
		attach $type ext4_fc_commit
		log >/dev/null
		refuses "Device or resource busy" "$type first: modprobe: EBUSY" modprobe $mod
		log >/tmp/log
		note "$(cat /tmp/log)"
		is "$(grep -c . /tmp/log) $(grep -c "ext4_fc_commit() is in use by a livepatch or a bpf program" /tmp/log)" "1 1" "$type first: one line says why"
		is "$(lsmod | grep -c "^$mod ")" 0 "$type first: the module is gone"
		without "$type first"
		detach "$type first"
	done
	load "then"
	protected "then" 100
	for type in fexit fentry; do
		attach $type "$(hooked)"
		is "$(cat /tmp/bpf)" "$type:ext4_resize_begin EBUSY" "$type later: EBUSY"
	done
	protected "afterwards"
	unload "afterwards"
	without "after"
	ok "umount" umount /mnt
	ok "e2fsck -f" e2fsck -fn /dev/vda
	finish
fi

# --- a resize whose begin or end is missed ---

# switched BEGIN END: a resize with the hooks on (1) or off (0) at its begin and at its end
switched() {
	echo "$1" >$kprobes/enabled
	/test/fcr freeze /mnt >/dev/null
	size=$(size)
	/test/fcr extend /mnt $((size + 32)) >>/tmp/resizes &
	resizer=$!
	# Behind its begin it waits for the thaw
	until grep -q '^State:.D' /proc/$resizer/status; do sleep 0.1; done
	echo "$2" >$kprobes/enabled
	/test/fcr thaw /mnt >/dev/null
	wait $resizer
	echo 1 >$kprobes/enabled
}

if [ "${1-}" = missed ]; then
	load "missed"
	for _ in $(seq 10); do switched 1 0; done
	is "$(cat /sys/module/$mod/refcnt)" 0 "ten ends missed: no reference is left"
	for _ in $(seq 30); do switched 0 1; done
	is "$(sort /tmp/resizes | uniq -c | xargs)" "40 0" "ten ends and thirty begins missed: each resize returns 0"
	log >/tmp/log
	is "$(cat $status/unprotected) $(grep -c "vda: the end of this resize was not seen" /tmp/log) $(grep -c "vda: this resize was not protected, it began without us" /tmp/log)" \
		"40 10 30" "each is counted and logged"
	is "$(cat $status/hold_longest_us)" 0 "no hold is longer than it was"

	# If the module has looked while they were off, it forgets marks when it looks next
	sleep 12
	# The last mark is two transactions ago then
	for n in one two three; do /test/fcr write /mnt/file $n >/dev/null; done
	full=$(cat $status/full_commits_hold) fast=0
	for _ in $(seq 30); do
		umount /mnt
		mount /dev/vda /mnt || bail mount
		# The first after a mount is a full commit
		/test/fcr write /mnt/file one >/dev/null
		before=$(fc_stat /dev/vda commits)
		/test/fcr write /mnt/file two >/dev/null
		fast=$((fast + $(fc_stat /dev/vda commits) - before))
	done
	is "$fast $(($(cat $status/full_commits_hold) - full))" "30 0" "of thirty filesystems mounted later none is held"
	beside_fsyncs "afterwards" 24
	is "$(cat $status/state)" protected "afterwards: state"
	unload "afterwards"
	ok "umount" umount /mnt
	ok "e2fsck -f" e2fsck -fn /dev/vda
	finish
fi

# --- whoever is there first ---

attach fexit "$(hooked)"
without "fexit"
load "fexit first"
protected "fexit first" 100
detach "fexit first"
protected "fexit first, and gone"
unload "fexit first, and gone"

load "fexit later"
attach fexit "$(hooked)"
protected "fexit later"
unload "fexit later"
without "fexit later"
load "fexit later, and loaded again"
protected "fexit later, and loaded again"
unload "fexit later, and loaded again"
detach "fexit later"

# A fexit where a fentry came while the module was there: 3e9a18e1c3e9 ("ftrace: bpf: Fix
# IPMODIFY + DIRECT in modify_ftrace_direct()") makes it share the function. 6.1.y has
# it, but not what it needs: ftrace switches itself off, also with a livepatch
both='fentry fexit'
case $(uname -r) in 6.1.*) both='fexit fentry' ;; esac

attach fentry "$(hooked)"
load "fentry first"
protected "fentry first"
detach "fentry first"
if ftrace_hooks; then
	# This would have disarmed kprobes, and arms them now
	echo 0 >$kprobes/enabled
	attach "$both" "$(hooked)"
	protected "both later, with kprobes off"
	echo 1 >$kprobes/enabled
else
	attach "$both" "$(hooked)"
fi
protected "both later, with kprobes on"
unload "both later"
detach "both later"
without "after"

# --- coming and going beside it ---

while [ ! -e /tmp/stop ]; do
	attach fexit ext4_fc_commit
	kill -TERM "${bpf:?}"
	wait "${bpf:?}"
	head -n 1 /tmp/bpf
done >/tmp/attached &
attacher=$!
rounds=0 fast=0
while [ $rounds -lt 10 ] && modprobe $mod; do
	fast=$((fast + $(flushed)))
	rmmod $mod || break
	rounds=$((rounds + 1))
done
touch /tmp/stop
wait $attacher
is "$rounds $fast" "10 0" "coming and going: loaded and unloaded ten times, no fsync after a flush is a fast commit"
is "$(sort -u /tmp/attached)" attached "coming and going: each program was attached"
note "coming and going: $(grep -c . /tmp/attached) programs"

# --- one that undoes the hooks ---

if ftrace_hooks; then
	ok "rogue: modprobe" modprobe rogue
	load "rogue"
	is "$(cat $status/state)" protected "rogue: state, before any call"
	is "$(flushed)" 6 "rogue: six of six fsyncs after a flush are fast commits"
	is "$(cat $status/missed) $(cat $status/state)" "6 not-protected:calls-lost" "rogue: it says so"
	n=0
	until dmesg | grep -q "calls do not arrive here: another tracer" || [ $n = 40 ]; do
		sleep 1
		n=$((n + 1))
	done
	is "$(dmesg | grep -c "calls do not arrive here: another tracer")" 1 "rogue: the log says so"
	ok "rogue: rmmod" rmmod rogue
fi

ok "umount" umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
