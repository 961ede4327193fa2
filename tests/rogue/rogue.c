// SPDX-License-Identifier: GPL-2.0
/*
 * rogue - takes back what others do to calls of ext4_fc_commit()
 *
 * It sets the instruction pointer to where it is without them, and does not tell
 * ftrace (no IPMODIFY). ftrace calls last who was there first, so this has effect
 * on those that come later.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/init.h>
#include <linux/module.h>

/* d19ad0775dcd ("ftrace: Have the callbacks receive a struct ftrace_regs instead of pt_regs") */
#ifndef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#define ftrace_regs pt_regs
#define ftrace_get_regs(fregs) (fregs)
#endif

static notrace void rogue_call(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops,
			       struct ftrace_regs *fregs)
{
	instruction_pointer_set(ftrace_get_regs(fregs), ip + MCOUNT_INSN_SIZE);
}

static struct ftrace_ops rogue_ops = {
	.func = rogue_call,
	.flags = FTRACE_OPS_FL_SAVE_REGS,
};

static int __init rogue_init(void)
{
	static unsigned char filter[] = "ext4_fc_commit";
	int err = ftrace_set_filter(&rogue_ops, filter, sizeof(filter) - 1, 1);

	return err ? err : register_ftrace_function(&rogue_ops);
}

static void __exit rogue_exit(void)
{
	unregister_ftrace_function(&rogue_ops);
	ftrace_set_filter(&rogue_ops, NULL, 0, 1);
}

module_init(rogue_init);
module_exit(rogue_exit);

MODULE_DESCRIPTION("Takes back what others do to ext4_fc_commit()");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
