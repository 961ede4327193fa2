// SPDX-License-Identifier: GPL-2.0
/*
 * Four rules for fast commits, which no kernel has
 *
 * Rule 1, hold: from the return of ext4_resize_begin() to the return of
 * ext4_resize_end() no fast commit is in flight on that filesystem and none
 * starts. Without it the resize, which waits for the running transaction to
 * commit while it holds the journal barrier, and a fast commit, which waits
 * for the barrier while the full commit waits for it, wait for each other
 * forever; and a fast commit can record blocks of a group that the journal does
 * not know yet.
 *
 * Rule 2, flush: no fast commit on a journal that the disk says is empty.
 * jbd2_journal_flush() ends with s_start = 0 in the journal superblock
 * (JBD2_FLUSHED), recovery then does not look at the journal, and only a full
 * commit makes it valid again. Each resize, fsfreeze, remount,ro and
 * EXT4_IOC_CHECKPOINT ends with such a flush.
 *
 * Rule 3, overlap: no fsync returns because of a fast commit that was already
 * under way when it asked for one. ext4_fc_commit() waits for that one to end and
 * then compares s_fc_subtid with what it read at its entry, when the other had
 * begun already, perhaps without the changes that this fsync is to make durable.
 *
 * Rule 4, successor: no fast commit of a transaction that may have followed an
 * ineligible one. What fast commit cannot replay (setxattr, a resize...) marks the
 * filesystem, and until the full commit of the marked transaction has ended
 * ext4_fc_track_*() track nothing. But the next transaction begins long before that
 * end, and fast commits of it do not have what it changed until then.
 *
 * All are enforced at the one way into a fast commit, the entry of
 * ext4_fc_commit(journal, tid). Where rule 1, 2 or 4 forbids it, the call becomes
 * jbd2_complete_transaction(journal, tid), a full commit, which is what
 * ext4_fc_commit() itself does where it cannot do a fast one. Where rule 3
 * applies, it is called twice. No flush and no mark can be missed, be it before
 * the module was loaded: a flush is seen in journal->j_flags, and rule 4 trusts a
 * filesystem only once it has seen it. (Only fsyncs and marks that are already
 * running at that moment are past the check.)
 *
 * Rules 1 and 2: why nobody has to wait for tasks that are past the check
 *
 *   ext4_fc_commit(journal, tid) is called with the tid of a transaction that
 *   exists: tid <= T, with T the newest transaction at the time of the check.
 *   And jbd2_fc_begin_commit() sets JBD2_FAST_COMMIT_ONGOING only if tid is
 *   not yet committed, checked under the j_state_lock under which it sets it:
 *   a fast commit of a committed transaction cannot start (EALREADY).
 *
 *   So hold_begin() comes after the resize was made visible and has the running
 *   transaction committed. A task whose check came before that has a tid that
 *   is committed when hold_begin() returns, wherever it was meanwhile:
 *
 *   - before the hook was armed, or past the check and preempted before
 *     jbd2_fc_begin_commit(), be it in the first or the second call of rule 3:
 *     gets EALREADY there, and goes home, since ext4_fc_commit() starts again
 *     only for a tid not yet committed;
 *   - in jbd2_fc_begin_commit(), asleep on j_fc_wait: gets EALREADY too;
 *   - JBD2_FAST_COMMIT_ONGOING set, waiting for the barrier (nobody holds it
 *     for long, the resize has not begun) or writing: the full commit waits
 *     for it in jbd2_journal_commit_transaction().
 *
 *   Memory order: the task read its tid before it read "not held" (smp_rmb()
 *   in hold_wanted()); hold_begin() reads j_running_transaction after "held" was
 *   written (smp_mb()). If the task did not see the hold, hold_begin() sees the
 *   task's transaction, or a newer one.
 *
 *   The flush needs nothing more either: it commits what is running under the
 *   journal barrier, so a task that was past the check before JBD2_FLUSHED
 *   was set has a committed tid then. Later transactions begin after
 *   JBD2_FLUSHED is set. It is cleared by the next full commit after the
 *   journal superblock was written; a fast commit right after that is found
 *   by recovery.
 *
 * Rule 3: why two calls are enough
 *
 *   What a task changes is put on FC_Q_MAIN, or on FC_Q_STAGING while a commit is
 *   under way, and each ext4_fc_cleanup() drops the first and moves the second
 *   there. A call of ext4_fc_commit() returns 0 after a fast commit of its own,
 *   after a full commit of tid, which has it all, or if s_fc_subtid says that a
 *   fast commit was written since its entry. So after two calls without a full
 *   commit, two fast commits, Q and then R, were written after the entry of the
 *   first. One is under way at a time: R began after the cleanup of Q, which came
 *   after the entry, so what was on FC_Q_STAGING then is in R at the latest.
 *   What was on FC_Q_MAIN is in R or Q, or in the one before if that began after
 *   the change: up to 6.15 handles are drained first; from 6.16 on what is changed
 *   after the snapshot is put on FC_Q_STAGING again (EXT4_STATE_FC_REQUEUE). An
 *   error of the first call is returned: on an aborted journal the second may
 *   return 0.
 *
 *   If no fast commit is under way at the check, one call is enough: the one that
 *   satisfies it begins after the check, and has what is on FC_Q_MAIN. The flag
 *   must be read before s_fc_subtid is (smp_rmb()), or it could be one that ended
 *   in between.
 *
 *   One hole is left, since it does not show in the journal: what is changed between
 *   the cleanup of a commit and the clearing of its flag goes to FC_Q_STAGING too
 *   late, and the next fast commit does not have it. Up to 6.15 that is when the
 *   handles begin that had to wait for the commit (doc/upstream/15-window.txt). Only
 *   two calls for each fsync would cure it.
 *
 *   On 5.10 rule 3 helps, but fast commit loses changes there for other reasons.
 *
 * Rule 4: what is known of a filesystem
 *
 *   Let N be the running transaction, or the next if none runs. For each device
 *   there is either nothing, then every fsync is a full commit, or a tid: F = N as it
 *   was at some moment since the last mark (hold_successor()). A mark begins with
 *   taking the tid away, and no tid is put there while it lasts: until the system call
 *   that makes it returns (a task_work).
 *
 *   What was not tracked then belongs to a transaction c <= F + 1:
 *   - what others changed while the filesystem was marked. It is so until the commit
 *     of the marked transaction M has ended, at the latest, and M + 2 begins after that,
 *     since one transaction commits at a time: c <= M + 1. And M <= F;
 *   - what the marked operation changed, also in later transactions: its handle is
 *     restarted if it needs more credits (FALLOC_FL_COLLAPSE_RANGE of a file of many
 *     extents), without a mark. All of it before the system call returns: c <= F.
 *
 *   An fsync of c is then a full commit: by rule 4 if c is F or F + 1, and if c < F
 *   because c is not running any more: it is committed, and its fast commit cannot
 *   start, as above; or it is being committed, and jbd2_fc_begin_commit() waits for that.
 *
 *   A tid of a filesystem that was here before under the same device number does no
 *   harm: its marks were seen too, and at worst two transactions more are full
 *   commits. On 5.10 ext4_fc_{start,stop}_ineligible() mark too, and are not seen.
 *
 * tests/model/fc.pml checks this, for the lock order of up to 6.15 and that of
 * 6.16 on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "fix.h"

/* What rule 4 knows of a filesystem: one for each device that was ever fsynced */
struct hold_device {
	struct hlist_node node;
	dev_t dev;
	u64 seen; /* a tid, and HOLD_SEEN; or 0, nothing */
};

#define HOLD_SEEN BIT_ULL(32)

/* Changed under the lock, read without it: what is there stays until hold_exit() */
static DEFINE_HASHTABLE(hold_devices, 6);
static DEFINE_SPINLOCK(hold_lock);
/* How many marks last */
static int hold_marks;

static notrace struct hold_device *hold_find(dev_t dev)
{
	struct hold_device *d;

	hash_for_each_possible_rcu(hold_devices, d, node, dev, true)
		if (d->dev == dev)
			return d;
	return NULL;
}
NOKPROBE_SYMBOL(hold_find);

static notrace dev_t hold_dev(journal_t *journal)
{
	struct super_block *sb = journal->j_private;

	return sb->s_dev;
}
NOKPROBE_SYMBOL(hold_dev);

/* Does rule 4 forbid this fast commit? */
static notrace bool hold_succeeds(journal_t *journal, tid_t tid)
{
	struct hold_device *d = hold_find(hold_dev(journal));
	u64 seen = d ? READ_ONCE(d->seen) : 0;

	return !seen || tid - (tid_t)seen <= 1;
}
NOKPROBE_SYMBOL(hold_succeeds);

/* The same, and if nothing was known there is something for the next fsync */
static bool hold_successor(journal_t *journal, tid_t tid)
{
	struct hold_device *d, *new = NULL;
	dev_t dev = hold_dev(journal);
	transaction_t *running;
	tid_t now;

	if (!fix_successor || !hold_succeeds(journal, tid))
		return false;

	/* Without memory nothing stays known, which is safe */
	if (!hold_find(dev))
		new = kzalloc(sizeof(*new), GFP_NOFS);
	spin_lock(&hold_lock);
	d = hold_find(dev);
	if (!d && new) {
		d = new;
		new = NULL;
		d->dev = dev;
		hash_add_rcu(hold_devices, &d->node, dev);
	}
	if (d && !d->seen && !hold_marks) {
		read_lock(&journal->j_state_lock);
		running = journal->j_running_transaction;
		now = running ? running->t_tid :
				journal->j_transaction_sequence;
		read_unlock(&journal->j_state_lock);
		WRITE_ONCE(d->seen, HOLD_SEEN | now);
	}
	spin_unlock(&hold_lock);
	kfree(new);
	return true;
}

/**
 * hold_mark_begin() - a transaction of this filesystem is about to be marked
 * @sb: the filesystem
 *
 * Context: process context; hold_mark_end() has to follow.
 */
void hold_mark_begin(struct super_block *sb)
{
	struct hold_device *d;

	spin_lock(&hold_lock);
	hold_marks++;
	d = hold_find(sb->s_dev);
	if (d)
		WRITE_ONCE(d->seen, 0);
	spin_unlock(&hold_lock);
}

static void hold_mark_over(void)
{
	spin_lock(&hold_lock);
	hold_marks--;
	spin_unlock(&hold_lock);
}

/* The task returns to user mode */
static void hold_mark_returns(struct callback_head *work)
{
	kfree(work);
	hold_mark_over();
	module_put(THIS_MODULE);
}

/**
 * hold_mark_end() - the mark that hold_mark_begin() spoke of has been made
 *
 * It lasts until the system call returns, if this is one: a kernel thread does not,
 * and what those do (nfsd) is done in one transaction.
 *
 * Context: process context, in a handle or not.
 */
void hold_mark_end(void)
{
	struct callback_head *work = NULL;

	if (!(current->flags & PF_KTHREAD))
		work = kmalloc(sizeof(*work), GFP_NOFS);
	if (work) {
		init_task_work(work, hold_mark_returns);
		if (!static_call(task_work_add)(current, work, TWA_RESUME)) {
			__module_get(THIS_MODULE);
			return;
		}
		kfree(work);
	}
	hold_mark_over();
}

/**
 * hold_forget() - marks may have gone unseen: nothing is known any more
 *
 * Context: process context.
 */
void hold_forget(void)
{
	struct hold_device *d;
	int bucket;

	spin_lock(&hold_lock);
	hash_for_each(hold_devices, bucket, d, node)
		WRITE_ONCE(d->seen, 0);
	spin_unlock(&hold_lock);
}

/**
 * hold_exit() - free what is known of filesystems
 *
 * Context: when nothing is hooked any more and nobody is in this module.
 */
void hold_exit(void)
{
	struct hold_device *d;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(hold_devices, bucket, next, d, node)
		kfree(d);
}

/**
 * hold_wanted() - does a rule forbid this fast commit?
 * @journal: first argument of ext4_fc_commit()
 * @tid: its second
 *
 * Context: hook, on each call of ext4_fc_commit().
 * Return: true if it is to be a full commit, or to be made sure of.
 */
notrace bool hold_wanted(unsigned long journal, unsigned long tid)
{
	journal_t *j = (journal_t *)journal;
	unsigned long flags;

	/* Without fast commit: it is a full commit anyway */
	if (!j->j_fc_cleanup_callback)
		return false;
	/* The caller has read tid, now what we decide by; see the head */
	smp_rmb();
	flags = READ_ONCE(j->j_flags);
	/* And that, before the original reads s_fc_subtid */
	smp_rmb();
	if (unlikely(flags & (JBD2_FLUSHED | JBD2_FAST_COMMIT_ONGOING)) &&
	    (flags & JBD2_FLUSHED || fix_overlap))
		return true;
	if (READ_ONCE(resize_nr) && resize_find(j->j_private, NULL))
		return true;
	return fix_successor && hold_succeeds(j, tid);
}
NOKPROBE_SYMBOL(hold_wanted);

static int hold_call_fc_commit(journal_t *journal, tid_t tid)
{
	return redirect_pass(&fix_redirects[FIX_FC_COMMIT],
			     static_call(ext4_fc_commit)(journal, tid));
}

/**
 * hold_fc_commit() - in place of ext4_fc_commit() where hold_wanted() says so
 * @journal: of the filesystem
 * @tid: the transaction that is to be durable
 *
 * It is asked again which rule that was: if there is none any more, rule 3 does no
 * harm.
 *
 * Context: process context, may sleep, for a full commit.
 * Return: 0, or why the journal does not commit.
 */
int hold_fc_commit(journal_t *journal, tid_t tid)
{
	atomic_long_t *stat = NULL;
	int err;

	redirect_enter(&fix_redirects[FIX_FC_COMMIT]);
	if (resize_find(journal->j_private, NULL))
		stat = fix_stat(full_commits_hold);
	else if (READ_ONCE(journal->j_flags) & JBD2_FLUSHED)
		stat = fix_stat(full_commits_flush);
	else if (hold_successor(journal, tid))
		stat = fix_stat(full_commits_successor);

	if (stat) {
		err = static_call(jbd2_complete_transaction)(journal, tid);
	} else {
		stat = fix_stat(overlaps);
		err = hold_call_fc_commit(journal, tid);
		if (!err)
			err = hold_call_fc_commit(journal, tid);
	}
	atomic_long_inc(stat);
	return redirect_return(err);
}

/**
 * hold_begin() - no fast commit on this filesystem from now on
 * @sb: the filesystem, of which a resize is in the table already
 *
 * Context: may sleep, for a full commit.
 * Return: 0, or why the journal does not commit.
 */
int hold_begin(struct super_block *sb)
{
	int err;

	if (!fix_hold)
		return 0;

	/* "held" is there for all to see, now what is running; see the head */
	smp_mb();
	err = static_call(ext4_force_commit)(sb);
	if (!err)
		atomic_long_inc(fix_stat(holds));
	return err;
}
