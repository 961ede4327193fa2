/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fast commits, full commits, a resize and a freeze of an ext4 filesystem,
 * with the four rules of src/module/hold.c.  Run by tests/model.t.
 *
 * Each step names what it stands for in fs/jbd2/{journal,commit,transaction}.c
 * and fs/ext4/{fast_commit,ioctl,resize,super}.c of 5.10 - 7.3.  What happens
 * under one hold of j_state_lock is one step; between steps any task may run.
 *
 *   -D LOCK_ORDER_OLD    up to 6.15: a fast commit has the journal barrier from
 *                        jbd2_fc_begin_commit() to its end; else 6.16 on: only
 *                        for the snapshot in ext4_fc_perform_commit()
 *      MARK              upstream's fix: a resize marks "ineligible" when done
 *      XATTR             one write sets an attribute, and marks
 *      RESTART           and nothing tracks it; its handle may be restarted, twice
 *      NO_LASTING_MARK   rule 4 with marks that end before their operation does
 *      NO_HOLD           without rule 1
 *      NO_FORCE_COMMIT   rule 1 without its ext4_force_commit()
 *      NO_FLUSH_RULE     without rule 2
 *      NO_OVERLAP_RULE   without rule 3
 *      NO_SUCCESSOR_RULE    without rule 4
 *      WINDOW            see "Left out"
 *      PATCH_1, PATCH_2, PATCH_3  the patches of doc/upstream, instead of the rules
 *      TRACKED              all changes are tracked, as with patch 0008
 *      MARK_IN_HANDLE       instead of PATCH_2, with MARK: the resize marks its transaction,
 *                           a fast commit looks when handles have been drained
 *      ADD_GROUP            resize adds a group: a fast commit that maps its blocks
 *                           is a gap until the resize has been written back
 *      ONLY_LOST         fc_on_empty is no error
 *      FORGIVE_OVERLAP   an fsync that another's fast commit ends acknowledges only
 *                        what is recorded (the patches are not about it)
 *      WRITERS=3         one write each (4.4 GB); else 2, one writes twice
 *      SHOW=x            not an error but a proof that it can happen, all rules
 *                        in force:
 *        SLIP              a fast commit begins when a full commit has cleared
 *                          JBD2_FLUSHED, not yet set JBD2_FULL_COMMIT_ONGOING
 *        STRAGGLER         a task past the check at the entry when a hold began
 *                          is sent home by jbd2_fc_begin_commit() during it
 *        AFTER             after the resize, a fast commit maps blocks it added
 *
 * Errors: a deadlock (spin's "invalid end state"), and
 *   overlap       a fast commit is in flight during a hold
 *   fc_on_empty   a fast commit is written while s_start is 0 on disk
 *   gap           it maps blocks added by a resize that is not yet committed
 *   lost          a write whose fsync has returned is not there after a crash
 *
 * Left out or simplified:
 * - Bounds: three writes, one resize, one freeze, in either order.
 * - That waiting comes to an end; checked is that it can.
 * - Memory is sequentially consistent: the barriers in hold_wanted() and
 *   hold_begin() are taken to do what they are there for.
 * - Requests for a commit: kjournald may commit the running transaction at any
 *   time (its timer does), and who has requested that just waits.  So waiting
 *   for the timer is no deadlock here.
 * - All waits are for a condition, but for that in jbd2_fc_begin_commit(),
 *   which ends with the next wake_up(&journal->j_fc_wait), whoever calls it.
 * - Steps of a task that others cannot tell apart are one.
 * - Between ext4_fc_cleanup()'s last look at FC_Q_STAGING and the end of the
 *   commit, a moment later, nobody runs.  In the kernel somebody can: what is
 *   tracked there goes to FC_Q_STAGING and stays there until the next commit
 *   has ended, and if that is the fast commit of its own fsync, which finds
 *   none under way, it is acknowledged and not recorded.  No rule here is the
 *   cure.  With WINDOW it is in.
 * - 5.10's ext4_fc_cleanup(), which forgets what was changed since a full commit
 *   began; this is that of 6.1 on.
 * - Two of the three writes are to one file, so that is all of an inode that
 *   is on a queue.
 * - Freezing stops whatever starts handles before it takes the barrier.  A
 *   flush under the barrier beside writers and without a hold (chattr +j,
 *   EXT4_IOC_CHECKPOINT) can hang as a resize does without rule 1.  No rule
 *   here is the cure for that.
 * - hold_fc_commit() asks again what rule it was, and may find none any more:
 *   then it calls the original, twice. Here it is a full commit.
 * - Tasks that were in ext4_fc_commit() when the module was loaded: for rule 1
 *   they are like all that are past the check, rule 2 comes too late for them.
 * - 5.10 checks "ineligible" before jbd2_fc_begin_commit() and after the record
 *   is written, not in between.  The rules do not rely on it.
 * - Reserved handles, transactions without handles, errors, a full log,
 *   checkpoints other than by jbd2_journal_flush().
 */
#define SLIP		1
#define STRAGGLER	2
#define AFTER		3
#ifndef SHOW
#define SHOW		0
#endif
#ifndef WRITERS
#define WRITERS		2
#endif
#if defined(MARK) && !defined(NO_SUCCESSOR_RULE)
#define SUCCESSOR_RULE
#endif

/*
 * journal_t, ext4_sb_info; a transaction is its tid, none is 0.  Sets of
 * writes have the bit 1 << w for write w
 */
byte next_tid = 1;		/* j_transaction_sequence */
byte running, committing;	/* j_running_, j_committing_transaction */
byte committed;			/* j_commit_sequence */
bool locked;			/* the running one's t_state is T_LOCKED */
byte updates;			/* its t_updates, open handles */
byte barrier_count;		/* j_barrier_count */
bool barrier;			/* j_barrier, the mutex */
bool flushed;			/* JBD2_FLUSHED */
bool full_commit, fast_commit;	/* JBD2_{FULL,FAST}_COMMIT_ONGOING */
byte fc_wait;			/* j_fc_wait: set of writers asleep */
byte counted = 7;			/* set of writers: s_fc_subtid is not what they read */
byte main_q, staging;		/* FC_Q_MAIN, FC_Q_STAGING: sets of writes */
#ifdef PATCH_2
bool resizing;			/* EXT4_FLAGS_RESIZING */
#endif
#ifdef MARK
bool ineligible;		/* EXT4_MF_FC_INELIGIBLE */
byte ineligible_tid;		/* s_fc_ineligible_tid */
#endif
#ifdef SUCCESSOR_RULE
#define NOTHING		254	/* is there */
#define OLD		255	/* a tid that is not counted any more */
byte seen = OLD;		/* of its struct hold_device */
byte marks;			/* hold_marks */
#endif
bool frozen;			/* sb->s_writers.frozen */
#ifdef RESTART
bool restarting;		/* in sb_start_write(), without a handle */
#else
#define restarting	false
#endif
bool held;			/* the sb is in the module's table of resizes */

/*
 * The disk.  A full commit writes the journal's superblock without flushing
 * it: until the next REQ_PREFLUSH a crash may find it or the one before.
 */
mtype = { EMPTY, VALID };	/* s_start is 0, is not */
mtype sb_cached = VALID, sb_flushed = VALID;
byte log_tid;			/* newest transaction with a commit block */
byte fc_tid;			/* EXT4_FC_TAG_HEAD in the fast commit area */
byte fc_writes;			/* what is recorded there */

/* What has happened */
byte write_tid[3];		/* i_sync_tid; 0 when written back */
byte acked;			/* fsync has returned */
byte new_blocks;		/* is in blocks added by the resize */
bool grown;			/* the allocator has them */
byte resize_tid;		/* transaction of the resize */
bool in_hold;			/* from hold_begin()'s return on */
bool slip;			/* kjournald is where SLIP says */
bool overlap, fc_on_empty, gap, lost, shown;

#define SET(cond)	(cond(0) | (cond(1) << 1) | (cond(2) << 2))
#define IS_NEW(w)	(write_tid[w] > committed)
#define IS_LOGGED(w)	(write_tid[w] <= log_tid)
#define IS_ON_DISK(w)	(write_tid[w] == 0)

/*
 * jbd2_journal_recover(): nothing if s_start is 0; else the transactions in the
 * log (all that are not written back) and, if the fast commit area begins with
 * the tid that comes next (ext4_fc_replay_scan()), what is recorded there.
 * After a flush the log begins with s_sequence = the next tid, so a fast commit
 * of that transaction is found even if no transaction is in the log.
 */
#define LOST_WITH(sb)	(acked & ~(sb == EMPTY -> SET(IS_ON_DISK) :	\
				   SET(IS_LOGGED) |			\
				   (fc_tid == log_tid + 1 -> fc_writes : 0)))

/* Could crash now; wherever the disk or acked changes */
inline crash()
{
	lost = LOST_WITH(sb_cached) || LOST_WITH(sb_flushed);
	assert(!lost)
}

/* sb_start_write() for writers; start_this_handle(), jbd2_get_transaction() */
inline start_handle(tid)
{
	atomic {
		(!frozen || restarting) && barrier_count == 0 && !locked;
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
	/* jbd2_journal_wait_updates(), after which none can start; mutex */
	atomic { updates == 0 && !barrier -> barrier = true }
}

inline unlock_updates()		/* jbd2_journal_unlock_updates() */
{
	d_step { barrier = false; barrier_count-- }
}

/*
 * jbd2_complete_transaction(), jbd2_log_wait_commit(): a tid that exists is
 * committed, or is committing or running and will be
 */
inline complete_transaction(tid)
{
	committed >= tid
}

/* jbd2_journal_force_commit(), and what jbd2_journal_flush() begins with */
inline commit_and_wait()
{
	tid = (running -> running : committing);
	complete_transaction(tid);
	tid = 0
}

/*
 * ext4_fc_track_inode() and others, in write w's handle.  Writes 0 and 1 are to
 * one file; an inode that is on a queue stays there.
 */
#define SAME_FILE(w)	(w == 2 -> 4 : 3)
inline track(w)
{
	d_step {
		if
#if defined(MARK) && !defined(TRACKED)
		:: ineligible
		:: else ->
#else
		:: true ->
#endif
			if
			:: (staging & SAME_FILE(w)) ||
			   (!(main_q & SAME_FILE(w)) &&
			    (full_commit || fast_commit)) ->
				staging = staging | (1 << w)
			:: else ->
				main_q = main_q | (1 << w)
			fi
		fi
	}
}

/*
 * ext4_fc_cleanup(journal, ..., tid), with what stays of FC_Q_MAIN: what has been
 * changed since its inode was recorded (from 6.16 on, FC_REQUEUE), or belongs
 * to a newer transaction
 */
inline fc_cleanup(tid, stays)
{
	d_step {
		main_q = (main_q & (stays)) | (staging & SET(IS_NEW));
		staging = 0;
#ifdef MARK
		if
		:: tid >= ineligible_tid ->
			ineligible_tid = 0;
			ineligible = false
		:: else
		fi
#endif
	}
}

/*
 * mark_call(), ext4_fc_mark_ineligible().  With a handle its transaction is the
 * running one
 */
inline mark()
{
#ifdef SUCCESSOR_RULE
	d_step { marks++; seen = NOTHING };
#endif
	d_step {
		ineligible_tid = (running -> running : ineligible_tid);
		ineligible = true
	};
#ifdef NO_LASTING_MARK
	mark_over()
#endif
}

inline mark_over()		/* hold_mark_returns(): the system call returns */
{
#ifdef SUCCESSOR_RULE
	marks--
#else
	skip
#endif
}

inline restart_handle(tid)	/* jbd2__journal_restart() */
{
	if
	:: true ->
		restarting = true;
		updates--;
		start_handle(tid);
		restarting = false
	:: true
	fi
}

#ifdef WINDOW
#define unless_window
#else
#define unless_window	atomic
#endif

active proctype kjournald()	/* jbd2_journal_commit_transaction() */
{
end:	do
	:: atomic {
		running;
		if
		:: flushed ->	/* jbd2_journal_update_sb_log_tail() */
			sb_cached = VALID;
			crash()
		:: else ->
			goto commit
		fi
	   };
		d_step { flushed = false; slip = true };
commit:		atomic { full_commit = true; slip = false };

		atomic { !fast_commit -> locked = true };
		atomic {	/* jbd2_journal_wait_updates(), T_FLUSH */
			updates == 0;
			committing = running;
			running = 0;
			locked = false
		};
		atomic {	/* journal_submit_commit_record(): PREFLUSH */
			log_tid = committing;
			sb_flushed = sb_cached;
			crash()
		};
		d_step { committed = committing; committing = 0 };
		unless_window {
			fc_cleanup(committed, SET(IS_NEW));
			d_step { full_commit = false; fast_commit = false }
		};
		fc_wait = 0	/* wake_up(&journal->j_fc_wait) */
	od
}

/* me: which writer; writes number w to last */
proctype writer(byte me; byte w; byte last)
{
	byte recorded;
	bool again;		/* call ext4_fc_commit() once more */
#define ME	(1 << me)
#define WRITE	(1 << w)
#define tid	write_tid[w]

next:
	start_handle(tid);
#ifdef XATTR
	if
	:: w == 0 ->
		mark();
#ifdef RESTART
		restart_handle(tid);
		restart_handle(tid)
#endif
	:: else
	fi;
#endif
	atomic {
		new_blocks = new_blocks | (grown << w);
#ifdef RESTART
		if
		:: w != 0 -> track(w)
		:: else
		fi;
#else
		track(w);
#endif
		updates--	/* jbd2_journal_stop(); sb_end_write() */
	};
#if defined(XATTR) && !defined(NO_LASTING_MARK)
	if
	:: w == 0 -> mark_over()
	:: else
	fi;
#endif

	/* ext4_fsync_journal(), ext4_fc_commit(journal, tid), hold_wanted() */
#ifndef NO_FLUSH_RULE
	if
	:: flushed -> goto complete
	:: else
	fi;
#endif
	if
	:: held -> goto complete
	:: else
	fi;
#ifdef SUCCESSOR_RULE
	if			/* hold_succeeds(), hold_successor() */
	:: seen == NOTHING || seen == tid || seen + 1 == tid ->
		atomic {
			if
			:: seen == NOTHING && marks == 0 ->
				seen = (running -> running : next_tid)
			:: else
			fi
		};
		goto complete
	:: else
	fi;
#endif

#ifndef NO_OVERLAP_RULE
	again = fast_commit;
#endif

call:	counted = counted & ~ME;	/* ext4_fc_commit() reads s_fc_subtid */
restart_fc:
	atomic {		/* jbd2_fc_begin_commit() */
		if
		:: committed >= tid ->
			shown = (SHOW == STRAGGLER && in_hold);
			assert(!shown);
			goto already
#ifdef PATCH_3
		:: committed < tid && flushed -> goto complete	/* -EINVAL */
#endif
		:: else
		fi;
		if
		:: full_commit || fast_commit ->
			fc_wait = fc_wait | ME
		:: else ->
			fast_commit = true;
			overlap = in_hold;
			assert(!overlap);
			shown = (SHOW == SLIP && slip);
			assert(!shown);
			goto begun
		fi
	};
	(fc_wait & ME) == 0;	/* schedule() */
already:			/* -EALREADY */
	if
	:: !(counted & ME) && tid > committed -> goto restart_fc
	:: else
	fi;
#ifdef FORGIVE_OVERLAP
	atomic {
		acked = acked | (WRITE & (SET(IS_LOGGED) | fc_writes));
		crash();
		goto done
	};
#else
	goto returned;
#endif

begun:
#ifdef LOCK_ORDER_OLD
	lock_updates();
#endif
#ifdef MARK
	if
	:: ineligible -> goto fallback
	:: else
	fi;
#endif
	if			/* ext4_fc_perform_commit() */
	:: true			/* writes out data; may fail */
	:: goto fallback
	fi;
#ifdef LOCK_ORDER_OLD
	recorded = main_q;
#else
#ifdef PATCH_1
	atomic {		/* jbd2_journal_trylock_updates() */
		if
		:: barrier -> goto fallback
		:: else -> barrier = true
		fi
	};
	barrier_count++;
	updates == 0;
#else
	lock_updates();
#endif
#ifdef MARK_IN_HANDLE
	if
	:: ineligible -> unlock_updates(); goto fallback
	:: else
	fi;
#endif
#ifdef PATCH_2
	if
	:: resizing -> unlock_updates(); goto fallback
	:: else
	fi;
#endif
	d_step { recorded = main_q; barrier = false; barrier_count-- };
#endif
	atomic {		/* ext4_fc_write_tail(): PREFLUSH, FUA */
		fc_writes = (fc_tid == running -> fc_writes : 0) | recorded;
		fc_tid = running;
		sb_flushed = sb_cached;
#ifndef ONLY_LOST
		fc_on_empty = (sb_flushed == EMPTY);
		assert(!fc_on_empty);
#endif
#ifdef ADD_GROUP
		gap = (recorded & new_blocks) && resize_tid;
#else
		gap = (recorded & new_blocks) && resize_tid > log_tid;
#endif
		assert(!gap);
		shown = (SHOW == AFTER && (recorded & new_blocks));
		assert(!shown);
		crash()
	};
	counted = 7;		/* s_fc_subtid is incremented */
	unless_window {		/* jbd2_fc_end_commit() */
		fc_cleanup(0, ~recorded);
#ifdef LOCK_ORDER_OLD
		unlock_updates();
#endif
		d_step { fast_commit = false; recorded = 0 }
	};
	fc_wait = 0;		/* wake_up(&journal->j_fc_wait) */
	goto returned;

fallback:			/* jbd2_fc_end_commit_fallback() */
	assert(running == tid);	/* the tid that it completes */
	fc_cleanup(tid, 0);
#ifdef LOCK_ORDER_OLD
	unlock_updates();
#endif
	d_step { fast_commit = false; full_commit = true };
	fc_wait = 0;		/* wake_up(&journal->j_fc_wait) */
complete:			/* also hold_fc_commit() */
	complete_transaction(tid);
returned:
	if
	:: again -> atomic { again = false; goto call }
	:: else
	fi;
	atomic { acked = acked | WRITE; crash() };
done:
	atomic { counted = counted | ME; w++ };
	if
	:: w <= last -> goto next
	:: else
	fi
#undef tid
}

inline journal_flush()		/* jbd2_journal_flush(), under the barrier */
{
	commit_and_wait();
	/*
	 * jbd2_log_do_checkpoint().  All is written back and no transaction
	 * there, so tids can be counted from anew: fewer states.
	 */
	d_step {
		assert(!running && !committing);	/* its J_ASSERTs */
		assert(SET(IS_LOGGED) == 7);
#ifdef SUCCESSOR_RULE
		seen = (seen == NOTHING -> NOTHING :
			(seen >= committed && seen <= next_tid ->
				seen - committed : OLD));
#endif
		write_tid[0] = 0;
		write_tid[1] = 0;
		write_tid[2] = 0;
		acked = 0;
		new_blocks = 0;
		resize_tid = 0;
#ifdef MARK
		ineligible_tid = 0;
#endif
		next_tid = 1;
		committed = 0;
		log_tid = 0;
		fc_tid = 0;
		fc_writes = 0;
		main_q = 0;
		staging = 0
	};
	if			/* jbd2_mark_journal_empty() */
	:: sb_cached != EMPTY ->
		atomic { sb_cached = EMPTY; sb_flushed = EMPTY; crash() };
		flushed = true
	:: else
	fi
}

inline resize()			/* ext4_ioctl(), EXT4_IOC_GROUP_EXTEND */
{
#ifdef PATCH_2
	resizing = true;		/* ext4_resize_begin() */
#endif
#ifndef NO_HOLD
	held = true;		/* resize_begin(), hold_begin() */
#ifndef NO_FORCE_COMMIT
	commit_and_wait();
#endif
	atomic { in_hold = true; overlap = fast_commit; assert(!overlap) };
#endif

	start_handle(resize_tid);	/* ext4_group_extend_no_check() */
#ifdef MARK_IN_HANDLE
	d_step { ineligible_tid = resize_tid; ineligible = true };
#endif
	grown = true;			/* ext4_group_add_blocks() */
	updates--;			/* ext4_journal_stop() */
	/* update_backups(): takes its time */
#ifdef MARK
	mark();
#endif
	lock_updates();
	journal_flush();
	unlock_updates();
#if defined(MARK) && !defined(NO_LASTING_MARK)
	mark_over();
#endif
#ifdef PATCH_2
	resizing = false;		/* ext4_resize_end() */
#endif
#ifndef NO_HOLD
	d_step { in_hold = false; held = false }	/* resize_end() */
#endif
}

inline freeze_and_thaw()	/* freeze_super(), thaw_super() */
{
	frozen = true;
	updates == 0 && !restarting;	/* sb_wait_write() */
	commit_and_wait();	/* sync_filesystem() */
	lock_updates();		/* ext4_freeze() */
	journal_flush();
	unlock_updates();
	frozen = false
}

proctype admin()
{
	byte tid;

	if
	:: resize(); freeze_and_thaw()
	:: freeze_and_thaw(); resize()
	fi
}

init
{
	atomic {
#if WRITERS == 3
		run writer(0, 0, 0);
		run writer(1, 1, 1);
		run writer(2, 2, 2);
#else
		run writer(0, 0, 1);
		run writer(1, 2, 2);
#endif
		run admin()
	}
}
