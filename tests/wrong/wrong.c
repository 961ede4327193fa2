// SPDX-License-Identifier: GPL-2.0
/*
 * wrong - the mark as one would make it at first, to see that tests catch it
 *
 * From the handler of a kretprobe on ext4_group_extend(), where nothing may
 * sleep, but ext4_fc_mark_ineligible() takes a mutex (since 6.16) or a lock
 * that sleeps on PREEMPT_RT. With pointer=1 also by way of a function pointer,
 * where IBT wants an ENDBR that the function no longer has.
 *
 * And a data race, for those who write to /sys/kernel/debug/wrong_race at the same
 * time: how often to count up a variable that they share.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/static_call.h>

#define EXT4_FC_REASON_RESIZE 5

typedef void mark_fn(void *sb, int reason, void *handle);

DEFINE_STATIC_CALL_NULL(mark, mark_fn);

static mark_fn *mark_pointer;

static bool pointer;
module_param(pointer, bool, 0);
MODULE_PARM_DESC(pointer, "1: call by way of a pointer");

static int wrong_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	*(unsigned long *)ri->data = regs_get_kernel_argument(regs, 0);
	return 0;
}

static int wrong_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	void *sb = *(void **)ri->data;

	if (pointer)
		mark_pointer(sb, EXT4_FC_REASON_RESIZE, NULL);
	else
		static_call(mark)(sb, EXT4_FC_REASON_RESIZE, NULL);
	return 0;
}

static struct kretprobe group_extend = {
	.kp.symbol_name = "ext4_group_extend",
	.entry_handler = wrong_entry,
	.handler = wrong_return,
	.data_size = sizeof(unsigned long),
};

static unsigned long raced;

static int wrong_race(void *data, u64 n)
{
	while (n--) {
		raced++;
		barrier();
	}
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(wrong_race_fops, NULL, wrong_race, "%llu\n");

static struct dentry *race_file;

static int __init wrong_init(void)
{
	struct kprobe kp = {
		.symbol_name = "ext4_fc_mark_ineligible",
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err = register_kprobe(&kp);

	if (err)
		return err;
	mark_pointer = (mark_fn *)kp.addr;
	static_call_update(mark, mark_pointer);
	unregister_kprobe(&kp);
	err = register_kretprobe(&group_extend);
	if (err)
		return err;
	race_file = debugfs_create_file("wrong_race", 0200, NULL, NULL,
					&wrong_race_fops);
	return 0;
}

static void __exit wrong_exit(void)
{
	debugfs_remove(race_file);
	unregister_kretprobe(&group_extend);
}

module_init(wrong_init);
module_exit(wrong_exit);

MODULE_DESCRIPTION("Marks from where it must not be done");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
