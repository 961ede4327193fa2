// SPDX-License-Identifier: GPL-2.0
/*
 * ext4_fc_resize_fix - make online resize of ext4 safe under fast commit
 *
 * mark.c is upstream's fix of two resize ioctls. hold.c enforces four rules
 * that no kernel has, for resize, flush, overlapping fsyncs and what follows an
 * ineligible transaction. resize.c knows which resizes are going on. redirect.c
 * is how they get hold of kernel functions. Here all is put in place and taken away.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/utsname.h>

#include "fix.h"

DEFINE_STATIC_CALL_NULL(ext4_group_extend, ext4_group_extend_fn);
DEFINE_STATIC_CALL_NULL(ext4_group_add, ext4_group_add_fn);
DEFINE_STATIC_CALL_NULL(ext4_fc_mark_ineligible, ext4_fc_mark_ineligible_fn);
DEFINE_STATIC_CALL_NULL(ext4_resize_begin, ext4_resize_begin_fn);
DEFINE_STATIC_CALL_NULL(ext4_resize_end, ext4_resize_end_fn);
DEFINE_STATIC_CALL_NULL(ext4_force_commit, ext4_force_commit_fn);
DEFINE_STATIC_CALL_NULL(ext4_fc_commit, ext4_fc_commit_fn);
DEFINE_STATIC_CALL_NULL(jbd2_complete_transaction,
			jbd2_complete_transaction_fn);
DEFINE_STATIC_CALL_NULL(task_work_add, task_work_add_fn);

DEFINE_REDIRECT(ext4_group_extend, mark_group_extend);
DEFINE_REDIRECT(ext4_group_add, mark_group_add);
DEFINE_REDIRECT(ext4_fc_mark_ineligible, mark_ineligible);
DEFINE_REDIRECT(ext4_resize_begin, resize_begin);
DEFINE_REDIRECT(ext4_resize_end, resize_end);
DEFINE_REDIRECT(ext4_fc_commit, hold_fc_commit);

/*
 * The functions, and what runs in their place. For one more:
 * - compat.h: its prototype, the widest of all versions, and DECLARE_STATIC_CALL()
 * - above: DEFINE_STATIC_CALL_NULL(), and DEFINE_REDIRECT() if it is hooked
 * - fix.h: its place in the enum. Here: the entry, by which redirect_find() sets
 *   the static call; so there is none that is not set
 * - its replacement: begins with redirect_enter(), calls the original, if it does,
 *   by redirect_pass(), ends with redirect_return()
 * - a counter, if it needs one: stats.h
 * - tests: by name in load.sh (misspelt), depth.sh, ibt.sh, tracers.sh, bpf.sh
 */
struct redirect fix_redirects[FIX_NR] = {
	[FIX_SELFTEST] = REDIRECT_SELFTEST,
	[FIX_TASK_WORK_ADD] = REDIRECT_CALL(task_work_add),
	[FIX_MARK_INELIGIBLE] =
		REDIRECT(ext4_fc_mark_ineligible, mark_ineligible, mark_wanted),
	[FIX_RESIZE_BEGIN] = REDIRECT(ext4_resize_begin, resize_begin, NULL),
	[FIX_RESIZE_END] = REDIRECT(ext4_resize_end, resize_end, NULL),
	[FIX_GROUP_EXTEND] =
		REDIRECT(ext4_group_extend, mark_group_extend, NULL),
	[FIX_GROUP_ADD] = REDIRECT(ext4_group_add, mark_group_add, NULL),
	[FIX_FORCE_COMMIT] = REDIRECT_CALL(ext4_force_commit),
	[FIX_COMPLETE_TRANSACTION] = REDIRECT_CALL(jbd2_complete_transaction),
	[FIX_FC_COMMIT] = REDIRECT(ext4_fc_commit, hold_fc_commit, hold_wanted),
};

bool fix_hold = true;
module_param_named(hold, fix_hold, bool, 0444);
MODULE_PARM_DESC(hold, "1: all rules, 0: upstream's fix only");

bool fix_overlap = true;
module_param_named(overlap, fix_overlap, bool, 0444);
MODULE_PARM_DESC(overlap, "0: without the overlap rule");

bool fix_successor = true;
module_param_named(successor, fix_successor, bool, 0444);
MODULE_PARM_DESC(successor, "0: without the successor rule");

bool fix_disable;
module_param_named(disable, fix_disable, bool, 0444);
MODULE_PARM_DESC(disable, "1: hook nothing, protect nothing");

static struct file_system_type *ext4;

static int __init fix_init(void)
{
	int nr = fix_nr();
	int err;

	if (fix_disable) {
		err = fix_sysfs_create();
		if (!err)
			pr_warn("disable=1: nothing is hooked, nothing is protected\n");
		return err;
	}

	/* Loads ext4 if need be, and keeps it: a kprobe does not */
	ext4 = get_fs_type("ext4");
	if (!ext4) {
		pr_err("this kernel has no ext4, neither built in nor as a module: nothing to protect\n");
		return -ENODEV;
	}

	err = redirect_find(fix_redirects, nr);
	if (err)
		goto put_ext4;

	err = fix_sysfs_create();
	if (err) {
		pr_err("no sysfs files (error %d)\n", err);
		goto put_ext4;
	}

	err = redirect_arm(fix_redirects, nr);
	if (err)
		goto remove_sysfs;

	pr_info("ext4 online resize on %s (ext4 %s) is %s (hold=%d overlap=%d successor=%d)\n",
		init_utsname()->release, ext4->owner ? "module" : "built in",
		fix_state(), fix_hold, fix_overlap, fix_successor);
	fix_watch_begin();
	return 0;

remove_sysfs:
	fix_sysfs_remove();
put_ext4:
	module_put(ext4->owner);
	return err;
}

static void __exit fix_exit(void)
{
	fix_sysfs_remove();
	if (fix_disable)
		return;

	fix_watch_end();
	redirect_remove(fix_redirects, fix_nr());
	hold_exit();
	module_put(ext4->owner);
	pr_info("unloaded: ext4 online resize is not protected any more\n");
}

module_init(fix_init);
module_exit(fix_exit);

MODULE_DESCRIPTION("Make ext4 online resize safe under fast commit");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(FIX_VERSION);
