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
#include "stats.h"

/*
 * The functions of the table in main.c. Those from FIX_NR_MARK on only with
 * hold=1. The one that is called most is last: the hook looks from there.
 */
enum {
	FIX_SELFTEST,
	FIX_TASK_WORK_ADD,
	FIX_MARK_INELIGIBLE,
	FIX_RESIZE_BEGIN,
	FIX_RESIZE_END,
	FIX_GROUP_EXTEND,
	FIX_GROUP_ADD,
	FIX_NR_MARK,
	FIX_FORCE_COMMIT = FIX_NR_MARK,
	FIX_COMPLETE_TRANSACTION,
	FIX_FC_COMMIT,
	FIX_NR,
};

extern struct redirect fix_redirects[FIX_NR];
extern bool fix_hold, fix_overlap, fix_successor, fix_disable;

/* How much of the table is in use */
static inline int fix_nr(void)
{
	return fix_hold ? FIX_NR : FIX_NR_MARK;
}

/* sysfs.c: the counters of stats.h, atomic_long_inc(fix_stat(holds)) */
#define FIX_STAT(name) FIX_STAT_##name,
enum { FIX_STATS(FIX_STAT) FIX_STAT_NR };

extern atomic_long_t fix_stats[FIX_STAT_NR];

#define fix_stat(name) (&fix_stats[FIX_STAT_##name])

/**
 * struct resize - a resize ioctl between ext4_resize_begin() and _end()
 * @node: in the table of resizes, by @sb, until the resize ends
 * @sb: the filesystem
 * @task: whose ioctl it is
 * @begin: when
 * @marks: the counter of ext4_group_extend() or ext4_group_add(), if one of them
 *	has returned; else NULL
 * @marked: we have marked
 * @kernel_marked: the kernel has marked, after @marks was set
 * @work: runs when the task returns to user mode, the last that is seen of it
 * @name: of the filesystem, for messages when it may be gone
 */
struct resize {
	struct hlist_node node;
	struct super_block *sb;
	struct task_struct *task;
	ktime_t begin;
	atomic_long_t *marks;
	bool marked;
	bool kernel_marked;
	struct callback_head work;
	char name[sizeof_field(struct super_block, s_id)];
};

/* resize.c */
extern int resize_nr;
int resize_begin(struct super_block *sb);
int resize_end(struct super_block *sb, unsigned long update_backups);
struct resize *resize_find(struct super_block *sb, struct task_struct *task);

/* mark.c */
int mark_group_extend(struct super_block *sb, struct ext4_super_block *es,
		      unsigned long long n_blocks_count);
int mark_group_add(struct super_block *sb, struct ext4_new_group_data *input);
int mark_ineligible(struct super_block *sb, int reason, handle_t *handle);
bool mark_wanted(unsigned long sb, unsigned long reason);
void mark_resize_end(struct resize *r);

/* hold.c */
int hold_begin(struct super_block *sb);
int hold_fc_commit(journal_t *journal, tid_t tid);
bool hold_wanted(unsigned long journal, unsigned long tid);
void hold_mark_begin(struct super_block *sb);
void hold_mark_end(void);
void hold_forget(void);
void hold_exit(void);

/* sysfs.c */
const char *fix_state(void);
void fix_watch_begin(void);
void fix_watch_end(void);
int fix_sysfs_create(void);
void fix_sysfs_remove(void);

#endif
