#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The redirect mechanism (src/module/redirect.c) on its own: redirect_hooks hooks
# functions of redirect_victim, see tests/redirect.
#
#	redirect.sh [ROUNDS]	what follows
#	redirect.sh probed	functions that others have probed before
#
# Proved, with the results before the hooks and after rmmod as negatives:
# - a replacement runs in place of a function, and the original when it is called
#   from there, also if that sleeps, recurses, calls another hooked function, or
#   has arguments on the stack; `wanted' chooses by argument; an observer sees
# - rmmod frees nothing under anybody: it says "in use" while a task sleeps in a
#   replacement, and ROUNDS (200) times with tasks in all of them
# - a load that fails in the middle, for a function that does not exist or is
#   livepatched, redirects nothing and leaves nothing, with calls going on
# - function_graph, and kprobe and kretprobe events, on the same functions
# - ftrace cannot be switched off while its hooks are there, and kprobes' switch does
#   not reach them
# - where the hooks are kprobes, those switched off, before, between and after:
#   redirect_selftest() says so, calls reach the original, and no pass of then is
#   taken by a call after they are on again
# - probed: with a kprobe event or a kretprobe event there first all is well in
#   whatever order they go; another user of redirect.c is refused, or (kprobes) a
#   replacement may run twice
#
# A debug kernel unwinds the stack at each allocation; that 7.3's does not get past
# an interrupt in return_to_handler() is seen with function_graph alone, too.
# vm: --timeout 900 --expect-console wrong.direction..at.return_to_handler
# build: tests/redirect
. /lib/test.sh

victim=/sys/kernel/debug/redirect_victim
hooks=/sys/kernel/debug/redirect_hooks
tracing=/sys/kernel/tracing
kprobes=/sys/kernel/debug/kprobes
livepatch=/sys/kernel/livepatch/redirect_livepatch
if ftrace_hooks; then ftrace=1; else ftrace=0; fi
functions="plain through sleep late recurse outer inner filter observed many"
# shellcheck disable=SC2086 # words
victims=$(printf 'redirect_victim:rv_%s ' $functions)

# call FUNCTION [A [B]]: result, and how many functions of the victim ran
call() {
	exec 4<>$victim
	echo "$*" >&4
	read -r result <&4
	exec 4>&-
	echo "$result"
}

# results: of all functions, in one line
results() {
	for command in "plain 6 7" "through 9 4" "sleep 10 3" "late 10 3" "recurse 5" "outer 10 1" \
		"filter 2 5" "filter 3 5" "observed 8" "many 1 2"; do
		# shellcheck disable=SC2086 # words
		printf '%s: %s; ' "${command%% *}" "$(call $command)"
	done
}
original="plain: 13 1; through: 5 1; sleep: 3 1; late: 3 1; recurse: 15 6; outer: 22 2; filter: 17 1; filter: 18 1; observed: 8 1; many: 85 1; "
redirected="plain: 1013 0; through: 5 1; sleep: 1003 1; late: 1003 1; recurse: 6015 6; outer: 2022 2; filter: 17 1; filter: 1018 0; observed: 8 1; many: 1085 1; "

are_original() { is "$(results)" "$original" "$1: the originals"; }
are_redirected() {
	before=$(cat $hooks/through)
	is "$(results)" "$redirected" "$1: the replacements"
	is $(($(cat $hooks/through) - before)) 1 "$1: one call by way of the replacement that changes nothing"
}

# nothing_left WHERE: no probe, nothing of ftrace, no module
nothing_left() {
	is "$(grep -c redirect_ $kprobes/list)" 0 "$1: no kprobe is left"
	is "$(cat $tracing/enabled_functions 2>/dev/null | grep -c redirect_)" 0 "$1: ftrace has nothing left on the functions"
	is "$(find /sys/module -maxdepth 1 -name 'redirect_hooks*')" "" "$1: the module is gone"
}

# inside N: waits until N tasks are in replacements, at most 10 seconds
inside() {
	for _ in $(seq 100); do
		[ "$(cat /sys/module/redirect_hooks/refcnt)" -lt "$1" ] || return
		sleep 0.1
	done
}

load() { ok "${1:+$1: }load" modprobe redirect_hooks; }
unload() {
	is "$(cat /sys/module/redirect_hooks/refcnt)" 0 "${1:+$1: }no reference is left"
	ok "${1:+$1: }rmmod" rmmod redirect_hooks
}

# uptime in 1/100 s
now() { sed 's/\.//; s/ .*//' /proc/uptime; }

# hammer N: N tasks begin to call all functions
hammer() {
	echo go >$victim
	hammers=''
	for n in $(seq "$1"); do
		call hammer >"/tmp/hammer$n" &
		hammers="$hammers $!"
	done
}
# hammered WHERE: they end
hammered() {
	echo stop >$victim
	# shellcheck disable=SC2086 # words
	wait $hammers
	calls=0 changed=0 wrong=0
	for n in $(seq "$(echo "$hammers" | wc -w)"); do
		read -r c r w <"/tmp/hammer$n" || w=1
		calls=$((calls + c)) changed=$((changed + r)) wrong=$((wrong + w))
	done
	note "$1: $calls calls, $changed of them redirected"
	is "$((calls > 0)) $wrong" "1 0" "$1: no call gave a wrong result"
}

# rmmod_soon MODULE: sets $busy, how often it was in use.  By busybox: kmod asks
# the refcnt file first, and leaves the race to the kernel only seldom
rmmod_soon() {
	until said=$(busybox rmmod "$1" 2>&1); do
		case $said in
		*"temporarily unavailable"*) busy=$((busy + 1)) ;;
		*) fail "rmmod" "$said"; return ;;
		esac
		[ $busy -lt 5000 ] || { fail "rmmod" "in use forever"; return; }
	done
}

# hits EVENT: how often it was seen
hits() { awk -v event="$1" '$1 == event { print $2 }' $tracing/kprobe_profile; }

# --- others were there first ---------------------------------------------------

# load_or_not WHERE [MODULE]: true if it is loaded; if not, the log says why
load_or_not() {
	module=${2:-redirect_hooks}
	dmesg -c >/dev/null
	if said=$(modprobe "$module" 2>&1); then
		pass "$1: $module is loaded"
		return 0
	fi
	note "$said"
	if dmesg | grep "$module: " >/tmp/dmesg; then
		pass "$1: $module is refused, the log says why"
		note "$(cat /tmp/dmesg)"
	else
		fail "$1: $module is refused, and the log does not say why"
	fi
	return 1
}

probed() {
	for type in p r; do
		for order in "hooks first" "events first"; do
			where="$type events there first, $order to go"
			events "$type" "$victims"
			if load_or_not "$where"; then
				are_redirected "$where"
				[ "$order" = "hooks first" ] || events
				unload "$where"
			fi
			are_original "$where"
			events
			nothing_left "$where"
			are_original "$where, both gone"
		done
		load "$type events"
		events "$type" "$victims"
		unload "$type events"
		if load_or_not "$type events of an earlier time"; then
			are_redirected "$type events of an earlier time"
			unload "$type events of an earlier time"
		fi
		events
		nothing_left "$type events of an earlier time"
	done

	load "another user"
	if load_or_not "another user" redirect_hooks2; then
		# Refused where the hooks are ftrace's. Kprobes let it: when the one that is asked
		# first has called the original, and the other calls it from its replacement, the
		# pass of the first is used up, and its replacement runs once more
		is "$(call recurse 2)" "9003 3" "another user: one replacement runs once per call, the other twice"
		ok "another user: rmmod" rmmod redirect_hooks2
	fi
	are_redirected "another user"
	unload "another user"
	are_original "another user"
	nothing_left "another user"
}

ok "modprobe redirect_victim" modprobe redirect_victim
are_original "before"
case ${1-} in
probed)
	probed
	finish
	;;
esac
rounds=${1:-200}

# --- what it does --------------------------------------------------------------

load
is "$(cat $hooks/selftest)" 1 "selftest: redirects have effect"
is "$(call plain 6 7)" "1013 0" "plain: the replacement's result, the original did not run"
before=$(cat $hooks/through)
is "$(call through 9 4)" "5 1" "through: the original's result"
is $(($(cat $hooks/through) - before)) 1 "through: by way of the replacement"
is "$(call sleep 100 3)" "1003 1" "sleep: the original sleeps"
is "$(call late 100 3)" "1003 1" "late: the replacement sleeps"
is "$(call recurse 5)" "6015 6" "recurse: each recursive call is redirected again"
is "$(call outer 10 1)" "2022 2" "outer: the original calls another hooked function, both are redirected"
is "$(call filter 2 5)" "17 1" "filter: not wanted, the original"
is "$(call filter 3 5)" "1018 0" "filter: wanted, the replacement"
is "$(call parity 5)" "4003 4" "parity: a pass that was not wanted is not left for the recursion"
before=$(cat $hooks/observed)
is "$(call observed 8) $(call observed 9)" "8 1 9 1" "observed: the original"
is $(($(cat $hooks/observed) - before)) 2 "observed: each call is seen"
is "$(call many 1 2)" "1085 1" "many: arguments on the stack, for the replacement and for the original"
are_redirected "loaded"

before=$(now) pids=''
for n in 1 2 3 4 5 6; do
	call sleep 1500 $n >/tmp/sleep$n &
	pids="$pids $!"
done
inside 6
is "$(cat /sys/module/redirect_hooks/refcnt)" 6 "six tasks asleep in the original hold six references"
# shellcheck disable=SC2086 # words
wait $pids
is $(($(now) - before < 600)) 1 "they slept at the same time"
is "$(cut -d' ' -f1 /tmp/sleep[1-6] | xargs)" "1001 1002 1003 1004 1005 1006" "each has its own result"
is "$(cat $hooks/missed)" 0 "no call missed"
unload
are_original "after rmmod"
nothing_left "after rmmod"

# --- unloading -----------------------------------------------------------------

for function in late sleep; do
	load "$function"
	call $function 4000 3 | cut -d" " -f1 >/tmp/asleep &
	inside 1
	refuses "in use" "$function: rmmod by kmod while a task sleeps in the replacement" rmmod redirect_hooks
	refuses "temporarily unavailable" "$function: the kernel refuses as well" busybox rmmod redirect_hooks
	are_redirected "$function: after the refusal"
	wait $!
	is "$(cat /tmp/asleep)" 1003 "$function: the task that slept"
	unload "$function"
	are_original "$function: after rmmod"
done

busy=0 before=$(now)
hammer 3
round=0
# Whether a task is inside when rmmod comes is chance: some more, if none was
while [ $round -lt "$rounds" ] || { [ $busy = 0 ] && [ $round -lt 1000 ]; }; do
	modprobe redirect_hooks || break
	rmmod_soon redirect_hooks
	round=$((round + 1))
done
hammered "$round rounds of load and unload"
is $((round >= rounds)) 1 "all $rounds rounds were done"
is $((changed > 0)) 1 "there were redirected calls among them"
is $((busy > 0)) 1 "rmmod was refused at least once"
note "$round rounds in $((($(now) - before) / 100)) s, rmmod refused $busy times"
are_original "after the rounds"
nothing_left "after the rounds"

# --- loads that fail -----------------------------------------------------------

# fails ERROR TEXT WHERE [PARAMETER]: ten loads, with calls going on
fails() {
	good=0
	hammer 2
	for n in 1 2 3 4 5 6 7 8 9 10; do
		dmesg -c >/dev/null
		# shellcheck disable=SC2086 # a word or none
		if said=$(modprobe redirect_hooks $4 2>&1); then break; fi
		said="$said
$(dmesg)"
		case $said in *"$1"*"redirect_hooks: $2"*) ;; *) break ;; esac
		if grep redirect_ $kprobes/list; then break; fi
		good=$((good + 1))
	done
	hammered "$3"
	is $good 10 "$3: ten loads fail, \"$1\", the log says why, no kprobe is left"
	[ $good = 10 ] || note "$said"
	is "$changed" 0 "$3: no call was redirected"
}
fails "Unknown symbol" "rv_absent() not found" "no such function" through=rv_absent
nothing_left "no such function"
are_original "no such function"

if [ $ftrace = 1 ]; then
	ok "livepatch: load" modprobe redirect_livepatch
	is "$(call through 9 4)" "5 0" "livepatch: it works, the original did not run"
	fails "resource busy" "rv_through() is in use by a livepatch" "livepatched function"
	is "$(call through 9 4)" "5 0" "livepatch: it still works"
	echo 0 >$livepatch/enabled
	n=0
	while [ -e $livepatch ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
	ok "livepatch: rmmod" rmmod redirect_livepatch
else
	is "$(find /sys/kernel -maxdepth 1 -name livepatch)" "" "there is no livepatch"
fi
load "after the failures"
are_redirected "after the failures"
if [ $ftrace = 1 ]; then
	refuses "resource busy" "a livepatch of a hooked function is refused" modprobe redirect_livepatch
	are_redirected "after the refused livepatch"
fi
unload "after the failures"
nothing_left "after the failures"
are_original "after the failures"

# --- with function_graph -------------------------------------------------------

# graph on [all]|off: on the functions and their replacements
graph() {
	if [ "$1" = off ]; then
		echo nop >$tracing/current_tracer
		echo >$tracing/set_ftrace_filter
		return
	fi
	if [ "${2-}" != all ]; then
		echo ':mod:redirect_victim' >$tracing/set_ftrace_filter
		[ ! -e /sys/module/redirect_hooks ] || echo ':mod:redirect_hooks' >>$tracing/set_ftrace_filter
	fi
	echo >$tracing/trace
	echo function_graph >$tracing/current_tracer
}
traced() { grep -c "$1" $tracing/trace; }

if grep -qw function_graph $tracing/available_tracers; then
	graph on
	are_original "function_graph before"
	load "function_graph before"
	are_redirected "function_graph before"
	is "$(($(traced rv_through) > 0)) $(traced hook_through)" "1 0" "function_graph before: the functions are traced"
	graph off
	graph on
	are_redirected "function_graph after"
	# In 5.10 its filter is asked for the changed instruction pointer
	case $ftrace$(uname -r) in 15.10.*) want="0 1" ;; *) want="1 1" ;; esac
	is "$(($(traced rv_through) > 0)) $(($(traced hook_through) > 0))" "$want" "function_graph after: the functions and their replacements are traced"
	hammer 3
	sleep 1
	hammered "function_graph"
	is $((changed > 0)) 1 "function_graph: there were redirected calls among them"
	for function in late sleep; do
		graph off
		call $function 1500 3 >/tmp/asleep &
		sleep 0.5
		graph on
		wait $!
		is "$(cat /tmp/asleep)" "1003 1" "function_graph, on while a task sleeps in $function"
		call $function 1500 3 >/tmp/asleep &
		sleep 0.5
		graph off
		wait $!
		is "$(cat /tmp/asleep)" "1003 1" "function_graph, off while a task sleeps in $function"
	done
	graph on all
	are_redirected "function_graph on all functions"
	graph off
	is "$(cat $hooks/missed)" 0 "function_graph: no call missed"
	graph on
	unload "function_graph"
	are_original "function_graph, after rmmod"
	busy=0
	hammer 3
	round=0
	while [ $round -lt 10 ] && modprobe redirect_hooks; do
		rmmod_soon redirect_hooks
		round=$((round + 1))
	done
	hammered "function_graph, 10 rounds of load and unload"
	is $round 10 "function_graph: all rounds were done"
	graph off
	nothing_left "function_graph"
elif [ ! -e $tracing/enabled_functions ]; then
	is "$(cat $tracing/available_tracers)" nop "there is no function tracer"
else
	skip "function_graph" "not in available_tracers"
fi

# --- with kprobe and kretprobe events ------------------------------------------

for types in p r "p r"; do
	load "events $types"
	events "$types" "$victims"
	are_redirected "events $types"
	for type in $types; do
		is "$(($(hits "${type}_through") > 0)) $(($(hits "${type}_observed") > 0))" "1 1" "events $types: ${type}_through and ${type}_observed have seen calls"
	done
	hammer 3
	sleep 1
	hammered "events $types"
	is $((changed > 0)) 1 "events $types: there were redirected calls among them"
	is "$(cat $hooks/missed)" 0 "events $types: no call missed"
	if [ "$types" = p ]; then
		events
		are_redirected "events $types, gone first"
	fi
	unload "events $types"
	are_original "events $types, after rmmod"
	events
	nothing_left "events $types"
	are_original "events $types, both gone"
done

# --- switched off --------------------------------------------------------------

# One does not reach a hook of ftrace, the other not a kprobe
for switch in /proc/sys/kernel/ftrace_enabled $kprobes/enabled; do
	where=${switch##*/kernel/}=0
	[ -e "$switch" ] || continue
	# From 7.x on ftrace_enabled is without effect
	if ! (echo 0 >"$switch") 2>/dev/null; then
		pass "$where: the kernel refuses to switch it off"
		continue
	fi
	echo 1 >"$switch"

	load "$where"
	before=$(cat $hooks/through)
	case $ftrace${switch##*/} in
	1ftrace_enabled)
		refuses "busy" "$where: the kernel refuses it while the hooks are there" busybox sh -c "echo 0 >$switch"
		are_redirected "$where"
		unload "$where"
		echo 0 >"$switch"
		fails "Operation not supported" "hooks are off: set sysctl kernel.ftrace_enabled" "$where, load while off"
		echo 1 >"$switch"
		load "$where, on again"
		are_redirected "$where, on again"
		unload "$where, on again"
		nothing_left "$where, on again"
		continue
		;;
	1enabled | 0ftrace_enabled)
		echo 0 >"$switch"
		is "$(cat $hooks/selftest)" 1 "$where: nothing to redirect_selftest()"
		are_redirected "$where"
		hammer 3
		sleep 1
		n=0
		while [ $n -lt 20 ]; do
			echo 1 >"$switch"
			echo 0 >"$switch"
			n=$((n + 1))
		done
		hammered "$where"
		unload "$where"
		load "$where, load while off"
		are_redirected "$where, load while off"
		echo 1 >"$switch"
		unload "$where, load while off"
		nothing_left "$where, load while off"
		continue
		;;
	esac
	echo 0 >"$switch"
	is "$(cat $hooks/selftest)" 0 "$where: redirect_selftest() says so"
	are_original "$where"
	is $(($(cat $hooks/through) - before)) 0 "$where: no replacement ran"
	echo 1 >"$switch"
	is "$(cat $hooks/selftest)" 1 "$where, on again: redirect_selftest() says so"
	are_redirected "$where, on again"

	# One task: its pass begins and ends with the hooks off, then it calls again
	rm -f /tmp/again
	{
		call late 1500 3
		while [ ! -e /tmp/again ]; do sleep 0.1; done
		call late 10 4
		call late 10 5
	} >/tmp/late &
	sleep 0.5
	echo 0 >"$switch"
	sleep 2
	is "$(cat /tmp/late)" "1003 1" "$where while the replacement runs: it calls the original"
	echo 1 >"$switch"
	touch /tmp/again
	wait $!
	is "$(tail -n +2 /tmp/late | xargs)" "1004 1 1005 1" "$where while the replacement runs: no pass is left for later calls of the task"

	hammer 3
	n=0
	while [ $n -lt 20 ]; do
		echo 0 >"$switch"
		echo 1 >"$switch"
		n=$((n + 1))
	done
	is $n 20 "$where: off and on 20 times with calls going on"
	hammered "$where"
	are_redirected "$where, after that"

	echo 0 >"$switch"
	unload "$where"
	echo 1 >"$switch"
	are_original "$where, unloaded while off"
	nothing_left "$where, unloaded while off"

	echo 0 >"$switch"
	if load_or_not "$where, load while off"; then
		is "$(cat $hooks/selftest)" 0 "$where, loaded while off: redirect_selftest() says so"
		are_original "$where, loaded while off"
		echo 1 >"$switch"
		is "$(cat $hooks/selftest)" 1 "$where, loaded while off, then on: redirect_selftest() says so"
		are_redirected "$where, loaded while off, then on"
		unload "$where, loaded while off"
	fi
	echo 1 >"$switch"
	are_original "$where, at the end"
	nothing_left "$where, at the end"
done

finish
