// SPDX-License-Identifier: GPL-2.0
/*
 * ext4_fc_resize_fix - make online resize of ext4 safe under fast commit
 *
 * mark.c is upstream's fix of two resize ioctls. hold.c enforces two rules
 * that no kernel has, for resize and flush. redirect.c is how both get hold of
 * kernel functions. Here all is put in place and taken away.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/utsname.h>

#include "fix.h"

/* The functions, and what runs in their place */
struct redirect redirects[HOLD_NR] = {
	[FIX_MARK_INELIGIBLE] = {
		.symbol = "ext4_fc_mark_ineligible",
		.wanted = mark_watch,
	},
	[FIX_RESIZE_END] = {
		.symbol = "ext4_resize_end",
		.replacement = hold_resize_end,
	},
	[FIX_GROUP_EXTEND] = {
		.symbol = "ext4_group_extend",
		.replacement = mark_group_extend,
	},
	[FIX_GROUP_ADD] = {
		.symbol = "ext4_group_add",
		.replacement = mark_group_add,
	},
	[FIX_RESIZE_BEGIN] = {
		.symbol = "ext4_resize_begin",
		.replacement = hold_resize_begin,
	},
	[FIX_SELFTEST] = REDIRECT_SELFTEST,
	[HOLD_FORCE_COMMIT] = {
		.symbol = "ext4_force_commit",
	},
	[HOLD_FC_COMMIT] = {
		.symbol = "ext4_fc_commit",
		.replacement = hold_fc_commit,
		.wanted = hold_wanted,
	},
};

bool hold = true;
module_param(hold, bool, 0444);
MODULE_PARM_DESC(hold, "1: also hold and flush rule, 0: upstream's fix only");

bool disable;
module_param(disable, bool, 0444);
MODULE_PARM_DESC(disable, "1: hook nothing, protect nothing");

static struct file_system_type *ext4;

/* The address of what the table names, as the type that is called */
#define SET_CALL(name, index) \
	static_call_update(name, (name##_fn *)redirects[index].addr)

static int __init fix_init(void)
{
	int nr = fix_nr();
	int err;

	if (disable) {
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

	err = redirect_find(redirects, nr);
	if (err)
		goto put_ext4;

	SET_CALL(ext4_fc_mark_ineligible, FIX_MARK_INELIGIBLE);
	SET_CALL(ext4_resize_end, FIX_RESIZE_END);
	SET_CALL(ext4_group_extend, FIX_GROUP_EXTEND);
	SET_CALL(ext4_group_add, FIX_GROUP_ADD);
	SET_CALL(ext4_resize_begin, FIX_RESIZE_BEGIN);
	if (hold)
		SET_CALL(ext4_force_commit, HOLD_FORCE_COMMIT);

	err = fix_sysfs_create();
	if (err) {
		pr_err("no sysfs files (error %d)\n", err);
		goto remove;
	}

	err = redirect_arm(redirects, nr);
	if (err)
		goto remove_sysfs;

	pr_info("ext4 online resize on %s (ext4 %s) is %s\n",
		init_utsname()->release, ext4->owner ? "module" : "built in",
		fix_state());
	fix_watch_begin();
	return 0;

remove_sysfs:
	fix_sysfs_remove();
remove:
	redirect_remove(redirects, nr);
put_ext4:
	module_put(ext4->owner);
	return err;
}

static void __exit fix_exit(void)
{
	fix_sysfs_remove();
	if (disable)
		return;

	fix_watch_end();
	redirect_remove(redirects, fix_nr());
	module_put(ext4->owner);
	pr_info("unloaded: ext4 online resize is not protected any more\n");
}

module_init(fix_init);
module_exit(fix_exit);

MODULE_DESCRIPTION("Make ext4 online resize safe under fast commit");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(FIX_VERSION);
