#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The runner itself, scripts/test and scripts/check: a name that does not exist is refused in
# one line before anything is downloaded; a test that fails, or does not end, fails its suite;
# what has passed is not run again with --rest unless something was changed. And a line of
# tests/kernels with a mistake is named. In a copy of the tree, with tests of its own.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

need perl
tree=$work/tree
mkdir "$tree"
cp -r "$top"/{Kbuild,Makefile,dkms.conf,packaging,scripts,src,tests} "$tree"
export EXT4_FC_CACHE=$work/cache

# one_line NAME TEXT COMMAND...: it is refused by one line with TEXT, and the cache is empty
one_line() {
	refuses "$2" "$1: it says so" "${@:3}"
	is "$(wc -l <"$work/said"), $(find "$EXT4_FC_CACHE" -type f ! -path '*/lock/*' | wc -l) files" "1, 0 files" "$1: in one line, nothing is downloaded"
}

one_line "no such test" "no test nosuch: there is no tests/nosuch.t" "$tree/scripts/test" nosuch
one_line "no such test in a VM" "no test nosuch@newest: there is no tests/guest/nosuch.sh" "$tree/scripts/test" nosuch@newest
one_line "no kernel" "fix runs in a VM, fix@KERNEL" "$tree/scripts/test" fix
one_line "no such kernel" "no kernel nosuch in tests/kernels; there are: " "$tree/scripts/test" fix@nosuch:fixed
one_line "no such kernel to fetch" "no kernel nosuch in tests/kernels; there are: " "$tree/scripts/kernel" fetch nosuch
one_line "no such suite" "no suite nosuch in tests/suites; there are: " "$tree/scripts/check" nosuch
one_line "no such test of a suite" "no test of check matches nosuch" "$tree/scripts/check" check nosuch

# suite LINE...: tests/suites has only these
suite() { printf '%s\n' "$@" >"$tree/tests/suites"; }

suite "check nosuch - -" "check fine - -"
one_line "a suite with no such test" "no test nosuch: " "$tree/scripts/check"

# kernel LINE: a mistake in tests/kernels
kernel() {
	cp "$top/tests/kernels" "$tree/tests/kernels"
	echo "$1" >>"$tree/tests/kernels"
}

kernel '9-cloud linux-image-9\.0-cloud-amd64'
one_line "a kernel of two words" '9-cloud is a role of linux-image-9\.0-cloud-amd64, and no line has this id' "$tree/scripts/kernel" fetch 9-cloud
kernel '9-cloud linux-image-9\.0-cloud-amd64 trixie stock'
one_line "a kernel of four words" "has three words, id, image and ext4: 9-cloud" "$tree/scripts/kernel" fetch 9-cloud
kernel '9-cloud linux-image-9\.0-cloud-amd64 stok'
one_line "an unknown ext4" "9-cloud: ext4 is stock, unfixed, patched, patched-N or the NAME of a tests/NAME.config, not stok" "$tree/scripts/kernel" fetch 9-cloud

# test_of NAME LINE...: tests/NAME.t, which leaves a line in $work/NAME for each time that it ran
test_of() {
	printf '%s\n' '#!/bin/sh' "echo >>'$work/$1'" "${@:2}" >"$tree/tests/$1.t"
	chmod +x "$tree/tests/$1.t"
	: >"$work/$1"
}
runs() { wc -l <"$work/$1"; }

test_of good 'echo "ok 1 - good"' 'echo 1..1'
suite "check good - -"
ok "a test that passes: its suite passes" "$tree/scripts/check"
is "$(runs good)" 1 "it ran"
ok "--rest passes" "$tree/scripts/check" --rest
is "$(runs good)" 1 "it did not run again"
echo "# changed" >>"$tree/src/module/hold.c"
ok "--rest, and a file of the module has changed" "$tree/scripts/check" --rest
is "$(runs good)" 2 "it ran again"

test_of bad 'echo "not ok 1 - bad"' 'echo 1..1' 'exit 1'
test_of exits 'echo "ok 1 - exits"' 'echo 1..1' 'exit 1'
test_of short 'echo "ok 1 - short"' 'echo 1..2'
test_of silent
for name in bad exits short silent; do
	suite "check $name - -" "check good - -"
	refuses "$name" "$name fails its suite" "$tree/scripts/check"
	refuses "$name" "$name, once more with --rest" "$tree/scripts/check" --rest
	is "$(runs $name)" 2 "$name ran twice: a failure is not kept as passed"
done
finish
