// SPDX-License-Identifier: GPL-2.0
/*
 * ext4_livepatch - a livepatch of ext4_group_extend(), which returns -EXDEV
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static int livepatched_group_extend(void *sb, void *es,
				    unsigned long long n_blocks_count)
{
	return -EXDEV;
}

static struct klp_func livepatch_funcs[] = {
	{
		.old_name = "ext4_group_extend",
		.new_func = livepatched_group_extend,
	},
#ifdef LIVEPATCH_ALL
	{
		.old_name = "ext4_group_add",
		.new_func = livepatched_group_extend,
	},
	{
		.old_name = "ext4_resize_begin",
		.new_func = livepatched_group_extend,
	},
	{
		.old_name = "ext4_resize_end",
		.new_func = livepatched_group_extend,
	},
	{
		.old_name = "ext4_fc_mark_ineligible",
		.new_func = livepatched_group_extend,
	},
	{
		.old_name = "ext4_fc_commit",
		.new_func = livepatched_group_extend,
	},
#endif
	{}
};

static struct klp_object livepatch_objs[] = {
	{
		/* NULL: the kernel itself */
		.name = IS_MODULE(CONFIG_EXT4_FS) ? "ext4" : NULL,
		.funcs = livepatch_funcs,
	},
	{}
};

static struct klp_patch livepatch = {
	.mod = THIS_MODULE,
	.objs = livepatch_objs,
};

static int __init livepatch_init(void)
{
	return klp_enable_patch(&livepatch);
}

/* Not before the livepatch was disabled by /sys/kernel/livepatch */
static void __exit livepatch_exit(void)
{
}

module_init(livepatch_init);
module_exit(livepatch_exit);

MODULE_DESCRIPTION("A livepatch of ext4_group_extend()");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
