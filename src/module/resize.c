// SPDX-License-Identifier: GPL-2.0
/*
 * Which filesystems are being resized, and by whom
 *
 * ext4_resize_begin() and ext4_resize_end() bracket all three resize ioctls, and
 * only one task at a time is between them on one filesystem. A resize is in the
 * table from the return of the first to the return of the second.
 *
 * What if its end never comes?
 *
 *   Where hooks can be switched off (redirect_kprobe.c), the end may go by
 *   unseen. But no resize outlives the system call that it is: at its beginning
 *   we leave a task_work, which runs when the task returns to user mode, or
 *   exits. What is still in the table then was not ended, and is taken out. So
 *   there is nothing in the table whose task is not in the ioctl, with the
 *   filesystem open: neither a task_struct nor a super_block that is freed and
 *   used again is ever found in it. (A tracer may stop the task between the end of
 *   the ioctl and the return to user mode; its file is still open then.)
 *
 *   The module cannot go before: an entry has a reference on it, which the
 *   task_work drops.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "fix.h"

/* Changed under the lock, read under RCU (in hooks) */
static DEFINE_HASHTABLE(resizes, 6);
static DEFINE_SPINLOCK(resizes_lock);
/* How many there are: an fsync looks no further where there is none */
int resize_nr;

/**
 * resize_find() - find a resize that is going on
 * @sb: the filesystem
 * @task: whose resize; NULL: anybody's
 *
 * Only the task itself adds and removes its resize, so that of current stays
 * valid. Another task's may be gone by now: there is one or none, no more can be
 * told from it.
 *
 * Context: any.
 * Return: the resize, or NULL.
 */
notrace struct resize *resize_find(struct super_block *sb,
				   struct task_struct *task)
{
	struct resize *r, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu(resizes, r, node, (unsigned long)sb) {
		if (r->sb == sb && (!task || r->task == task)) {
			found = r;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}
NOKPROBE_SYMBOL(resize_find);

/* @us: how long it was held, 0: not at all */
static void resize_remove(struct resize *r, long us)
{
	atomic_long_t *longest = fix_stat(hold_longest_us);

	spin_lock(&resizes_lock);
	WRITE_ONCE(resize_nr, resize_nr - 1);
	hlist_del_init_rcu(&r->node);
	if (us > atomic_long_read(longest))
		atomic_long_set(longest, us);
	spin_unlock(&resizes_lock);
}

/* The task returns to user mode */
static void resize_over(struct callback_head *work)
{
	struct resize *r = container_of(work, struct resize, work);

	if (!hlist_unhashed_lockless(&r->node)) {
		resize_remove(r, 0);
		atomic_long_inc(fix_stat(unprotected));
		pr_warn("%s: the end of this resize was not seen, hooks were off: it was not protected\n",
			r->name);
	}
	kfree_rcu(r, work);
	module_put(THIS_MODULE);
}

static int resize_add(struct resize *r, struct super_block *sb)
{
	int err;

	r->sb = sb;
	r->task = current;
	r->begin = ktime_get();
	strscpy(r->name, sb->s_id, sizeof(r->name));
	init_task_work(&r->work, resize_over);
	err = static_call(task_work_add)(current, &r->work, TWA_RESUME);
	if (err)
		return err;

	__module_get(THIS_MODULE);
	spin_lock(&resizes_lock);
	WRITE_ONCE(resize_nr, resize_nr + 1);
	hash_add_rcu(resizes, &r->node, (unsigned long)sb);
	spin_unlock(&resizes_lock);
	return 0;
}

static int resize_call_end(struct super_block *sb, unsigned long update_backups)
{
	return redirect_pass(&fix_redirects[FIX_RESIZE_END],
			     static_call(ext4_resize_end)(sb, update_backups));
}

static int __resize_begin(struct super_block *sb)
{
	struct resize *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int err;

	if (!r) {
		atomic_long_inc(fix_stat(holds_failed));
		return -ENOMEM;
	}
	err = redirect_pass(&fix_redirects[FIX_RESIZE_BEGIN],
			    static_call(ext4_resize_begin)(sb));
	if (err) {
		kfree(r);
		return err;
	}
	err = resize_add(r, sb);
	if (err) {
		kfree(r);
		goto failed;
	}
	err = hold_begin(sb);
	if (err) {
		resize_remove(r, 0);
		goto failed;
	}
	return 0;

failed:
	atomic_long_inc(fix_stat(holds_failed));
	pr_err("%s: no resize, fast commits cannot be held off (error %d): has its journal aborted?\n",
	       sb->s_id, err);
	resize_call_end(sb, false);
	return err;
}

/**
 * resize_begin() - in place of ext4_resize_begin()
 * @sb: the filesystem
 *
 * What can fail leaves no hold behind, and the ioctl returns the error with the
 * filesystem as it was: memory (before anything is done), and the commit, for a
 * journal that has aborted.
 *
 * Context: process context, may sleep.
 * Return: what the original returned, or ENOMEM, or why the journal does not
 * commit.
 */
int resize_begin(struct super_block *sb)
{
	redirect_enter(&fix_redirects[FIX_RESIZE_BEGIN]);
	return redirect_return(__resize_begin(sb));
}

/**
 * resize_end() - in place of ext4_resize_end()
 * @sb: the filesystem
 * @update_backups: its second argument, where it has one
 *
 * It may still write backups of the superblock: the resize ends after it. By then
 * another task may have begun the next resize of the filesystem, with an entry of
 * its own.
 *
 * Context: process context, may sleep.
 * Return: what the original returned.
 */
int resize_end(struct super_block *sb, unsigned long update_backups)
{
	struct resize *r;
	long us;
	int err;

	redirect_enter(&fix_redirects[FIX_RESIZE_END]);
	r = resize_find(sb, current);
	err = resize_call_end(sb, update_backups);
	if (r) {
		mark_resize_end(r);
		us = ktime_us_delta(ktime_get(), r->begin);
		pr_debug("%s: resize ends after %ld us\n", r->name, us);
		resize_remove(r, fix_hold ? us : 0);
	} else if (fix_hold) {
		/* Begun before the module was loaded, or while hooks were off */
		atomic_long_inc(fix_stat(unprotected));
		pr_warn("%s: this resize was not protected, it began without us\n",
			sb->s_id);
	}
	return redirect_return(err);
}
