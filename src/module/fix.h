/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share
 */
#ifndef EXT4_FC_RESIZE_FIX_H
#define EXT4_FC_RESIZE_FIX_H

#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "redirect.h"

/* The functions of the table in main.c. Those from FIX_NR on only with hold=1 */
enum {
	FIX_MARK_INELIGIBLE,
	FIX_RESIZE_END,
	FIX_GROUP_EXTEND,
	FIX_GROUP_ADD,
	FIX_RESIZE_BEGIN,
	FIX_SELFTEST,
	FIX_NR,
	HOLD_FORCE_COMMIT = FIX_NR,
	HOLD_FC_COMMIT,
	HOLD_NR,
};

extern struct redirect redirects[HOLD_NR];
extern bool hold, disable;

/* How much of the table is in use */
static inline int fix_nr(void)
{
	return hold ? HOLD_NR : FIX_NR;
}

/* sysfs.c: the counters, in /sys/module/ext4_fc_resize_fix/ */
enum fix_stat {
	STAT_MARKS_GROUP_EXTEND,
	STAT_MARKS_GROUP_ADD,
	STAT_KERNEL_MARKS,
	STAT_HOLDS,
	STAT_HOLDS_FAILED,
	STAT_UNPROTECTED,
	STAT_HOLD_LONGEST_US,
	STAT_FULL_COMMITS_HOLD,
	STAT_FULL_COMMITS_FLUSH,
	STAT_NR,
};

extern atomic_long_t stats[STAT_NR];

/**
 * struct resize - a resize ioctl between ext4_resize_begin() and _end()
 * @node: in the table of resizes, by @sb
 * @sb: the filesystem
 * @task: whose ioctl it is
 * @begin: when
 * @group_op: ext4_group_extend() or ext4_group_add() has returned
 * @stat: which of the two it was: the counter of our marks
 * @marked: we have marked
 * @kernel_marked: the kernel has marked, after @group_op
 * @rcu: probe handlers look at resizes under RCU
 */
struct resize {
	struct hlist_node node;
	struct super_block *sb;
	struct task_struct *task;
	ktime_t begin;
	bool group_op;
	enum fix_stat stat;
	bool marked;
	bool kernel_marked;
	struct rcu_head rcu;
};

/* mark.c */
int mark_group_extend(struct super_block *sb, struct ext4_super_block *es,
		      unsigned long long n_blocks_count);
int mark_group_add(struct super_block *sb, struct ext4_new_group_data *input);
bool mark_watch(unsigned long sb, unsigned long reason);
void mark_resize_end(struct resize *r);

/* hold.c */
int hold_resize_begin(struct super_block *sb);
int hold_resize_end(struct super_block *sb, unsigned long update_backups);
int hold_fc_commit(journal_t *journal, tid_t tid);
bool hold_wanted(unsigned long journal, unsigned long tid);
struct resize *hold_find(struct super_block *sb, struct task_struct *task);

/* sysfs.c */
const char *fix_state(void);
void fix_watch_begin(void);
void fix_watch_end(void);
int fix_sysfs_create(void);
void fix_sysfs_remove(void);

#endif
