#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# With the module (hold=0) an unfixed kernel counts in fc_info, step by step of
# tests/guest/parity.sh, what the fixed kernel of the same version counts without
# it; without the module it does not.
#
# 5.10 was never fixed: of it the column "Resize" is compared to that of 6.1.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# transcripts ID fixed|unfixed: the two transcripts of a kernel
transcripts() {
	ok "$1: the script ran, without and with the module" "$top/scripts/test" "parity@$1:$2"
	sed -n 's/^# without: //p' "$work/said" >"$work/$1.without"
	sed -n 's/^# with: //p' "$work/said" >"$work/$1.with"
}

marks() { sed -E 's/;.*("Resize" [0-9]+).*/; \1/; t; s/;.*//' "$work/$1" | grep -v '^checkpoint'; }

# alike FILE FILE: and there is something in it
alike() { [ -s "$2" ] && diff "$1" "$2"; }

newest=$(kernel_id fixed)
transcripts 6.1 fixed
transcripts 6.1-unfixed unfixed
transcripts "$newest" fixed
transcripts "$newest-unfixed" unfixed
transcripts 5.10 unfixed

for id in 6.1 "$newest"; do
	ok "$id: unfixed with the module is like fixed without" alike "$work/$id-unfixed.with" "$work/$id.without"
	refuses differ "$id: unfixed without the module is not" cmp "$work/$id-unfixed.without" "$work/$id.without"
done
ok "5.10: with the module the same \"Resize\" as 6.1, fixed" diff <(marks 5.10.with) <(marks 6.1.without)
finish
