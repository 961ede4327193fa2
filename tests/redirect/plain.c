// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_plain - hooks rv_through(), and does nothing there
 *
 * To tell what of a redirect's cost is that of the kernel's own hooks, which it
 * is made of: kind=ftrace, kind=regs (ftrace, with all registers) or kind=kprobe
 * (one that nothing optimises, as those of redirect.c are).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/string.h>

static char *kind = "ftrace";
module_param(kind, charp, 0);
MODULE_PARM_DESC(kind, "ftrace, regs or kprobe");

static notrace void plain_func(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *op, struct ftrace_regs *regs)
{
}

static struct ftrace_ops plain_ops = {
	.func = plain_func,
};

static notrace int plain_pre_handler(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}
NOKPROBE_SYMBOL(plain_pre_handler);

static notrace void plain_post_handler(struct kprobe *kp, struct pt_regs *regs,
				       unsigned long flags)
{
}
NOKPROBE_SYMBOL(plain_post_handler);

static struct kprobe plain_kprobe = {
	.symbol_name = "rv_through",
	.pre_handler = plain_pre_handler,
	.post_handler = plain_post_handler,
};

static int __init plain_init(void)
{
	char *function = "rv_through";
	int err;

	if (!strcmp(kind, "kprobe"))
		return register_kprobe(&plain_kprobe);
	if (!strcmp(kind, "regs"))
		plain_ops.flags |= FTRACE_OPS_FL_SAVE_REGS;
	err = ftrace_set_filter(&plain_ops, function, strlen(function), 1);
	return err ?: register_ftrace_function(&plain_ops);
}

static void __exit plain_exit(void)
{
	if (!strcmp(kind, "kprobe"))
		unregister_kprobe(&plain_kprobe);
	else
		unregister_ftrace_function(&plain_ops);
}

module_init(plain_init);
module_exit(plain_exit);

MODULE_DESCRIPTION("Hooks that do nothing");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
