#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading the module, and what it says about it:
# - with ext4 built in, loaded, not yet loaded, not there
# - with each parameter; the state and the status files
# - with hooks switched off behind its back: the state and the log say so
# - twice; 100 times; with a resize inside, and with one that began before
# - with a livepatch of a function that it hooks, whichever comes first
# - a load that fails, at once, in the middle or at the last function, says why
#   in one line and leaves nothing: no hook, no reference on ext4
# vm: --disk 64M --timeout 600 --add /bin/sed:/bin/sed
# build: tests/livepatch
. /lib/test.sh

mod=ext4_fc_resize_fix
ko=/test/$mod.ko
status=/sys/module/$mod/status
kprobes=/sys/kernel/debug/kprobes
livepatch=/sys/kernel/livepatch/ext4_livepatch
if ftrace_hooks; then ftrace=1; else ftrace=0; fi
nr=$(hooked | wc -w)

# log: what the module has said since it was last asked, but for what any is said of
log() {
	dmesg -c | sed -n "s/^.*\] $mod: //p" | grep -vE '^(loading out-of-tree|module verification failed)'
}
references() { cat /sys/module/ext4/refcnt 2>/dev/null || echo none; }
load() { ok "modprobe${1:+ $1}" modprobe $mod "$@"; }
unload() { ok "rmmod" rmmod $mod; }
state() { is "$(cat $status/state)" "$1" "state: $1"; }
holds() { cat $status/holds; }
hooks() {
	if [ $ftrace = 1 ]; then
		grep -cE '^(ext4_|redirect_)' /sys/kernel/tracing/enabled_functions
	else
		grep -c . $kprobes/list
	fi
}

# nothing_left WHAT REFERENCES [HOOKS]: these were there before
nothing_left() {
	is "$(hooks) $(grep -c . $kprobes/list) $(references)" "${3:-0} 0 $2" "$1: no hook is left, references on ext4 as before"
	is "$(lsmod | grep -c "^$mod ")" 0 "$1: the module is gone"
}

# refused WHAT ERROR LINE COMMAND...: a load that fails by ERROR, LINE in the log
refused() {
	what=$1 error=$2 line=$3 before=$(references) hooks_before=$(hooks)
	shift 3
	log >/dev/null
	refuses "$error" "$what: $error" "$@"
	log >/tmp/log
	note "$(cat /tmp/log)"
	is "$(grep -c . /tmp/log) $(grep -c "$line" /tmp/log)" "1 1" "$what: one line says why"
	nothing_left "$what" "$before" "$hooks_before"
}

# until_true COMMAND...: for 20 seconds
until_true() {
	for _ in $(seq 200); do
		"$@" && return
		sleep 0.1
	done
	bail "never: $*"
}
settled() { [ "$(cat $livepatch/transition)" = 0 ]; }
gone() { [ ! -e $livepatch ]; }

size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 64)); }

# resize_inside: begins a resize that stays in the ioctl until thaw
resize_inside() {
	/test/fcr freeze /mnt >/dev/null
	extend >/tmp/extend &
	sleep 1
}
logged() { dmesg | grep -q "$1"; }
unprotected() { cat $status/unprotected; }
thaw() {
	/test/fcr thaw /mnt >/dev/null
	wait
	is "$(cat /tmp/extend)" 0 "$1: after the thaw it succeeds"
}

# truthful WHAT: the state says whether a resize is held
truthful() {
	before_holds=$(holds)
	is "$(extend)" 0 "$1: extend"
	case $(cat $status/state) in
	protected) is $(($(holds) - before_holds)) 1 "$1: protected, it says, and so it is" ;;
	not-protected:hooks-off) is $(($(holds) - before_holds)) 0 "$1: not protected, it says, and so it is" ;;
	*) fail "$1: a state" "$(cat $status/state)" ;;
	esac
}

# --- ext4: a module or built in ---

if [ -e "/lib/modules/$(uname -r)/kernel/fs/ext4/ext4.ko" ]; then
	ext4=/lib/modules/$(uname -r)/kernel/fs/ext4/ext4.ko
	is "$(references)" none "ext4 is a module, and not loaded"
	mv "$ext4" /tmp
	refused "without ext4" "No such device" "no ext4" modprobe $mod
	mv /tmp/ext4.ko "$ext4"
	load
	is "$(references)" 1 "ext4 was loaded, and is held"
	refuses "in use" "it cannot be unloaded" rmmod ext4
	unload
	is "$(references)" 0 "ext4 is no longer held"
	ok "rmmod ext4" rmmod ext4
	modprobe ext4
	log >/dev/null
	load
	is "$(log)" "ext4 online resize on $(uname -r) (ext4 module) is protected (hold=1 overlap=1 successor=1)" "one line in the log"
else
	load
	is "$(log)" "ext4 online resize on $(uname -r) (ext4 built in) is protected (hold=1 overlap=1 successor=1)" "one line in the log"
fi

# --- state, status, parameters ---

mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/vda 4000 2>/dev/null || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"
before=$(references)

state protected
is "$(extend)" 0 "extend"
is "$(holds)" 1 "one hold"
is "$(cat $status/* | grep -vcE '^[0-9]+$')" 1 "all status files but state are numbers"
is "$(find $status -type f ! -perm 444)" "" "all status files are read-only"
is "$(hooks)" $((nr + 1)) "$nr hooks, and one on a function of its own"
refuses "File exists" "a second load: File exists" insmod $ko
is "$(holds)" 1 "the first goes on"
log >/dev/null
unload
is "$(log)" "unloaded: ext4 online resize is not protected any more" "one line in the log"

load disable=1
is "$(log)" "disable=1: nothing is hooked, nothing is protected" "one line in the log"
state not-protected:disabled
is "$(hooks)" 0 "no hook"
is "$(extend) $(holds)" "0 0" "extend, no hold"
unload
is "$(log)" "" "nothing in the log"

load hold=0
is "$(log | grep -c "is mark-only (hold=0 ")" 1 "one line in the log"
state mark-only
is "$(extend) $(holds)" "0 0" "extend, no hold"
is "$(hooks)" "$nr" "one hook less"
unload

refused "hold=maybe" "Invalid argument" "invalid for parameter" modprobe $mod hold=maybe
refused "disable=2" "Invalid argument" "invalid for parameter" modprobe $mod disable=2

load overlap=0
is "$(log | grep -c "is protected (hold=1 overlap=0 successor=1)")" 1 "one line in the log"
state protected
unload
refused "overlap=maybe" "Invalid argument" "invalid for parameter" modprobe $mod overlap=maybe
load successor=0
is "$(log | grep -c "is protected (hold=1 overlap=1 successor=0)")" 1 "one line in the log"
state protected
unload

# ftrace_enabled=0 would switch hooks of ftrace off, kprobes/enabled=0 those that
# are kprobes. Of the first the kernel is told not to: it says EBUSY
for switch in /proc/sys/kernel/ftrace_enabled $kprobes/enabled; do
	[ -e "$switch" ] || continue
	by="${switch##*/}"
	# 7.x: "deprecated and no longer disables ftrace"
	{ echo 0 >"$switch"; } 2>/dev/null || {
		pass "$by: the kernel refuses to switch it off"
		continue
	}
	case $ftrace$by in
	1ftrace_enabled)
		refused "$by=0" "Operation not supported" "hooks are off" modprobe $mod
		echo 1 >"$switch"
		load
		refuses "busy" "$by: refused while the hooks are there" busybox sh -c "echo 0 >$switch"
		truthful "$by"
		unload
		continue
		;;
	1enabled | 0ftrace_enabled)
		load
		truthful "$by=0 before"
		state protected
		unload
		echo 1 >"$switch"
		load
		# 64 resizes, it goes off and on beside them
		while [ ! -e /tmp/stop ]; do
			echo 0 >"$switch"
			echo 1 >"$switch"
		done &
		n=0 before_holds=$(holds) bad=0
		while [ $n -lt 64 ]; do
			[ "$(/test/fcr extend /mnt $(($(size) + 8)))" = 0 ] || bad=$((bad + 1))
			[ "$(cat $status/state)" = protected ] || bad=$((bad + 1))
			n=$((n + 1))
		done
		touch /tmp/stop
		wait
		rm /tmp/stop
		is "$bad $(($(holds) - before_holds))" "0 64" "$by off and on beside 64 resizes: all held, protected it says"
		unload
		continue
		;;
	esac
	refused "$by=0" "Operation not supported" "hooks are off" modprobe $mod
	echo 1 >"$switch"
	load
	truthful "$by=1"

	for n in one two three; do /test/fcr write /mnt/file $n >/dev/null; done
	log >/dev/null
	echo 0 >"$switch"
	until_true logged "hooks are off.*resizes are not protected from now on"
	echo 1 >"$switch"
	until_true logged "hooks are on again: a resize since"
	before_full=$(cat $status/full_commits_successor)
	/test/fcr write /mnt/file four >/dev/null
	is $(($(cat $status/full_commits_successor) - before_full)) 1 "$by=0 and 1: marks may have been missed, a full commit"

	log >/dev/null
	echo 0 >"$switch"
	truthful "$by=0"
	until_true logged "hooks are off.*resizes are not protected from now on"
	pass "$by=0: the log says so"
	is "$(unprotected)" 0 "$by=0: nobody sees a resize"
	resize_inside
	echo 1 >"$switch"
	thaw "$by=1 again, with a resize inside"
	is "$(unprotected) $(dmesg | grep -c "vda: this resize was not protected")" "1 1" "$by=1 again: that one is counted, and logged"
	truthful "$by=1 again"
	until_true logged "hooks are on again: a resize since"
	pass "$by=1 again: the log says so"

	# Ends that are missed: the hold ends with the system call
	n=0
	while [ $n -lt 5 ]; do
		n=$((n + 1))
		resize_inside
		echo 0 >"$switch"
		thaw "$by=0 at the end of resize $n"
		echo 1 >"$switch"
	done
	is "$(unprotected) $(dmesg | grep -c "vda: the end of this resize was not seen")" "6 5" "$by=0 at the end of five resizes: each is counted, and logged"
	is "$(cat /sys/module/$mod/refcnt)" 0 "$by=0 at the end of five resizes: no reference is left"
	/test/fcr write /mnt/file one >/dev/null
	before_full=$(cat $status/full_commits_hold)
	/test/fcr write /mnt/file two >/dev/null
	is "$(cat $status/full_commits_hold)" "$before_full" "$by=0 at the end of five resizes: nothing is held"
	truthful "$by=0 at the end of five resizes"
	unload
done

# --- what is inside when it goes, and when it comes ---

for hold in hold=1 hold=0; do
	load $hold
	resize_inside
	refuses "in use" "with a resize inside, $hold: rmmod: in use" rmmod $mod
	thaw "with a resize inside, $hold"
	unload
	nothing_left "after the resize, $hold" "$before"

	resize_inside
	load $hold
	thaw "with a resize from before, $hold"
	is "$(unprotected)" "${hold#hold=}" "with a resize from before, $hold: counted as not protected"
	is "$(extend)" 0 "extend"
	unload
	resize_inside
	load $hold
	unload
	thaw "with a resize from before, $hold, and unloaded again"
done

# --- loads that fail ---

# misspelt FUNCTION: the module with this one's name misspelt
misspelt() {
	sed "s/$1/$(echo "$1" | sed 's/.$/_/')/g" $ko >/tmp/misspelt.ko
	refused "no $1()" "Unknown symbol" "$(echo "$1" | sed 's/.$/_/')() not found" insmod /tmp/misspelt.ko
}
misspelt ext4_fc_mark_ineligible
misspelt ext4_group_add
misspelt ext4_fc_commit
misspelt jbd2_complete_transaction
misspelt task_work_add

if [ $ftrace = 1 ]; then
	ok "livepatch" modprobe ext4_livepatch
	until_true settled
	is "$(extend)" EXDEV "it is in effect"
	refused "livepatched before" "Device or resource busy" "ext4_group_extend() is in use by a livepatch" modprobe $mod
	is "$(extend)" EXDEV "it still is"
	echo 0 >$livepatch/enabled
	until_true gone
	ok "rmmod of the livepatch" rmmod ext4_livepatch
	is "$(extend)" 0 "extend"

	load
	refuses "Device or resource busy" "a livepatch after: Device or resource busy" modprobe ext4_livepatch
	state protected
	is "$(extend) $(holds)" "0 1" "the module goes on"
	unload
else
	is "$(find /sys/kernel -maxdepth 1 -name livepatch)" "" "there is no livepatch"
fi

# --- 100 times ---

times=0
for _ in $(seq 100); do
	modprobe $mod && rmmod $mod && times=$((times + 1))
done
is $times 100 "loaded and unloaded 100 times"
nothing_left "after 100 times" "$before"

ok "umount" umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
[ "$before" = none ] || ok "rmmod ext4" rmmod ext4
finish
