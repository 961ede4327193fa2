#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command without a VM and without root: its unit tests under the address
# sanitizer, 20 seconds of libFuzzer for what it parses, --help and its man page.
# A parser that reads one byte too far is found by either.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

# shellcheck disable=SC2086 # words
need make gcc clang-14 libclang-rt-14-dev $cli_libraries \
	libcmocka-dev man-db groff-base bash-completion
work=$(scratch cli)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

count=0
# result ok|"not ok" NAME: the latter with what was said
result() {
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || tail -n 30 "$work/said" | sed 's/^/# /'
}
# ok NAME COMMAND...: it succeeds; fails TEXT NAME COMMAND...: it does not, and says TEXT
ok() { if "${@:2}" >"$work/said" 2>&1; then result ok "$1"; else result "not ok" "$1"; fi; }
fails() {
	if ! "${@:3}" >"$work/said" 2>&1 && grep -qF -e "$1" "$work/said"; then
		result ok "$2"
	else
		result "not ok" "$2"
	fi
}

warnings='-g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer'
libs=(libkmod mount ext2fs com_err json-c cmocka)
# shellcheck disable=SC2046,SC2086 # words
build_unit() {
	gcc $warnings -fsanitize=address,undefined -fno-sanitize-recover=all '-DVERSION="test"' -o "$work/unit" \
		$(pkg-config --cflags "${libs[@]}") "$top/tests/cli/unit.c" "$work"/src/{parse,gather,report}.c \
		$(pkg-config --libs "${libs[@]}")
}
# shellcheck disable=SC2086
build_fuzz() {
	clang-14 $warnings -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$work/fuzz" \
		"$work/fuzz.c" "$work/src/parse.c"
}
nobody() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi; }
unit() { build_unit && (cd /tmp && nobody "$work/unit"); }
fuzz() {
	mkdir -p "$work/corpus"
	printf '"Resize":\t1\n3 commits\n' >"$work/corpus/fc_info"
	echo "protected (mark, hold=0)" >"$work/corpus/state"
	build_fuzz && (cd "$work" && ./fuzz -max_total_time="$1" -max_len=300 -print_final_stats=1 corpus)
}

cp -r "$top/src/cli" "$work/src"
sed 's,../../src/cli/,src/,' "$top/tests/cli/fuzz.c" >"$work/fuzz.c"
ok "unit tests, as nobody" unit
ok "20 seconds of fuzzing" fuzz 20
echo "# $(sed -n 's/^stat::number_of_executed_units: */inputs: /p' "$work/said")"

# The negative: the end of the text is overlooked
sed -i 's/while (left) {/while (left + 1) {/' "$work/src/parse.c"
fails "ERROR: AddressSanitizer" "unit tests find a parser that reads one byte too far" unit
fails "ERROR: AddressSanitizer" "so does fuzzing" fuzz 20

ok "make cli" make -s -C "$top/src/cli" O="$work"
cli=$work/ext4-fc-resize-fix
ok "--version is that of dkms.conf" grep -qF "PACKAGE_VERSION=\"$("$cli" --version | cut -d' ' -f2)\"" "$top/dkms.conf"
help_fits() { "$cli" --help | awk 'length > 80 { exit 1 } END { exit !(NR > 5 && NR < 24) }'; }
ok "--help fits on a screen" help_fits
full() { "$cli" --help >/dev/full; }
fails "No space left" "a full disk is an error" full
man_clean() { LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$top/src/cli/ext4-fc-resize-fix.8" 2>&1 >/dev/null |
	awk '{ print } END { exit NR > 0 }'; }
ok "the man page has no errors" man_clean
# Each key of --json is in the man page
keys() {
	local key
	for key in $("$cli" status --json | sed -n 's/^ *"\([a-z_]*\)":.*/\1/p' | sort -u); do
		grep -q "\\b$key\\b" "$top/src/cli/ext4-fc-resize-fix.8" || { echo "not in the man page: $key"; return 1; }
	done
}
ok "the man page has each key of --json" keys
# complete WORD...: what completion offers for the last of them
complete_() {
	bash -c '. /usr/share/bash-completion/bash_completion
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		_ext4_fc_resize_fix
		echo "${COMPREPLY[*]}"' "$top/src/cli/completion.bash" "$@"
}
is() { [ "$1" = "$2" ] || { echo "got '$1', want '$2'"; return 1; }; }
ok "completion of a command" is "$(complete_ ext4-fc-resize-fix s)" "status selftest"
ok "completion of an option" is "$(complete_ ext4-fc-resize-fix status -)" "--json"
ok "completion of nothing" is "$(complete_ ext4-fc-resize-fix check -)" ""
echo "1..$count"
