/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fast commits, full commits, resizes and freezes of one ext4 filesystem,
 * with the two rules of src/module/hold.c.  Run by tests/model.t.
 *
 * The real step is named at each modelled one: fs/jbd2/{journal,commit,
 * transaction}.c, fs/ext4/{fast_commit,ioctl,resize}.c of 5.10 - 7.3.  What
 * the kernel does under one hold of j_state_lock is one atomic step, all else
 * interleaves.
 *
 * -D LOCK_ORDER_OLD   up to 6.15: a fast commit holds the journal barrier from
 *                     jbd2_fc_begin_commit() to its end.  Otherwise 6.16 on:
 *                     only while ext4_fc_perform_commit() takes its snapshot
 *    MARK             upstream's fix, ext4_fc_mark_ineligible() after a resize
 *    NO_HOLD          without rule 1
 *    NO_FORCE_COMMIT  rule 1 without ext4_force_commit()
 *    NO_FLUSH_RULE    without rule 2
 *    ONLY_LOST        no complaint about a fast commit on an empty journal
 *                     before something acknowledged is lost by it
 *    STRICT_SKIP      see "Left out"
 *    SHOW=event       ends in an error where that happens; shows that it can:
 *                     SLIP       fast commit begun after a full commit has
 *                                cleared JBD2_FLUSHED, before it has set
 *                                JBD2_FULL_COMMIT_ONGOING
 *                     STRAGGLER  past the check at the entry before a hold,
 *                                in jbd2_fc_begin_commit() during it
 *                     AFTER      fast commit after a resize, of blocks it added
 *
 * Checked: deadlocks (spin's invalid end states), and
 *   overlap      a fast commit in flight during a hold
 *   fc_on_empty  a fast commit's record written while s_start = 0 on disk
 *   gap          a record that maps blocks of a resize not yet committed
 *   lost         after a crash at this point (checked wherever the disk or
 *                the set of acknowledged writes changes) recovery does not
 *                find all writes whose fsync has returned
 *
 * Left out, or simplified:
 * - Bounds: ROUNDS of write and fsync per writer, one resize, one freeze.
 * - Memory is sequentially consistent: smp_rmb() in hold_wanted() and smp_mb()
 *   in hold_begin() are taken to do their work.
 * - A request for a commit.  kjournald may commit the running transaction at
 *   any time, as its timer does; who asks for a commit just waits for it.  So
 *   a commit that nobody asks for is no deadlock here.  Waits are for
 *   conditions, but for that on j_fc_wait in jbd2_fc_begin_commit(), which
 *   wakes up whenever somebody calls wake_up().
 * - A fast commit records all that the running transaction holds when it has
 *   the barrier.  The kernel's queues do worse: what is changed while
 *   JBD2_FAST/FULL_COMMIT_ONGOING is set goes to FC_Q_STAGING, and can miss
 *   the next fast commit.  Nor has an fsync which returns because another's
 *   fast commit has ended meanwhile (s_fc_subtid) always had its own changes
 *   recorded.  Both lose writes on any kernel, resize or not, and no rule here
 *   is about them.  Of such an fsync only what is recorded counts as
 *   acknowledged; with STRICT_SKIP all of it does, and is found to be lost.
 * - Freezing has stopped all that could start a handle before the journal is
 *   flushed.  Something else that takes the barrier and flushes, without a
 *   hold and beside writers (EXT4_IOC_CHECKPOINT, chattr +j), hangs as a resize
 *   does without rule 1.  No rule here is about that either.
 * - 5.10 looks at "ineligible" before jbd2_fc_begin_commit() and after the
 *   record is written instead of in between.  Only marks are affected, and
 *   neither rule relies on them.
 * - I/O errors, aborted journals, the end of the log, checkpoints other than
 *   by jbd2_journal_flush().
 */
#ifndef ROUNDS
#define ROUNDS		2
#endif
#define SLIP		1
#define STRAGGLER	2
#define AFTER		3
#ifndef SHOW
#define SHOW		0
#endif
#ifdef NO_HOLD
#define HOLD		0
#else
#define HOLD		1
#endif
#ifdef NO_FORCE_COMMIT
#define FORCE_COMMIT	0
#else
#define FORCE_COMMIT	1
#endif
#ifdef NO_FLUSH_RULE
#define FLUSH_RULE	0
#else
#define FLUSH_RULE	1
#endif
#ifdef MARK
#define MARKS		1
#else
#define MARKS		0
#endif

/* journal_t and ext4_sb_info; a transaction is its tid, 0 is none */
byte next_tid = 1;		/* j_transaction_sequence */
byte running, committing;	/* j_running_, j_committing_transaction */
byte committed;			/* j_commit_sequence */
bool locked;			/* the running one is in T_LOCKED */
byte updates;			/* its t_updates: open handles */
byte barrier_count;		/* j_barrier_count */
bool barrier;			/* mutex j_barrier */
bool flushed, full_ongoing, fast_ongoing;	/* JBD2_FLUSHED, _{FULL,FAST}_COMMIT_ONGOING */
byte fc_wait;			/* j_fc_wait: a bit for each writer asleep */
byte subtid;			/* s_fc_subtid */
bool ineligible;		/* EXT4_MF_FC_INELIGIBLE */
byte ineligible_tid;		/* s_fc_ineligible_tid */
bool frozen;			/* sb->s_writers.frozen */
bool held;			/* the module: sb is in the table of resizes */

/*
 * The disk.  The journal's superblock is written without a flush where a full
 * commit makes it valid again, so it may or may not be there after a crash
 * until the next REQ_PREFLUSH.
 */
mtype = { EMPTY, VALID };	/* s_start == 0, != 0 */
mtype sb_cached = VALID, sb_disk = VALID;
byte log_tid;			/* newest transaction with a commit record */
byte checkpointed;		/* newest one written back */
byte fc_tid;			/* EXT4_FC_TAG_HEAD of the fast commit area */
byte fc_writes;			/* and the writes in it */

/* What has happened: sets of writes, of which write w is the bit 1 << w */
#define WRITES	(2 * ROUNDS)
byte write_tid[WRITES];
byte acked;			/* fsync has returned */
byte new_blocks;		/* in blocks that the resize has added */
byte resize_tid;		/* transaction of the resize */
bool grown;			/* its blocks can be allocated */
bool in_hold;			/* hold_begin() has returned */
bool slip;			/* kjournald is in the window of SLIP */
bool overlap, fc_on_empty, gap, lost;

/* Writes of transaction t; writes of transactions up to t */
#if ROUNDS == 1
#define PICK(p, t)	(p(0, t) | p(1, t))
#else
#define PICK(p, t)	(p(0, t) | p(1, t) | p(2, t) | p(3, t))
#endif
#define IS_OF(w, t)	((write_tid[w] == (t)) << w)
#define IS_UPTO(w, t)	((write_tid[w] <= (t)) << w)

/*
 * What jbd2_journal_recover() and ext4_fc_replay() find.  do_one_pass() starts
 * at s_sequence, which is the tid after those checkpointed, and goes through
 * what is in the log; fast commits are replayed if their head has the tid that
 * would come next.
 */
#define LOST_IF(sb)							\
	(acked & ~(sb == EMPTY -> PICK(IS_UPTO, checkpointed) :		\
		   PICK(IS_UPTO, log_tid) |				\
		   (fc_tid == log_tid + 1 -> fc_writes : 0)))

inline crash()
{
	lost = LOST_IF(sb_disk) || LOST_IF(sb_cached);
	assert(!lost)
}

/*
 * sb_start_write(); jbd2__journal_start(), start_this_handle(),
 * jbd2_get_transaction()
 */
inline start_handle(tid)
{
	atomic {
		!frozen && barrier_count == 0 && !locked;
		if
		:: running == 0 -> running = next_tid; next_tid++
		:: else
		fi;
		updates++;
		tid = running
	}
}

inline lock_updates()		/* jbd2_journal_lock_updates() */
{
	barrier_count++;
	updates == 0;		/* jbd2_journal_wait_updates() */
	atomic { !barrier -> barrier = true }
}

inline unlock_updates()		/* jbd2_journal_unlock_updates() */
{
	barrier = false;
	barrier_count--
}

/*
 * jbd2_complete_transaction(), jbd2_log_wait_commit(): tid exists, so it is
 * committed, committing or running
 */
inline complete_transaction(tid)
{
	committed >= tid
}

/* jbd2_journal_force_commit(), also the first half of jbd2_journal_flush() */
inline commit_and_wait(tid)
{
	tid = (running -> running : committing);
	complete_transaction(tid)
}

active proctype kjournald()	/* jbd2_journal_commit_transaction() */
{
end:	do
	:: running ->		/* and requested, or its time has come */

		/* "Do we need to erase the effects of a prior flush?" */
		if
		:: flushed ->	/* jbd2_journal_update_sb_log_tail() */
			atomic { sb_cached = VALID; crash() };
			d_step { flushed = false; slip = true }
		:: else
		fi;

		d_step { full_ongoing = true; slip = false };
		atomic { !fast_ongoing -> locked = true };
		atomic {	/* jbd2_journal_wait_updates(); T_FLUSH */
			updates == 0;
			committing = running;
			running = 0;
			locked = false
		};

		/* commit record, with REQ_PREFLUSH | REQ_FUA */
		atomic { log_tid = committing; sb_disk = sb_cached; crash() };

		d_step { committed = committing; committing = 0 };
		if		/* ext4_fc_cleanup(journal, 1, tid) */
		:: MARKS && committed >= ineligible_tid ->
			d_step { ineligible = false; ineligible_tid = 0 }
		:: else
		fi;
		d_step { full_ongoing = false; fast_ongoing = false };
		fc_wait = 0	/* wake_up(&journal->j_fc_wait) */
	od
}

proctype writer(byte me)
{
	byte tid, my_subtid, snapshot, t;
	byte w = me * ROUNDS;
#define BIT	(1 << w)

next:
	start_handle(tid);
	/* Nobody looks at it before the handle stops: one step */
	atomic {
		write_tid[w] = tid;
		new_blocks = new_blocks | (grown << w);
		updates--	/* jbd2_journal_stop(), sb_end_write() */
	};

	/* ext4_sync_file(), ext4_fc_commit(journal, tid): hold_wanted() */
	if
	:: FLUSH_RULE && flushed -> goto full_commit
	:: else
	fi;
	if
	:: held -> goto full_commit
	:: else
	fi;

	my_subtid = subtid;
restart_fc:
	atomic {		/* jbd2_fc_begin_commit() */
		if
		:: committed >= tid ->
			assert(SHOW != STRAGGLER || !in_hold);
			goto already
		:: else
		fi;
		if
		:: full_ongoing || fast_ongoing ->
			fc_wait = fc_wait | (1 << me)
		:: else ->
			fast_ongoing = true;
			overlap = in_hold;
			assert(!overlap);
			assert(SHOW != SLIP || !slip);
			goto begun
		fi
	};
	(fc_wait & (1 << me)) == 0;	/* schedule() */
already:			/* -EALREADY */
	if
	:: subtid <= my_subtid ->
		if
		:: tid > committed -> goto restart_fc
		:: else -> goto fsynced
		fi
	:: else
	fi;
	atomic {
#ifdef STRICT_SKIP
		acked = acked | BIT;
#else
		acked = acked | BIT & (PICK(IS_UPTO, log_tid) | fc_writes);
#endif
		crash();
		goto done
	};

begun:
#ifdef LOCK_ORDER_OLD
	lock_updates();
#endif
	if
	:: MARKS && ineligible -> goto fallback
	:: else
	fi;
	/* ext4_fc_perform_commit(): writes the data of the inodes; may fail */
	if
	:: true
	:: goto fallback
	fi;
#ifdef LOCK_ORDER_OLD
	snapshot = PICK(IS_OF, running);
#else
	lock_updates();
	snapshot = PICK(IS_OF, running);
	unlock_updates();
#endif
	atomic {		/* ext4_fc_write_tail(), REQ_PREFLUSH | REQ_FUA */
		sb_disk = sb_cached;
		fc_tid = running;
		fc_writes = snapshot;
#ifndef ONLY_LOST
		fc_on_empty = (sb_disk == EMPTY);
		assert(!fc_on_empty);
#endif
		gap = (snapshot & new_blocks) && resize_tid > log_tid;
		assert(!gap);
		assert(SHOW != AFTER || !(snapshot & new_blocks));
		crash()
	};
	subtid++;

	/* jbd2_fc_end_commit(), __jbd2_fc_end_commit() */
#ifdef LOCK_ORDER_OLD
	unlock_updates();
#endif
	fast_ongoing = false;
	fc_wait = 0;		/* wake_up(&journal->j_fc_wait) */
	goto fsynced;

fallback:			/* jbd2_fc_end_commit_fallback() */
	t = running;
	if			/* ext4_fc_cleanup(journal, 0, t) */
	:: MARKS && t >= ineligible_tid ->
		d_step { ineligible = false; ineligible_tid = 0 }
	:: else
	fi;
#ifdef LOCK_ORDER_OLD
	unlock_updates();
#endif
	d_step { fast_ongoing = false; full_ongoing = true };
	fc_wait = 0;
	complete_transaction(t);
	goto fsynced;

full_commit:			/* hold_fc_commit() */
	complete_transaction(tid);
fsynced:
	atomic {
		acked = acked | BIT;
		crash()
	};
done:
	atomic { tid = 0; my_subtid = 0; snapshot = 0; t = 0; w++ };
	if
	:: w < (me + 1) * ROUNDS -> goto next
	:: else
	fi
}

inline journal_flush()		/* jbd2_journal_flush() */
{
	commit_and_wait(tid);
	atomic { checkpointed = committed; crash() };
	/* jbd2_mark_journal_empty() */
	if
	:: sb_cached != EMPTY ->
		atomic { sb_cached = EMPTY; sb_disk = EMPTY; crash() };
		flushed = true
	:: else
	fi;
	tid = 0
}

inline hold_begin()
{
	held = true;
	if
	:: FORCE_COMMIT -> commit_and_wait(tid)
	:: else
	fi;
	atomic {
		in_hold = true;
		overlap = fast_ongoing;
		assert(!overlap)
	}
}

inline resize()			/* EXT4_IOC_GROUP_EXTEND */
{
	if			/* hold_resize_begin() */
	:: HOLD -> hold_begin()
	:: else
	fi;

	start_handle(resize_tid);	/* ext4_group_extend_no_check() */
	grown = true;			/* ext4_group_add_blocks() */
	updates--;			/* ext4_journal_stop() */
	/* update_backups(): takes its time, does nothing of interest */

	if			/* ext4_fc_mark_ineligible() */
	:: MARKS ->
		d_step {
			ineligible = true;
			ineligible_tid = (running -> running : ineligible_tid)
		}
	:: else
	fi;
	lock_updates();
	journal_flush();
	unlock_updates();

	in_hold = false;
	held = false		/* hold_resize_end() */
}

inline freeze_thaw()		/* freeze_super(), thaw_super() */
{
	frozen = true;
	updates == 0;		/* sb_wait_write() */
	commit_and_wait(tid);	/* sync_filesystem() */
	lock_updates();		/* ext4_freeze() */
	journal_flush();
	unlock_updates();
	frozen = false
}

proctype admin()
{
	byte tid;

	if
	:: resize(); freeze_thaw()
	:: freeze_thaw(); resize()
	fi
}

init
{
	atomic { run writer(0); run writer(1); run admin() }
}
