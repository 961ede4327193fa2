// SPDX-License-Identifier: GPL-2.0
/*
 * Upstream's fix: group extend and group add are fast-commit ineligible
 *
 * Upstream's commits 1f8dd813a1c7 ("ext4: mark group extend fast-commit
 * ineligible") and 89b4336fd5ec ("ext4: mark group add fast-commit
 * ineligible") each add to the ioctl, after the group operation and whatever
 * it returned, before the journal is flushed:
 *
 *	if (EXT4_SB(sb)->s_journal)
 *		ext4_fc_mark_ineligible(sb, EXT4_FC_REASON_RESIZE, NULL);
 *
 * Here the replacement of the group operation makes the call as its last
 * step, in the ioctl's own context: from 6.16 on it takes a mutex. It need not
 * ask for a journal, since ext4 clears JOURNAL_FAST_COMMIT of a mount without
 * one and ext4_fc_mark_ineligible() does nothing then.
 *
 * A kernel that has the fix marks by itself, and is known by that: by a mark
 * with this reason by the same task, after the group operation and before
 * ext4_resize_end(). One surplus mark is made until then, none after it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "fix.h"

/* Rule 4 of hold.c has to know of it */
static void mark_call(struct super_block *sb, int reason, handle_t *handle)
{
	hold_mark_begin(sb);
	redirect_pass(&fix_redirects[FIX_MARK_INELIGIBLE],
		      static_call(ext4_fc_mark_ineligible)(sb, reason, handle));
	hold_mark_end();
}

static void mark(struct super_block *sb, atomic_long_t *marks)
{
	mark_call(sb, EXT4_FC_REASON_RESIZE, NULL);
	atomic_long_inc(marks);
}

/* noinline: once in the module, not in each of its two callers */
static noinline void mark_after(struct super_block *sb, atomic_long_t *marks)
{
	struct resize *r = resize_find(sb, current);
	bool kernel_marks = atomic_long_read(fix_stat(kernel_marks));

	if (!kernel_marks)
		mark(sb, marks);

	/* Not there if the ioctl began before this module was loaded */
	if (r) {
		r->marked = !kernel_marks;
		r->marks = marks;
	}
}

/**
 * mark_group_extend() - in place of ext4_group_extend()
 * @sb: the filesystem
 * @es: its superblock
 * @n_blocks: how many blocks it is to have
 *
 * Context: process context, may sleep.
 * Return: what the original returned.
 */
int mark_group_extend(struct super_block *sb, struct ext4_super_block *es,
		      unsigned long long n_blocks)
{
	int err;

	redirect_enter(&fix_redirects[FIX_GROUP_EXTEND]);
	err = redirect_pass(&fix_redirects[FIX_GROUP_EXTEND],
			    static_call(ext4_group_extend)(sb, es, n_blocks));
	mark_after(sb, fix_stat(marks_group_extend));
	return redirect_return(err);
}

/**
 * mark_group_add() - in place of ext4_group_add()
 * @sb: the filesystem
 * @input: the group
 *
 * Context: process context, may sleep.
 * Return: what the original returned.
 */
int mark_group_add(struct super_block *sb, struct ext4_new_group_data *input)
{
	int err;

	redirect_enter(&fix_redirects[FIX_GROUP_ADD]);
	err = redirect_pass(&fix_redirects[FIX_GROUP_ADD],
			    static_call(ext4_group_add)(sb, input));
	mark_after(sb, fix_stat(marks_group_add));
	return redirect_return(err);
}

/**
 * mark_wanted() - see the kernel mark by itself
 * @sb: first argument of ext4_fc_mark_ineligible()
 * @reason: its second
 *
 * Context: hook, on each call of ext4_fc_mark_ineligible() from outside.
 * Return: whether rule 4 of hold.c is to know of it.
 */
notrace bool mark_wanted(unsigned long sb, unsigned long reason)
{
	struct resize *r;

	if ((int)reason == EXT4_FC_REASON_RESIZE) {
		r = resize_find((struct super_block *)sb, current);
		if (r && r->marks)
			r->kernel_marked = true;
	}
	return fix_hold && fix_successor;
}
NOKPROBE_SYMBOL(mark_wanted);

/**
 * mark_ineligible() - in place of ext4_fc_mark_ineligible(), for rule 4
 * @sb: the filesystem
 * @reason: why, an enum of the kernel's
 * @handle: whose transaction is marked; NULL: the running one
 *
 * Context: as of the original: process context, from 6.16 on it may sleep.
 * Return: 0, which nobody looks at where the original returns nothing.
 */
int mark_ineligible(struct super_block *sb, int reason, handle_t *handle)
{
	redirect_enter(&fix_redirects[FIX_MARK_INELIGIBLE]);
	mark_call(sb, reason, handle);
	return redirect_return(0);
}

/**
 * mark_resize_end() - learn from a resize whether the kernel marks by itself
 * @r: the resize, by this task
 *
 * A kernel with only one of upstream's two commits is not known to exist. On
 * one, group operations of the other kind would be seen to be unmarked here,
 * and marked, though after the flush: late with hold=0, and not needed otherwise.
 *
 * Context: process context, in the replacement of ext4_resize_end().
 */
void mark_resize_end(struct resize *r)
{
	if (!r->marks)
		return;

	if (r->kernel_marked) {
		if (!atomic_long_xchg(fix_stat(kernel_marks), 1))
			pr_info("this kernel has upstream's fix, it marks by itself: no further marks from this module\n");
	} else if (!r->marked) {
		mark(r->sb, r->marks);
	}
}
