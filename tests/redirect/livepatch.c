// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_livepatch - a livepatch of rv_through(), with the same result
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>

static int livepatched_through(int a, int b)
{
	return a - b;
}

static struct klp_func livepatch_funcs[] = {
	{
		.old_name = "rv_through",
		.new_func = livepatched_through,
	},
	{}
};

static struct klp_object livepatch_objs[] = { {
						      .name = "redirect_victim",
						      .funcs = livepatch_funcs,
					      },
					      {} };

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

MODULE_DESCRIPTION("A livepatch of redirect_victim");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
