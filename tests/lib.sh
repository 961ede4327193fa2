# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests share that run on the host, in the words of tests/guest/lib.sh, which is for
# those in a VM. First line of such a test: . "$(dirname "$0")/lib.sh"
# Results are TAP; the last line of a test is `finish'. What is in scripts/lib.sh is here, too.

# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

# Gone when the test ends. What was said last goes to $work/said: it is shown with a failure
work=$(scratch "$(basename "$0" .t)")
trap 'rm -rf --one-file-system "$work"' EXIT

# $prefix: of the names of the results that follow
count=0 failed=0 prefix=''

# pass NAME, fail NAME [DETAIL]: one result
pass() { count=$((count + 1)); echo "ok $count - $prefix$1"; }
fail() {
	count=$((count + 1)) failed=$((failed + 1))
	echo "not ok $count - $prefix$1"
	[ $# -lt 2 ] || note "$2"
	[ ! -s "$work/said" ] || tail -n 30 "$work/said" | sed 's/^/# /'
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# is GOT WANT NAME
is() { if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "got '$1', want '$2'"; fi; }

# ok NAME COMMAND...: the command succeeds
ok() { if "${@:2}" >"$work/said" 2>&1; then pass "$1"; else fail "$1" "$2 -> exit $?"; fi; }

# refuses TEXT NAME COMMAND...: the command fails and says TEXT
refuses() {
	if "${@:3}" >"$work/said" 2>&1; then
		fail "$2" "it succeeded"
	elif grep -qF -e "$1" "$work/said"; then
		pass "$2"
	else
		fail "$2" "it does not say: $1"
	fi
}

# results: those of another program, from its TAP on stdin, as ours
results() {
	local line

	while IFS= read -r line; do
		case $line in
		'ok '*) pass "${line#*- }" ;;
		'not ok '*) : >"$work/said"; fail "${line#*- }" ;;
		'# guest-exit'*) ;;
		'#'* | 'Bail out!'*) printf '%s\n' "$line" ;;
		esac
	done
}

# vm OPTION...: scripts/vm with these; the results are ours
vm() {
	local status=0

	"$top/scripts/vm" "$@" >"$work/vm" || status=$?
	results <"$work/vm"
	# The shell's own status of failed tests is 1, and they have been counted
	[ $status = 0 ] || grep -q '^not ok' "$work/vm" || fail "the VM runs to its end, its log is clean"
}

# finish: the plan; exits 1 when anything failed
finish() {
	echo "1..$count"
	[ $failed = 0 ]
	exit
}
