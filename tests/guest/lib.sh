# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# For the tests that run in a VM; first line of such a test: . /lib/test.sh
# Results are TAP; the last line of a test is `finish'.

count=0
failed=0

# pass NAME, fail NAME [DETAIL], skip NAME REASON: one result.
pass() { count=$((count + 1)); echo "ok $count - $1"; }
skip() { count=$((count + 1)); echo "ok $count - $1 # SKIP $2"; }
fail() {
	count=$((count + 1)) failed=$((failed + 1))
	echo "not ok $count - $1"
	[ $# -lt 2 ] || note "$2"
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# is GOT WANT NAME
is() { if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "got '$1', want '$2'"; fi; }

# ok NAME COMMAND...: the command succeeds; what it says is shown if not.
ok() {
	name=$1
	shift
	if said=$("$@" 2>&1); then pass "$name"; else fail "$name" "$* -> $?: $said"; fi
}

# refuses TEXT NAME COMMAND...: the command fails and says TEXT, an error's message.
refuses() {
	text=$1 name=$2
	shift 2
	if said=$("$@" 2>&1); then
		fail "$name" "$* succeeded"
	else
		case $said in
		*"$text"*) pass "$name" ;;
		*) fail "$name" "$* failed, but not by '$text': $said" ;;
		esac
	fi
}

# says NAME EXIT TEXT COMMAND...: exits so, and TEXT is in what it says, which is
# in /tmp/said
says() {
	name=$1 want=$2 text=$3
	shift 3
	"$@" >/tmp/said 2>&1
	got=$?
	if [ $got = "$want" ] && grep -qF -e "$text" /tmp/said; then
		pass "$name: exit $want, $text"
	else
		fail "$name" "exit $got, want $want and '$text': $(cat /tmp/said)"
	fi
}

# events [TYPES FUNCTIONS]: a trace event TYPE_FUNCTION, kprobe (p) or kretprobe (r),
# on each of these words; none: all go
events() {
	events=/sys/kernel/tracing/events/test
	[ ! -e $events ] || echo 0 >$events/enable
	echo >/sys/kernel/tracing/kprobe_events
	[ $# != 0 ] || return 0
	for event in $1; do
		for function in $2; do
			echo "$event:test/${event}_${function#*:rv_} $function"
		done >>/sys/kernel/tracing/kprobe_events
	done
	echo 1 >$events/enable
}

# attach TYPES FUNCTIONS: bpf programs, fentry or fexit, on each of these words (tests/guest/bpf.c);
# "attached" or why not is in /tmp/bpf
attach() {
	probes=''
	for type in $1; do
		for function in $2; do
			probes="$probes $type:$function"
		done
	done
	: >/tmp/bpf
	# shellcheck disable=SC2086 # words
	/test/bpf $probes >/tmp/bpf 2>&1 &
	bpf=$!
	until grep -q . /tmp/bpf; do sleep 0.1; done
}

# detach NAME: as one result, that each of them was hit
detach() {
	kill -TERM "$bpf"
	wait "$bpf"
	is "$(awk 'NR > 1 && $2 == 0' /tmp/bpf)" "" "$1: each bpf program was hit"
	note "$1: $(tail -n +2 /tmp/bpf | xargs)"
}

# hooked: the functions that the module hooks, as in the table of src/module/main.c, the one that is
# there with hold=1 only last. load.sh counts the hooks; depth.sh, ibt.sh, tracers.sh and
# bpf.sh call each of them, and fail if one is not called
hooked() { echo ext4_resize_begin ext4_group_extend ext4_group_add ext4_resize_end ext4_fc_mark_ineligible ext4_fc_commit; }

# Whether a redirect is a hook of ftrace (src/module/redirect_ftrace.c), or a kprobe
ftrace_hooks() { [ "$(uname -m)" = x86_64 ] && [ -e /sys/kernel/tracing/enabled_functions ]; }

# bail REASON: nothing more can be tested.
bail() { echo "Bail out! $*"; exit 99; }

# one_of ARGUMENT WORD...: bails if a test's argument is none of these
one_of() {
	argument=$1
	shift
	for word; do
		[ "$argument" != "$word" ] || return 0
	done
	bail "its argument is '$argument', and not one of $*"
}

# kcsan_reports [MODULE]: the titles of KCSAN's reports of races in modules, but for
# this one. The function that the title names is a module's then, or called by one's,
# if it is not one of ext4 and jbd2, which have many races of their own.
kcsan_reports() {
	end="kcsan_reports $(cat /proc/uptime)"
	echo "$end" >/dev/kmsg
	# From the first record on, whatever dmesg -c has cleared
	# shellcheck disable=SC2016 # awk's
	timeout 300 awk -v end="$end" -v except="${1:-none}" '
		{ sub(/^[^;]*;/, "") }
		index($0, end) { seen = 1; exit }
		/^BUG: KCSAN: / { title = $0; ours = 0; frame = 0 }
		title == "" { next }
		/^(read|write|assert|race)[^:]* 0x[0-9a-f]+ of .*:$/ { frame = 1; next }
		frame && /^ [^ ]/ {
			module = /\[[a-z0-9_]+\]$/ && !index($0, "[" except "]")
			if (module && (frame == 1 || (frame == 2 && inner !~ /^ _*(ext4|jbd2)_/))) ours = 1
			inner = $0
			frame++
		}
		/^Reported by / { if (ours) print title; title = "" }
		END { if (!seen) print "the log could not be read to its end" }' /dev/kmsg
}

# value FIGURE VARIANT NUMBER: what was measured; what was said meanwhile is in the
# file said
value() {
	case $3 in
	'' | *[!0-9]*) bail "$1 $2: no figure but '$3': $(cat said)" ;;
	esac
	echo "value $*"
}

# What a debug kernel knows: kmemleak looks at what is five seconds old or more,
# twice to be sure, and lockdep goes off with its first report.
debug_kernel() {
	if [ -e /sys/kernel/debug/kcsan ]; then
		is "$(kcsan_reports "${wrong_module-}")" "" "KCSAN: no race in a function of a module"
		is "$(awk '$1 == "enabled:" { on = $2 } $1 == "setup_watchpoints:" { print on, ($2 > 1000) }' /sys/kernel/debug/kcsan)" \
			"1 1" "KCSAN has watched"
		note "KCSAN: $(grep -E '^(setup_watchpoints|report_races|races_unknown_origin|no_capacity)' /sys/kernel/debug/kcsan | xargs)"
	fi
	[ -w /sys/kernel/debug/kmemleak ] || return
	for _ in 1 2; do
		sleep 6
		echo scan >/sys/kernel/debug/kmemleak
	done
	is "$(cat /sys/kernel/debug/kmemleak)" "" "kmemleak: no leak"
	is "$(awk '$1 == "debug_locks:" { print $2 }' /proc/lockdep_stats)" 1 "lockdep is still on"
}

# finish: the plan; exits 1 when anything failed.
finish() {
	debug_kernel
	echo "1..$count"
	[ $failed = 0 ]
	exit
}

# fc_info DEV: the file; fc_reason DEV Resize: how often that made fast commit
# ineligible; fc_stat DEV commits|ineligible|numblks: one of its counters.
fc_info() { cat "/proc/fs/ext4/${1##*/}/fc_info"; }
fc_reason() { fc_info "$1" | sed -n "s/^\"$2\":[[:space:]]*//p"; }
fc_stat() { fc_info "$1" | awk -v what="$2" '$2 == what { print $1 }'; }

# fc_race DEV HOW: doc/upstream/repro/fc-race on a new filesystem, which shuts it down. What it
# fsynced and is gone after the next mount is in $gone; "the filesystem" if that fails
fc_race() {
	options=nodelalloc,dioread_lock
	[ "$2" = untracked ] || options=$options,commit=1000
	errors='continue'
	[ "$2" != twice ] || errors=remount-ro
	case $2 in
	restart) set -- "$@" 1024 1 fast_commit ;;
	split|twice) set -- "$@" 1024 64 fast_commit,^dir_index ;;
	*) set -- "$@" 4096 64 fast_commit ;;
	esac
	# 3: one was faster than the other, on a busy host
	for try in 1 2 3; do
		mke2fs -q -F -t ext4 -O "$5" -b "$3" -J size="$4" "$1" || bail mke2fs
		mount -o $options "$1" /mnt || bail mount
		/test/fc-race /mnt "$2" 20 >/tmp/out 2>&1
		status=$?
		umount /mnt
		[ "$status" = 3 ] || break
	done
	[ "$status" = 0 ] || bail "fc-race $2, try $try: $(cat /tmp/out)"
	sed -n 's/^fsynced //p' /tmp/out >/tmp/names
	gone=''
	if mount -o errors=$errors "$1" /mnt; then
		while read -r name; do
			[ -e "/mnt/$name" ] || gone="$gone $name"
		done </tmp/names
		[ "$2" != twice ] || touch /mnt/after || gone="$gone an error, read-only"
		[ "$2" != restart ] || /test/fc-race /mnt moved >/tmp/out || gone="$gone moved: $(cat /tmp/out)"
		umount /mnt
	else
		gone=' the filesystem'
	fi
}
