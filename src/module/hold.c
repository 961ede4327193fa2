// SPDX-License-Identifier: GPL-2.0
/*
 * Two rules for fast commits, which no kernel has
 *
 * Rule 1, hold: from the return of ext4_resize_begin() to the return of
 * ext4_resize_end() no fast commit is in flight on that filesystem and none
 * starts. Without it the resize, which waits for the running transaction to
 * commit while it holds the journal barrier, and a fast commit, which waits
 * for the barrier while the full commit waits for it, wait for each other for
 * good; and a fast commit can record blocks of a group that the journal does
 * not know yet.
 *
 * Rule 2, flush: no fast commit on a journal that the disk says is empty.
 * jbd2_journal_flush() ends with s_start = 0 in the journal superblock
 * (JBD2_FLUSHED), recovery then does not look at the journal, and only a full
 * commit makes it valid again. Each resize, fsfreeze, remount,ro and
 * EXT4_IOC_CHECKPOINT ends with such a flush.
 *
 * Both are enforced at the one way into a fast commit, the entry of
 * ext4_fc_commit(journal, tid): where a rule forbids it, the call becomes
 * jbd2_complete_transaction(journal, tid), a full commit, which is what
 * ext4_fc_commit() itself does where it cannot do a fast one. The probe looks
 * only at state that is there anyway (journal->j_flags, the table of
 * resizes), so no flush can be missed, be it before the module was loaded.
 * (Only fsyncs that are on their way at that moment are past the check.)
 *
 * Why nobody has to wait for tasks that are past the check
 *
 *   ext4_fc_commit(journal, tid) is called with the tid of a transaction that
 *   exists: tid <= T, with T the newest transaction at the time of the check.
 *   And jbd2_fc_begin_commit() sets JBD2_FAST_COMMIT_ONGOING only if tid is
 *   not yet committed, checked under the j_state_lock under which it sets it:
 *   a fast commit of a committed transaction cannot start (EALREADY).
 *
 *   So hold_begin() makes the resize visible and then has the running
 *   transaction committed. A task whose check came before that has a tid that
 *   is committed when hold_begin() returns, wherever it was meanwhile:
 *
 *   - before the probe was armed, or past the check and preempted before
 *     jbd2_fc_begin_commit(): gets EALREADY there, and goes home, since
 *     ext4_fc_commit() starts again only for a tid not yet committed;
 *   - in jbd2_fc_begin_commit(), asleep on j_fc_wait: gets EALREADY too;
 *   - JBD2_FAST_COMMIT_ONGOING set, waiting for the barrier (nobody holds it
 *     for long, the resize has not begun) or writing: the full commit waits
 *     for it in jbd2_journal_commit_transaction().
 *
 *   Memory order: the task read its tid before it read "not held" (smp_rmb()
 *   in hold_wanted()); hold_begin() writes "held" before it reads
 *   j_running_transaction (smp_mb()). If the task did not see the hold,
 *   hold_begin() sees the task's transaction, or a newer one.
 *
 *   The flush needs nothing more either: it commits what is running under the
 *   journal barrier, so a task that was past the check before JBD2_FLUSHED
 *   was set has a committed tid then. Later transactions begin after
 *   JBD2_FLUSHED is set. It is cleared by the next full commit after the
 *   journal superblock was written; a fast commit right after that is found
 *   by recovery.
 *
 * tests/model/fc.pml checks this, for the lock order of up to 6.15 and that of
 * 6.16 on.
 *
 * Why the probe on ext4_fc_commit() is armed for good
 *
 *   Arming it from jbd2_journal_flush() would cost nothing while nobody
 *   freezes or resizes, but means to wait for kernel-wide locks (kprobe_mutex,
 *   text_mutex, ftrace_lock, CPU hotplug) under the journal barrier or on a
 *   frozen filesystem, while their owner may be in memory reclaim, waiting to
 *   start a handle on that very filesystem: a deadlock of our own making. The
 *   probe that looks and lets pass costs less than 1 % of the instructions of
 *   a fast commit, see README.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "fix.h"

DEFINE_STATIC_CALL_NULL(ext4_resize_begin, ext4_resize_begin_fn);
DEFINE_STATIC_CALL_NULL(ext4_resize_end, ext4_resize_end_fn);
DEFINE_STATIC_CALL_NULL(ext4_force_commit, ext4_force_commit_fn);

/* Changed under the lock, read under RCU (in probe handlers) */
static DEFINE_HASHTABLE(resizes, 6);
static DEFINE_SPINLOCK(resizes_lock);

/**
 * hold_find() - find a resize that is going on
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
notrace struct resize *hold_find(struct super_block *sb,
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
NOKPROBE_SYMBOL(hold_find);

/**
 * hold_wanted() - does a rule forbid this fast commit?
 * @journal: first argument of ext4_fc_commit()
 * @tid: its second
 *
 * Context: probe handler, on each call of ext4_fc_commit().
 * Return: true if it is to be a full commit.
 */
notrace bool hold_wanted(unsigned long journal, unsigned long tid)
{
	journal_t *j = (journal_t *)journal;

	/* The caller has read tid, now what we decide by; see the head */
	smp_rmb();
	return (READ_ONCE(j->j_flags) & JBD2_FLUSHED) ||
	       hold_find(j->j_private, NULL);
}
NOKPROBE_SYMBOL(hold_wanted);

/* In place of ext4_fc_commit() where hold_wanted() says so */
int hold_fc_commit(journal_t *journal, tid_t tid)
{
	if (hold_find(journal->j_private, NULL))
		atomic_long_inc(&stats[STAT_FULL_COMMITS_HOLD]);
	else
		atomic_long_inc(&stats[STAT_FULL_COMMITS_FLUSH]);

	return redirect_return(jbd2_complete_transaction(journal, tid));
}

/* @us: how long it was held, 0: not at all */
static void hold_remove(struct resize *r, long us)
{
	atomic_long_t *longest = &stats[STAT_HOLD_LONGEST_US];

	spin_lock(&resizes_lock);
	hash_del_rcu(&r->node);
	if (us > atomic_long_read(longest))
		atomic_long_set(longest, us);
	spin_unlock(&resizes_lock);
	kfree_rcu(r, rcu);
	module_put(THIS_MODULE);
}

static int hold_begin(struct resize *r, struct super_block *sb)
{
	int err;

	r->sb = sb;
	r->task = current;
	r->begin = ktime_get();
	/* For the time of the resize; hold_resize_begin()'s own ends with it */
	__module_get(THIS_MODULE);

	spin_lock(&resizes_lock);
	hash_add_rcu(resizes, &r->node, (unsigned long)sb);
	spin_unlock(&resizes_lock);
	if (!hold)
		return 0;

	/* "held" is there for all to see, now what is running; see the head */
	smp_mb();
	err = static_call(ext4_force_commit)(sb);
	if (err)
		hold_remove(r, 0);
	else
		atomic_long_inc(&stats[STAT_HOLDS]);
	return err;
}

static void hold_end(struct resize *r)
{
	long us = ktime_us_delta(ktime_get(), r->begin);

	pr_debug("%s: resize ends after %ld us\n", r->sb->s_id, us);
	hold_remove(r, hold ? us : 0);
}

static int hold_call_resize_end(struct super_block *sb,
				unsigned long update_backups)
{
	return redirect_pass(&redirects[FIX_RESIZE_END],
			     static_call(ext4_resize_end)(sb, update_backups));
}

/*
 * In place of ext4_resize_begin(). What can fail leaves no hold behind and
 * the ioctl returns the error with the filesystem as it was: memory (before
 * anything is done), and the commit, for a journal that has aborted.
 */
int hold_resize_begin(struct super_block *sb)
{
	struct resize *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int err;

	if (!r) {
		atomic_long_inc(&stats[STAT_HOLDS_FAILED]);
		return redirect_return(-ENOMEM);
	}

	err = redirect_pass(&redirects[FIX_RESIZE_BEGIN],
			    static_call(ext4_resize_begin)(sb));
	if (err) {
		kfree(r);
		return redirect_return(err);
	}

	err = hold_begin(r, sb);
	if (err) {
		atomic_long_inc(&stats[STAT_HOLDS_FAILED]);
		pr_err("%s: no resize, its journal does not commit (error %d)\n",
		       sb->s_id, err);
		hold_call_resize_end(sb, false);
	}
	return redirect_return(err);
}

/*
 * In place of ext4_resize_end(), which may still write backups of the
 * superblock: the hold ends after it. By then another task may have begun the
 * next resize of the filesystem, with a hold of its own.
 */
int hold_resize_end(struct super_block *sb, unsigned long update_backups)
{
	struct resize *r = hold_find(sb, current);
	int err = hold_call_resize_end(sb, update_backups);

	if (r) {
		mark_resize_end(r);
		hold_end(r);
	} else if (hold) {
		/* Begun before the module was loaded, or while hooks were off */
		atomic_long_inc(&stats[STAT_UNPROTECTED]);
		pr_warn("%s: this resize was not protected, it began without us\n",
			sb->s_id);
	}
	return redirect_return(err);
}
