#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command without a VM and without root: its unit tests under the address
# sanitizer, 20 seconds of libFuzzer for what it parses, its command line, --help
# and man page, the examples of doc/monitoring.md, and make where it cannot build.
# A parser that reads one byte too far is found by the first two.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

clang=$(compiler clang)
# shellcheck disable=SC2086 # words
need make gcc "clang-$clang" "libclang-rt-$clang-dev" $cli_libraries \
	libcmocka-dev e2fsprogs ansible-core man-db groff-base bash-completion
chmod 755 "$work"

warnings='-g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer'
libs=(libkmod mount smartcols ext2fs com_err json-c cmocka)
# shellcheck disable=SC2046,SC2086 # words
build_unit() {
	gcc $warnings -fsanitize=address,undefined -fno-sanitize-recover=all '-DVERSION="test"' -o "$work/unit" \
		$(pkg-config --cflags "${libs[@]}") "$work/tests/cli/unit.c" "$work"/src/cli/{parse,gather,remedy,report}.c \
		$(pkg-config --libs "${libs[@]}")
}
# shellcheck disable=SC2086
build_fuzz() {
	"clang-$clang" $warnings -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$work/fuzz" \
		"$work/tests/cli/fuzz.c" "$work/src/cli/parse.c"
}
nobody() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi; }
unit() { build_unit && (cd /tmp && nobody "$work/unit"); }
fuzz() {
	mkdir -p "$work/corpus"
	printf '"Resize":\t1\n3 commits\n' >"$work/corpus/fc_info"
	echo "protected (mark, hold=0)" >"$work/corpus/state"
	echo "proxmox-kernel-6.1.0-44-amd64-signed" >"$work/corpus/owner"
	echo " asymmetri Acme: DKMS: 12ab: X509.rsa" >"$work/corpus/key"
	echo "6,1,2,-;EXT4-fs (dm-0): resizing" >"$work/corpus/log"
	build_fuzz && (cd "$work" && ./fuzz -max_total_time="$1" -max_len=300 -print_final_stats=1 corpus)
}

mkdir "$work/tests"
cp -r "$top/src" "$work"
cp -r "$top/tests/cli" "$work/tests"
ok "unit tests, as nobody" unit
ok "20 seconds of fuzzing" fuzz 20
echo "# $(sed -n 's/^stat::number_of_executed_units: */inputs: /p' "$work/said")"

# The negative: the end of the text is overlooked
sed -i 's/while (left) {/while (left + 1) {/' "$work/src/cli/parse.c"
refuses "ERROR: AddressSanitizer" "unit tests find a parser that reads one byte too far" unit
refuses "ERROR: AddressSanitizer" "so does fuzzing" fuzz 20

ok "make cli" make -s -C "$top/src/cli" O="$work"
cli=$work/ext4-fc-resize-fix
ok "--version is that of dkms.conf" grep -qF "PACKAGE_VERSION=\"$("$cli" --version | cut -d' ' -f2)\"" "$top/dkms.conf"
# help_fits [COMMAND]: on a screen
help_fits() { "$cli" "$@" --help | awk 'length > 80 { exit 1 } END { exit !(NR > 3 && NR < 24) }'; }
ok "--help fits on a screen" help_fits
for command in status check selftest recover; do
	ok "$command has a --help of its own" help_fits "$command"
	is_usage() { "$cli" --help "$command" | grep -qxE "Usage: ext4-fc-resize-fix $command( .*)?"; }
	ok "--help $command is the same" is_usage
done
is "$("$cli" -V)" "$("$cli" --version)" "-V is --version"

# wrong TEXT WORD...: one line that names what is wrong, exit 3
wrong() {
	local status=0

	"$cli" "${@:2}" >"$work/out" 2>&1 || status=$?
	cat "$work/out"
	[ "$status" = 3 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -qF -e "$1" "$work/out"
}
ok "no command: it says which there are" wrong "status, check, selftest or recover? See --help"
ok "an unknown command is named" wrong "unknown command 'statsu'" statsu
ok "an unknown option is named" wrong "unrecognized option '--jsn'" status --jsn
ok "an unknown short one, too" wrong "invalid option -- 'x'" -x status
ok "a word too many is named" wrong "unexpected word 'all'" check all
ok "an option that a command does not have" wrong "selftest has no --json" selftest --json
ok "recover wants to know what" wrong "recover which device?" recover
ok "recover says what is no device" wrong "/etc: Block device required" recover /etc
ok "nothing that is named controls the terminal" wrong "unknown command '?[2J'" $'\e[2J'
json() {
	"$cli" "$@" | python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["verdict"], o["message"])' >"$work/json"
	cat "$work/json" && [ "$(wc -l <"$work/json")" = 1 ]
}
# Exit status aside, which depends on the machine
set +o pipefail
ok "status --json" json status --json
ok "--json status" json --json status
ok "check -j" json check -j
ok "-j check" json -j check
set -o pipefail
slashes() { "$cli" status --json | awk '/\\\// { print; bad = 1 } END { exit bad }'; }
ok "json has no \\/" slashes

full() { "$cli" --help >/dev/full; }
refuses "No space left" "a full disk is an error" full
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
# documented FILE: it has each parameter and each status file of the module
documented() {
	local name
	for name in state missed $(sed -nE 's/^(.*X|module_param_named)\(([a-z_]+).*/\2/p' "$top"/src/module/{stats.h,main.c}); do
		grep -q "\\b$name\\b" "$1" || { echo "not in ${1##*/}: $name"; return 1; }
	done
}
ok "the man page has each parameter and status file" documented "$top/src/cli/ext4-fc-resize-fix.8"
ok "so has doc/module.md" documented "$top/doc/module.md"
# complete WORD...: what completion offers for the last of them
completed() {
	bash -c '. /usr/share/bash-completion/bash_completion
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		_ext4_fc_resize_fix
		echo "${COMPREPLY[*]}"' "$top/src/cli/completion.bash" "$@"
}
is "$(completed ext4-fc-resize-fix s)" "status selftest" "completion of a command"
is "$(completed ext4-fc-resize-fix status -)" "--json --help" "completion of an option"
is "$(completed ext4-fc-resize-fix --j)" "--json" "completion of an option before the command"
is "$(completed ext4-fc-resize-fix --json c)" "check" "completion of a command after an option"
is "$(completed ext4-fc-resize-fix selftest -)" "--help" "completion of what there is"

# --- doc/monitoring.md, with a command that says what is wanted ---

# block LANGUAGE: the block of the document
block() { awk -v begin="\`\`\`$1" '$0 == "```" { inside = 0 } inside { print } $0 == begin { inside = 1 }' "$top/doc/monitoring.md"; }
mkdir "$work/bin" "$work/textfile"
cat >"$work/bin/ext4-fc-resize-fix" <<'END'
#!/bin/sh
case "$*" in
check) echo "$SAY: this | holds=5 refused=0 unprotected=0 missed=U" ;;
"check --json") echo "{ \"verdict\": \"$SAY\", \"message\": \"the message\" }" ;;
*) exit 9 ;;
esac
exit "$EXIT"
END
chmod +x "$work/bin/ext4-fc-resize-fix"
monitored() { env PATH="$work/bin:$PATH" SAY="$1" EXIT="$2" "${@:3}"; }
block sh >"$work/textfile.sh"
textfile() {
	monitored WARNING 1 sh "$work/textfile.sh" "$work/textfile" && [ "$(ls "$work/textfile")" = ext4_fc_resize_fix.prom ] &&
		cat "$work/textfile/ext4_fc_resize_fix.prom" &&
		[ "$(tr '\n' ' ' <"$work/textfile/ext4_fc_resize_fix.prom")" = \
			"ext4_fc_resize_fix_check 1 ext4_fc_resize_fix_holds_total 5 ext4_fc_resize_fix_refused_total 0 ext4_fc_resize_fix_unprotected_total 0 " ]
}
ok "the script for node_exporter" textfile
block yaml >"$work/playbook.yml"
playbook() {
	monitored "$1" "$2" env ANSIBLE_NOCOLOR=1 ANSIBLE_LOCAL_TEMP="$work/ansible" ansible-playbook "${@:3}" \
		-i localhost, -c local -e ansible_become=false -e ansible_remote_tmp="$work/ansible" "$work/playbook.yml"
}
ok "Ansible: OK" playbook OK 0
is "$(grep -c 'the message' "$work/said")" 0 "Ansible: OK, nothing is shown"
ok "Ansible: a warning, with --check" playbook WARNING 1 --check
is "$(grep -c 'msg.*the message' "$work/said")" 1 "Ansible: a warning is shown"
refuses "non-zero return code" "Ansible: exposed" playbook EXPOSED 2
refuses "failed=1" "Ansible: cannot tell" playbook UNKNOWN 3

# --- make without headers, without libraries ---

tree=$work/tree
mkdir -p "$tree/src/module"
cp "$top"/{Makefile,Kbuild,dkms.conf} "$tree"
cp -r "$top"/{src,scripts} "$tree"
# one_line TEXT COMMAND...: it fails with one line, of make's, which says this
one_line() {
	! "${@:2}" >"$work/out" 2>&1 || return
	cat "$work/out"
	[ "$(grep -vcE '^make(\[[0-9]+\])?: (Entering|Leaving|\*\*\* \[)' "$work/out")" = 1 ] && grep -qF -e "$1" "$work/out"
}
leavings="ext4_fc_resize_fix.ko ext4_fc_resize_fix.mod.c .ext4_fc_resize_fix.ko.cmd modules.order Module.symvers
	src/module/hold.o src/module/.hold.o.cmd src/cli/ext4-fc-resize-fix"
cleans() {
	(cd "$tree" && for file in $leavings; do : >"$file"; done)
	make -C "$tree" clean "$@" || return
	for file in $leavings; do [ ! -e "$tree/$file" ] || { echo "$file is left"; return 1; }; done
	[ -e "$tree/src/module/hold.c" ] && [ -e "$tree/src/cli/main.c" ]
}
ok "make module without headers says so in one line" one_line "no headers of the kernel 6.0-none" \
	make -C "$tree" module KERNELRELEASE=6.0-none
# A pkg-config that has nothing
printf '#!/bin/sh\nexit 1\n' >"$work/bin/pkg-config"
chmod +x "$work/bin/pkg-config"
ok "make cli without libraries says which" one_line "apt-get install $cli_libraries" \
	env PATH="$work/bin:$PATH" make -C "$tree" cli
ok "make clean cleans without headers and libraries" cleans KERNELRELEASE=6.0-none PATH="$work/bin:$PATH"
finish
