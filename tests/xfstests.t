#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No test of xfstests fails only with the module: each runs on a stock kernel,
# in a VM with a Debian 13 whose mke2fs makes all filesystems with fast_commit,
# without the module and with it. Of those of doc/upstream, if they are there, ext4/901 to 903
# fail without it and pass with it.
#
#   XFSTESTS=FOLDER tests/xfstests.t KERNEL [PATCHED]
#
# PATCHED is the same kernel with the patches of doc/upstream. Then nothing is run with the module:
# no test fails only with the patches, and all of doc/upstream fail without and pass with them.
# FOLDER is an installed xfstests (what its "make install" made, such as
# /var/lib/xfstests), built on Debian 13 or older. In the environment, too:
#   TESTS     only these (generic/034 ...); or "all": all of ext4 and generic in the groups
#             below. Without it those of them that are quick here
#   LIMIT     begin no test after so many seconds without the module (3600);
#             those that have run are then run with it

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

groups='resize|freeze|shutdown|log|fsync|ioctl|metadata'
quick='ext4/032 ext4/035 ext4/056 ext4/059 ext4/060 ext4/306
generic/050 generic/052 generic/085 generic/491 generic/738
generic/042 generic/392 generic/417 generic/468 generic/474 generic/505 generic/506 generic/507
generic/508 generic/530 generic/536 generic/599 generic/623 generic/635 generic/646 generic/737 generic/766
generic/034 generic/039 generic/040 generic/041 generic/056 generic/057 generic/059 generic/065 generic/066
generic/073 generic/090 generic/101 generic/104 generic/106 generic/107 generic/321 generic/322 generic/325
generic/335 generic/336 generic/341 generic/342 generic/343 generic/376 generic/388 generic/475
generic/479 generic/480 generic/481 generic/483 generic/498 generic/502 generic/509 generic/510 generic/512
generic/520 generic/526 generic/527 generic/534 generic/535 generic/547 generic/552 generic/557'
ours='ext4/901 ext4/902 ext4/903' # what the module cures
each=900 own_each=300              # seconds, then it hangs

[ -x "${XFSTESTS:-none}/ltp/fsstress" ] ||
	die "XFSTESTS=FOLDER is to be an installed xfstests (there is ${XFSTESTS:-none}); get and make it by the README of https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git"
[ $# = 1 ] || [ $# = 2 ] || die "which kernel of tests/kernels?"
id=$(kernel_id "$1") patched='' what='the module'
if [ $# = 2 ]; then
	patched=$(kernel_id "$2") what='the patches'
	ours+=' ext4/904 ext4/905 ext4/906'
fi
lock "xfstests@${patched:-$id}" # the same test from another checkout has the same log

# shellcheck source=system.sh
. "$top/tests/system.sh"

packages=acl,attr,bc,dmsetup,e2fsprogs,fio,file,gawk,initramfs-tools,kmod,libaio1t64,libcap2-bin,libgdbm6t64,lvm2
packages+=,passwd,perl,procps,psmisc,python3,quota,udev,util-linux-extra,uuid-runtime,xfsprogs

# make_system SUITE IMAGE
make_system() {
	root=$2.root
	make_root "$1" "$root" "$packages"
	for user in fsgqa fsgqa2 123456-fsgqa; do
		in_root useradd --badname -m -U "$user"
	done
	# Some tests ignore MKFS_OPTIONS
	sed -i '/^[[:space:]]*ext4 = {/,/}/s/features = .*/&,fast_commit/' "$root/etc/mke2fs.conf"
	grep -q fast_commit "$root/etc/mke2fs.conf"
	cat >"$root/etc/xfstests.config" <<-END
		export FSTYP=ext4 TEST_DIR=/mnt/test SCRATCH_MNT=/mnt/scratch RESULT_BASE=/tmp/results
		export TEST_DEV=/dev/vdc SCRATCH_DEV=/dev/vdd LOGWRITES_DEV=/dev/vde
	END
	mkdir -p "$root"/{mnt/test,mnt/scratch,lib/modules,var/lib/xfstests}
	mke2fs -q -F -t ext4 -d "$root" "$2" 3G
	rm -rf --one-file-system "$root"
}

# guest with|without SECONDS TEST...: what it says
guest() {
	local kernel=$id module=no options=()

	case $1,$patched in
	with,) module=yes options=(--module "$ko") ;;
	with,*) kernel=$patched ;;
	esac
	# Where the CPUs take turns fsyncs hardly overlap. Warnings are in the result of the test
	# that they come in
	PARALLEL=1 "$top/scripts/vm" --name "xfstests@${patched:-$id}-$1" --mem 2G --timeout 86400 --expect-console . "${options[@]}" \
		--add "$("$top/scripts/kernel" dir "$kernel")/build/.config:/test/config" \
		--disk "$system,snapshot=on" --disk "$work/xfstests,snapshot=on" --disk 4G --disk 10G --disk 2G \
		"$kernel" "$top/tests/guest/xfstests.sh" $module "$each" "${@:2}"
}

# run with|without SECONDS TEST...: in one VM after another, until all have run or it is late;
# TEST, result and seconds are in $work/with or $work/without
run() {
	local with=$1 end=$((SECONDS + $2)) left=("${@:3}") test

	: >"$work/$with"
	while [ ${#left[@]} -gt 0 ] && [ $SECONDS -lt $end ]; do
		guest "$with" $((end - SECONDS)) "${left[@]}" 2>"$work/trouble" | tee "$work/said" | sed -u 's/^/# /' || :
		sed -n 's/^result //p' "$work/said" >>"$work/$with"
		test=$(sed -n 's/^begin //p' "$work/said" | tail -n 1)
		if [ -z "$test" ] || grep -q '^# guest-exit: [1-9]' "$work/said"; then
			die "no test runs in the VM: $(tail -n 1 "$work/trouble")"
		fi
		grep -q "^$test " "$work/$with" || echo "$test dead 0" >>"$work/$with"
		mapfile -t left < <(printf '%s\n' "${left[@]}" | grep -vxFf <(cut -d' ' -f1 "$work/$with"))
	done
}

# of with|without TEST: its result
of() { awk -v test="$2" '$1 == test { print $2 }' "$work/$1"; }

system_of trixie xfstests-
prefix=
prepared=$("$top/scripts/test" --prepare "$id")
ko=${prepared%% *}
size=$(du -sm "$XFSTESTS" | cut -f1)
mke2fs -q -F -t ext4 -d "$XFSTESTS" "$work/xfstests" $((size * 3 / 2 + 100))M >"$work/said" 2>&1 || die "mke2fs: $(cat "$work/said")"

case ${TESTS-} in
'') tests=$quick ;;
all)
	tests=$(cd "$XFSTESTS/tests" && grep -lE "^_begin_fstest .*\<($groups)\>" {ext4,generic}/[0-9][0-9][0-9] |
		grep -v '/9[0-9][0-9]$')
	;;
*) tests=$TESTS ours= ;;
esac

# They may hang without the module: each in a VM of its own
for test in $ours; do
	[ -e "$XFSTESTS/tests/$test" ] || { pass "$test # SKIP not in this xfstests"; continue; }
	each=$own_each run without "$own_each" "$test"
	each=$own_each run with "$own_each" "$test"
	case $(of without "$test") in
	fail | hang | dead) pass "$test fails without $what" ;;
	*) fail "$test fails without $what: $(of without "$test")" ;;
	esac
	case $(of with "$test") in
	pass) pass "$test passes with $what" ;;
	*) fail "$test passes with $what: $(of with "$test")" ;;
	esac
done

# shellcheck disable=SC2086 # words
run without "${LIMIT:-3600}" $tests
mapfile -t ran < <(cut -d' ' -f1 "$work/without")
run with 86400 "${ran[@]}"
for test in "${ran[@]}"; do
	both="$(of without "$test") without $what, $(of with "$test") with"
	case $both in
	notrun*notrun*) pass "$test # SKIP $both" ;;
	pass*pass* | fail* | hang* | dead*) pass "$test: $both" ;;
	*) fail "$test: $both" ;;
	esac
done
echo "# without: $(cut -d' ' -f2 "$work/without" | sort | uniq -c | xargs); with: $(cut -d' ' -f2 "$work/with" | sort | uniq -c | xargs)"
echo "# $(($(wc -w <<<"$tests") - ${#ran[@]})) tests were not begun"
finish
