#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The patches of doc/upstream/e2fsprogs, on Debian's source packages: what e2fsck
# recovers after a power cut without them, with all of them and with all but each
# one, that tune2fs, debugfs and fuse2fs leave alone what they cannot replay, and
# what the kernel recovers of the same.
#
#	e2fsprogs.t [SUITE...]		bookworm and trixie
#	e2fsprogs.t images DIR		makes such images by the kernel

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

id=$(kernel_id newest)

# boot ARG...: tests/guest/e2fsprogs.sh with these, on the disks in $disks
boot() {
	local fcr options=() disk

	for disk in $disks; do options+=(--disk "$disk"); done
	if [ "$1" = make ]; then
		read -r _ fcr < <("$top/scripts/test" --prepare "$id")
		options+=(--add "$fcr" --add /sbin/dmsetup --add /sbin/blockdev)
	fi
	"$top/scripts/vm" --name "e2fsprogs-$1@$id" --timeout 600 "${options[@]}" \
		"$id" "$top/tests/guest/e2fsprogs.sh" "$@" || :
}

if [ "${1-}" = images ]; then
	dir=${2:?}
	mkdir -p "$dir"
	disks=$work/disk
	for name in fast head cut full wrap; do disks+=" $work/$name"; done
	# shellcheck disable=SC2086 # words
	truncate -s 4M $disks
	boot make
	for name in fast head cut full wrap; do bzip2 -9c "$work/$name" >"$dir/$name.bz2"; done
	exit
fi

# failing BUILD TEST...: of e2fsprogs' own tests; prints the names of those that fail
failing() {
	local build=$1 status=0
	shift

	(cd "$build/build/tests" && rm -f ./*.ok ./*.failed && ./test_script "$@") >"$work/out" 2>&1 || status=$?
	grep -q '^[0-9]* tests succeeded' "$work/out" || die "e2fsprogs' test_script does not work: $(tail -n 1 "$work/out")"
	sed -n 's/^\([a-z_0-9]*\): .*: failed$/\1/p' "$work/out" | xargs
}

# recovered BUILD: for each image of j_fc_recover the exit status of e2fsck -fy, how
# many files are there, and the exit status of the second e2fsck
recovered() {
	failing "$1" j_fc_recover >/dev/null
	awk '/^Exit status is/ { status = $NF }
		/files are as they were written/ { files = $1 }
		/^Exit status of the second/ { print status "/" files "/" $NF }' "$1/build/tests/j_fc_recover.log" | xargs
}

# fuse2fs BUILD: does it change the image? There is nothing where it would mount it
fuse2fs() {
	local status=0

	bzip2 -dc "$1/tests/j_fc_recover/fast.bz2" >"$work/image"
	cp "$work/image" "$work/before"
	LD_LIBRARY_PATH=$1/build/lib timeout 60 "$1/build/misc/fuse2fs" "$work/image" "$work/nowhere" >"$work/out" 2>&1 ||
		status=$?
	sed 's/^/# fuse2fs: /' "$work/out" >&2
	if cmp -s "$work/image" "$work/before"; then
		echo "unchanged, exit $((status != 0)), $(grep -c 'fast commits that only e2fsck' "$work/out")"
	else
		echo "changed"
	fi
}

# The images in turn: fast head wrap cut, cut with nothing after it, full
stock='12/3/8 1/0/0 1/110/0 1/0/0 1/0/0 1/0/0'
whole='0/3/0 1/4/0 1/111/0 1/3/0 1/3/0 0/32/0'
# Without that one of the patches
without=(''
	'0/3/0 1/0/0 1/111/0 1/3/0 1/3/0 0/32/0'
	'0/3/0 1/4/0 1/110/0 1/3/0 1/3/0 0/32/0'
	'0/3/0 1/4/0 1/111/0 1/0/0 1/0/0 0/32/0'
	'0/3/0 1/4/0 1/111/0 1/3/0 1/3/0 1/0/0'
	'12/3/8 1/4/0 1/111/0 1/3/0 1/3/0 12/32/8')

[ $# -gt 0 ] || set -- bookworm trixie
for suite; do
	build=$("$top/scripts/e2fsprogs" "$suite" stock)
	version=$(sed -n 's/^#define E2FSPROGS_VERSION "\(.*\)"/\1/p' "$build/version.h")
	is "$(recovered "$build")" "$stock" "$version of $suite, stock: e2fsck loses files in each of the states"
	is "$(failing "$build" j_fc_refuse)" j_fc_refuse "$version, stock: tune2fs and debugfs drop the journal"
	is "$(fuse2fs "$build")" changed "$version, stock: fuse2fs drops the journal"

	build=$("$top/scripts/e2fsprogs" "$suite" patched)
	is "$(recovered "$build")" "$whole" "$version, patched: e2fsck recovers all"
	# shellcheck disable=SC2046 # words
	is "$(failing "$build" $(cd "$build/tests" && echo j_*))" "" "$version, patched: e2fsprogs' own j_* tests pass"
	echo "# $(grep '^[0-9]* tests succeeded' "$work/out")"
	is "$(fuse2fs "$build")" "unchanged, exit 1, 1" "$version, patched: fuse2fs refuses, and changes nothing"

	[ "$suite" = "$1" ] || continue
	for n in 1 2 3 4 5; do
		build=$("$top/scripts/e2fsprogs" "$suite" $n)
		is "$(recovered "$build")" "${without[n]}" "$version, without patch $n: e2fsck fails where it is needed"
	done
	build=$("$top/scripts/e2fsprogs" "$suite" 6)
	is "$(failing "$build" j_fc_refuse)" j_fc_refuse "$version, without patch 6: tune2fs and debugfs drop the journal"
done

# The kernel: fails where doc/upstream says so. And what stock e2fsck makes of the first
build=$("$top/scripts/e2fsprogs" "$1" stock)
states='fast:3 head:4 wrap:111 cut:fails full:fails after-stock-e2fsck:fails'
disks=
for state in $states; do
	state=${state%:*}
	disks+=" $work/$state"
	[ "$state" = after-stock-e2fsck ] || bzip2 -dc "$build/tests/j_fc_recover/$state.bz2" >"$work/$state"
done
cp "$work/fast" "$work/after-stock-e2fsck"
LD_LIBRARY_PATH=$build/build/lib "$build/build/e2fsck/e2fsck" -fy "$work/after-stock-e2fsck" >/dev/null 2>&1 || :
# shellcheck disable=SC2086 # words
boot recover $states >"$work/vm"
results <"$work/vm"
# shellcheck disable=SC2086 # words
is "$(grep -cE '^(not )?ok ' "$work/vm")" "$(wc -w <<<$states)" "the VM has looked at all of them"
finish
