#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Do the four rules of src/module/hold.c suffice, whoever runs when?  Has spin go
# through all interleavings of model/fc.pml: with the rules nothing may be
# found, without one of them what it is there for has to be.
#
#   tests/model.t
#   tests/model.t upstream	the same of the patches of doc/upstream, instead of the rules
#
# Takes spin, gcc, 1 GB of memory and two minutes of one core.  A
# search that finds what it should not prints how it comes to that.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

model=$top/tests/model/fc.pml
old=-DLOCK_ORDER_OLD # up to 6.15; without it, the order of 6.16 on

need spin gcc
tmp=$work/spin
mkdir "$tmp"

# search FLAGS [PAN_OPTION]: leaves what pan says in $tmp/out, a way to an error
# in $tmp/fc.pml.trail.  MEMLIM is in MB, -m a depth (less than 200 is needed),
# -w for 2^24 hash slots.
search() {
	read -ra flags <<<"$1"
	rm -f "$tmp"/*
	(
		cd "$tmp" &&
			cp "$model" fc.pml &&
			spin -a "${flags[@]}" fc.pml &&
			gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=1900 -o pan pan.c &&
			./pan -m1000 -w24 ${2:+"$2"}
	) >"$tmp/out" 2>&1
}

# result GOOD DESCRIPTION
result() {
	local states

	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored$/\1/p' "$tmp/out")
	if [ "$1" = 1 ]; then
		pass "$2; ${states:-no} states"
		return
	fi
	fail "$2; ${states:-no} states"
	sed 's/^/# /' "$tmp/out"
	[ -e "$tmp/fc.pml.trail" ] || return 0
	(cd "$tmp" && spin -t -p -g "${flags[@]}" fc.pml) | sed 's/^/# /'
}

# none DESCRIPTION FLAGS: nothing is found, nothing is left out of the search,
# and every statement of the model has been executed (kjournald has no end)
none() {
	local good=1

	search "$2"
	grep -q 'errors: 0$' "$tmp/out" || good=0
	grep -qiE 'not completed|too small|memlim|out of memory|aborted' "$tmp/out" && good=0
	[ "$(grep -cE '^	.*, state [0-9]+, ' "$tmp/out")" = 1 ] || good=0
	grep -qE '^	.*, state [0-9]+, "-end-"$' "$tmp/out" || good=0
	result "$good" "$1: expect nothing"
}

# finds DESCRIPTION WHAT FLAGS: looks for deadlocks and at nothing else, or the
# other way round, and finds WHAT
finds() {
	local ignore=-E message="assertion violated  !($2)" good=1

	if [ "$2" = deadlock ]; then
		ignore=-A
		message='invalid end state'
	fi
	search "$3" "$ignore"
	grep -qF "pan:1: $message (at" "$tmp/out" || good=0
	result "$good" "$1: expect $2"
}

if [ "${1-}" = upstream ]; then
	stock='-DNO_HOLD -DNO_FLUSH_RULE -DNO_OVERLAP_RULE -DNO_SUCCESSOR_RULE -DFORGIVE_OVERLAP -DMARK -DTRACKED'
	none 'all patches' "$stock -DPATCH_1 -DPATCH_2 -DPATCH_3 -DADD_GROUP"
	finds 'no patch' deadlock "$stock"
	finds 'all but 1' deadlock "$stock -DPATCH_2 -DPATCH_3"
	finds 'all but 2' gap "$stock -DPATCH_1 -DPATCH_3"
	finds 'a mark in the handle instead of 2, a group is added' gap \
		"$stock -DPATCH_1 -DPATCH_3 -DMARK_IN_HANDLE -DADD_GROUP"
	finds 'all but 3' fc_on_empty "$stock -DPATCH_1 -DPATCH_2"
	finds 'all but 3' lost "$stock -DPATCH_1 -DPATCH_2 -DONLY_LOST"
	# What the patches do not keep from happening
	finds 'a fast commit between a full one'\''s clearing JBD2_FLUSHED and its start' shown \
		"$stock -DPATCH_1 -DPATCH_2 -DPATCH_3 -DSHOW=SLIP"
	finds 'a fast commit of new blocks after the resize' shown \
		"$stock -DPATCH_1 -DPATCH_2 -DPATCH_3 -DSHOW=AFTER"
	finish
fi
none 'all rules, up to 6.15' "$old"
none 'all rules, 6.16 on' ''
none 'all rules and the mark, up to 6.15' "$old -DMARK"
none 'all rules and the mark, 6.16 on' '-DMARK'
none 'all rules, the mark and an attribute, up to 6.15' "$old -DMARK -DXATTR"
none 'all rules, the mark and an attribute, 6.16 on' '-DMARK -DXATTR'
none 'all rules, what is marked goes on in the next transaction, up to 6.15' "$old -DMARK -DXATTR -DRESTART"
none 'all rules, what is marked goes on in the next transaction, 6.16 on' '-DMARK -DXATTR -DRESTART'

# What can happen in these, lest nothing is found because nothing happens
finds 'fast commit between a full one'\''s clearing JBD2_FLUSHED and its start' shown -DSHOW=SLIP
finds 'task past the check before the hold, sent home during it' shown -DSHOW=STRAGGLER
finds 'fast commit of new blocks after the resize' shown -DSHOW=AFTER

finds 'mark only, up to 6.15' deadlock "$old -DNO_HOLD -DMARK"
finds 'mark only, 6.16 on' deadlock '-DNO_HOLD -DMARK'
finds 'mark only, up to 6.15' gap "$old -DNO_HOLD -DMARK"
finds 'mark only, 6.16 on' gap '-DNO_HOLD -DMARK'
finds 'hold without its commit, up to 6.15' deadlock "$old -DNO_FORCE_COMMIT"
finds 'hold without its commit, 6.16 on' deadlock '-DNO_FORCE_COMMIT'
finds 'no rule for flushes' fc_on_empty '-DNO_FLUSH_RULE'
finds 'no rule for flushes, up to 6.15' lost "$old -DNO_FLUSH_RULE -DONLY_LOST"
finds 'no rule for flushes, 6.16 on' lost '-DNO_FLUSH_RULE -DONLY_LOST'

finds 'no rule for overlaps, up to 6.15' lost "$old -DNO_OVERLAP_RULE"
finds 'no rule for overlaps, 6.16 on' lost '-DNO_OVERLAP_RULE'
finds 'no rule for successors, up to 6.15' lost "$old -DMARK -DXATTR -DNO_SUCCESSOR_RULE"
finds 'no rule for successors, 6.16 on' lost '-DMARK -DXATTR -DNO_SUCCESSOR_RULE'
finds 'a mark that ends before its operation, up to 6.15' lost "$old -DMARK -DXATTR -DRESTART -DNO_LASTING_MARK"
finds 'a mark that ends before its operation, 6.16 on' lost '-DMARK -DXATTR -DRESTART -DNO_LASTING_MARK'

# A bug of the kernel that no rule is about, see "Left out" there
finds 'change between a commit'\''s cleanup and its end, up to 6.15' lost "$old -DWINDOW"
finds 'change between a commit'\''s cleanup and its end, 6.16 on' lost -DWINDOW
finish
