// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_victim - functions for redirect_hooks to hook
 *
 * A line "FUNCTION A B" written to /sys/kernel/debug/redirect_victim calls
 * rv_FUNCTION(A, B) in the task that writes. What is read then, as long as the
 * file is open, is the result and how many functions of this file ran for it,
 * or how many calls were redirected without their original.
 *
 * "FUNCTION A B N" calls it N times: read is the nanoseconds that one took.
 *
 * "hammer" calls the functions until somebody writes "stop" ("go" takes that
 * back). What is read then is the number of calls, of those that gave what the
 * replacements of redirect_hooks give, and of those that gave what neither
 * the function nor its replacement gives.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static atomic_t rv_ran;
static bool rv_stop;
static struct dentry *rv_file;

/*
 * The last thing that each function does: the compiler must not know what it
 * returns. No two do the same, or the compiler would make one of them.
 */
static __always_inline int rv_return(int ret)
{
	atomic_inc(&rv_ran);
	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static noinline __noclone int rv_plain(int a, int b)
{
	return rv_return(a + b);
}

static noinline __noclone int rv_through(int a, int b)
{
	return rv_return(a - b);
}

static noinline __noclone int rv_sleep(int ms, int b)
{
	msleep(ms);
	return rv_return(b);
}

static noinline __noclone int rv_late(int ms, int b)
{
	/* clang does not pass an argument that is not used */
	asm volatile("" : : "r"(ms));
	return rv_return(b);
}

static noinline __noclone int rv_recurse(int n, int b)
{
	return rv_return(n > 0 ? n + rv_recurse(n - 1, b) : 0);
}

/* Calls itself with the other parity */
static noinline __noclone int rv_parity(int n, int b)
{
	return rv_return(n > 0 ? 1 + rv_parity(n - 3, b) : 0);
}

static noinline __noclone int rv_inner(int a, int b)
{
	return rv_return(a * 2 + b);
}

static noinline __noclone int rv_outer(int a, int b)
{
	return rv_return(rv_inner(a, b) + 1);
}

static noinline __noclone int rv_filter(int a, int b)
{
	return rv_return(a + 3 * b);
}

static noinline __noclone int rv_observed(int a, int b)
{
	return rv_return(a);
}

/* More arguments than there are registers for */
static noinline __noclone int rv_many(int a, int b, int c, int d, int e, int f,
				      int g, int h, int i, int j)
{
	return rv_return(a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g +
			 8 * h + 9 * i + 10 * j);
}

/* By direct calls, as in a filesystem */
static int rv_call(const char *name, int a, int b)
{
	if (!strcmp(name, "plain"))
		return rv_plain(a, b);
	if (!strcmp(name, "through"))
		return rv_through(a, b);
	if (!strcmp(name, "sleep"))
		return rv_sleep(a, b);
	if (!strcmp(name, "late"))
		return rv_late(a, b);
	if (!strcmp(name, "recurse"))
		return rv_recurse(a, b);
	if (!strcmp(name, "parity"))
		return rv_parity(a, b);
	if (!strcmp(name, "outer"))
		return rv_outer(a, b);
	if (!strcmp(name, "filter"))
		return rv_filter(a, b);
	if (!strcmp(name, "observed"))
		return rv_observed(a, b);
	if (!strcmp(name, "many"))
		return rv_many(a, b, a, b, a, b, a, b, a, b);
	return -EINVAL;
}

struct rv_tally {
	unsigned long calls;
	unsigned long redirected;
	unsigned long wrong;
};

/* Each replacement that runs adds 1000; a call in which up to @max can run */
static void rv_check(struct rv_tally *tally, const char *name, int got,
		     int original, int max)
{
	int added = got - original;

	tally->calls++;
	if (added < 0 || added > max * 1000 || added % 1000) {
		if (!tally->wrong++)
			pr_err("rv_%s() gave %d instead of %d\n", name, got,
			       original);
	} else if (added) {
		tally->redirected++;
	}
}

static void rv_hammer(struct rv_tally *tally)
{
	unsigned int i = 0;

	/* Once at least, however late this task comes to run */
	do {
		rv_check(tally, "plain", rv_plain(6, 7), 13, 1);
		rv_check(tally, "through", rv_through(9, 4), 5, 0);
		rv_check(tally, "recurse", rv_recurse(3, 0), 6, 4);
		rv_check(tally, "outer", rv_outer(10, 1), 22, 2);
		rv_check(tally, "filter", rv_filter(2, 5), 17, 0);
		rv_check(tally, "filter", rv_filter(3, 5), 18, 1);
		rv_check(tally, "observed", rv_observed(8, 0), 8, 0);
		rv_check(tally, "many", rv_many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
			 385, 1);
		if (i++ % 32 == 0)
			rv_check(tally, "sleep", rv_sleep(1, 9), 9, 1);
		/* Outside for some time, or no rmmod would ever succeed */
		usleep_range(1000, 3000);
	} while (!READ_ONCE(rv_stop) && !fatal_signal_pending(current));
}

static int rv_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(64, GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static ssize_t rv_read(struct file *file, char __user *to, size_t len,
		       loff_t *pos)
{
	char *result = file->private_data;

	return simple_read_from_buffer(to, len, pos, result, strlen(result));
}

static ssize_t rv_write(struct file *file, const char __user *from, size_t len,
			loff_t *pos)
{
	struct rv_tally tally = {};
	char line[64], name[16];
	int a = 0, b = 0, times = 0, i, ran, ret;
	u64 ns;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, len))
		return -EFAULT;
	line[len] = '\0';
	if (sscanf(line, "%15s %d %d %d", name, &a, &b, &times) < 1)
		return -EINVAL;

	if (!strcmp(name, "stop") || !strcmp(name, "go")) {
		WRITE_ONCE(rv_stop, name[0] == 's');
	} else if (!strcmp(name, "hammer")) {
		rv_hammer(&tally);
		sprintf(file->private_data, "%lu %lu %lu\n", tally.calls,
			tally.redirected, tally.wrong);
	} else if (times > 0) {
		ns = ktime_get_ns();
		for (i = 0; i < times; i++)
			rv_call(name, a, b);
		ns = ktime_get_ns() - ns;
		sprintf(file->private_data, "%llu\n", div_u64(ns, times));
	} else {
		ran = atomic_read(&rv_ran);
		ret = rv_call(name, a, b);
		if (ret == -EINVAL)
			return ret;
		sprintf(file->private_data, "%d %d\n", ret,
			atomic_read(&rv_ran) - ran);
	}
	/* *pos stays, to be read from the beginning */
	return len;
}

static int rv_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations rv_fops = {
	.owner = THIS_MODULE,
	.open = rv_open,
	.read = rv_read,
	.write = rv_write,
	.release = rv_release,
};

static int __init rv_init(void)
{
	rv_file =
		debugfs_create_file(KBUILD_MODNAME, 0600, NULL, NULL, &rv_fops);
	return PTR_ERR_OR_ZERO(rv_file);
}

static void __exit rv_exit(void)
{
	debugfs_remove(rv_file);
}

module_init(rv_init);
module_exit(rv_exit);

MODULE_DESCRIPTION("Functions for redirect_hooks to hook");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
