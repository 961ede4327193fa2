#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What can fail is made to fail, by the kernel's fault injection (a debug kernel
# has it): each allocation of a load, finding a function, registering the hooks,
# the allocation of a hold. A load that fails says so, and leaves nothing; a resize
# that is refused leaves the filesystem as it was.
# The kernel shows where it ran out of memory, with a Call Trace.
#
#	inject.sh load		each allocation of a load
#	inject.sh hold		the rest
# vm: --disk 1G --timeout 3600 --expect-console Call.Trace
# build: tests/inject
. /lib/test.sh
one_of "${1-}" load hold

mod=ext4_fc_resize_fix
ko=/test/$mod.ko
status=/sys/module/$mod/status
slab=/sys/kernel/debug/failslab
function=/sys/kernel/debug/fail_function
kprobes=/sys/kernel/debug/kprobes/list
hooked=/sys/kernel/tracing/enabled_functions

if [ ! -d $slab ] || [ ! -d $function ]; then bail "this kernel has no fault injection"; fi

mke2fs -q -t ext4 -b 1024 -O fast_commit -E resize=900000 /dev/vda 20000 || bail "mke2fs"
mount /dev/vda /mnt || bail "mount"

log() { dmesg -c | sed -n "s/^.*\] $mod: //p" | grep -vE '^(loading out-of-tree|module verification failed)'; }
size() { /test/fcr size /dev/vda; }
extend() { /test/fcr extend /mnt $(($(size) + 8)); }
left() { echo "$(cat $kprobes $hooked | grep -c .) $(lsmod | grep -c "^$mod ")"; }

# --- each allocation of a load ---

echo N >$slab/ignore-gfp-wait
echo 0 >$slab/verbose

if [ "$1" = load ]; then

# Not one that has no n-th: it is loaded, and that is the end
nth=0 refused=0 loaded=0 bad=''
while [ $nth -lt 5000 ]; do
	nth=$((nth + 1))
	said=$(/test/fcr load $ko $nth)
	case $said in
	"none 0") break ;;
	"fault 0")
		loaded=$((loaded + 1))
		case $(cat $status/state) in
		protected*) ;;
		*) bad="$bad $nth: $(cat $status/state)" ;;
		esac
		rmmod $mod || bad="$bad $nth: rmmod"
		;;
	"fault "*) refused=$((refused + 1)) ;;
	*) bad="$bad $nth: $said" ;;
	esac
	[ "$(left)" = "0 0" ] || bad="$bad $nth: left $(left)"
done
note "$((nth - 1)) allocations: without one of them $refused loads were refused, $loaded were not"
is "$bad" "" "a load whose n-th allocation fails is refused with nothing left, or protects"
is "$((refused > 20)) $said" "1 none 0" "each n until a load has no more"
ok "rmmod" rmmod $mod
finish

fi

# --- registering and arming hooks ---

ok "modprobe inject" modprobe inject
# fails FUNCTION NTH LINE: the load is refused when that call of the function fails
fails() {
	log >/dev/null
	echo "$1" >$function/inject
	printf '%#x' -12 >"$function/$1/retval" # ENOMEM
	echo 100 >$function/probability
	echo 0 >$function/verbose
	echo 1 >$function/times
	echo $(($2 - 1)) >$function/space
	refuses "Cannot allocate memory" "$1() number $2 fails: Cannot allocate memory" modprobe $mod
	echo "!$1" >$function/inject
	log >/tmp/log
	is "$(grep -c . /tmp/log) $(grep -c "$3 (error -12)" /tmp/log)" "1 1" "$1() number $2 fails: one line says so"
	is "$(left)" "0 0" "$1() number $2 fails: nothing is left"
}
for nth in 1 4 10; do fails register_kprobe $nth "cannot be probed"; done
fails register_ftrace_function 1 "functions cannot be hooked"
ok "modprobe" modprobe $mod
is "$(extend) $(cat $status/holds)" "0 1" "then it loads, and holds"

# --- the allocation of a hold ---

# Those whose caller is in the module's code; behind it is no other's that runs
cat /sys/module/$mod/sections/.text >$slab/require-start
echo 0xffffffffffffffff >$slab/require-end
before=$(size)
echo 4 >$slab/stacktrace-depth
echo 100 >$slab/probability
is "$(extend)" ENOMEM "no memory for a hold: the resize is refused"
echo 0 >$slab/probability
is "$(size) $(cat $status/holds_failed)" "$before 1" "no memory for a hold: nothing is resized, it is counted"
is "$(extend) $(cat $status/holds)" "0 2" "then it resizes, and holds"

# Now and then, in a hundred resizes. (Where ext4's own allocations fail in the
# middle of one, it says that the filesystem has errors: that is not tried.)
echo 30 >$slab/probability
echo -1 >$slab/times
n=0 before=$(($(cat $status/holds) + $(cat $status/holds_failed)))
while [ $n -lt 100 ]; do
	n=$((n + 1))
	/test/fcr resizefs /mnt $(($(size) + 3000))
done >/tmp/resizes
echo 0 >$slab/probability
note "resizes: $(sort /tmp/resizes | uniq -c | xargs)"
is "$(sort -u /tmp/resizes | xargs)" "0 ENOMEM" "resizes succeed, or say that they have no memory"
is $(($(cat $status/holds) + $(cat $status/holds_failed) - before)) 100 "each is counted, as held or as refused"
is "$(cat $status/missed)" 0 "no call missed"
ok "rmmod, nothing is held" rmmod $mod
ok "umount" umount /mnt
ok "e2fsck -f" e2fsck -fn /dev/vda
finish
