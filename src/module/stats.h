/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters, in /sys/module/ext4_fc_resize_fix/status/
 *
 * The one list of them: the command, src/cli, has it from here as well.
 * doc/module.md says what each counts.
 */
#ifndef EXT4_FC_RESIZE_FIX_STATS_H
#define EXT4_FC_RESIZE_FIX_STATS_H

#define FIX_STATS(X)              \
	X(marks_group_extend)     \
	X(marks_group_add)        \
	X(kernel_marks)           \
	X(holds)                  \
	X(holds_failed)           \
	X(unprotected)            \
	X(hold_longest_us)        \
	X(full_commits_hold)      \
	X(full_commits_flush)     \
	X(full_commits_successor) \
	X(overlaps)

#endif
