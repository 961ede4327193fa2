// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_hooks - hooks the functions of redirect_victim, by redirect.c
 *
 * In the same way as the real module does. A replacement that is to be seen
 * adds 1000 to the result. In /sys/kernel/debug/redirect_hooks/: how often the
 * replacement of rv_through() ran (through) and rv_observed() was seen
 * (observed), redirect_missed() (missed), redirect_selftest() (selftest).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/static_call.h>

#include "redirect.h"

enum {
	HOOK_PLAIN,
	HOOK_SLEEP,
	HOOK_LATE,
	HOOK_RECURSE,
	HOOK_PARITY,
	HOOK_THROUGH,
	HOOK_OUTER,
	HOOK_INNER,
	HOOK_FILTER,
	HOOK_OBSERVED,
	HOOK_MANY,
	HOOK_SELFTEST,
	HOOK_NR,
};

static struct redirect redirects[HOOK_NR];

typedef int rv_fn(int a, int b);
typedef int rv_many_fn(int a, int b, int c, int d, int e, int f, int g, int h,
		       int i, int j);

DEFINE_STATIC_CALL_NULL(rv_plain, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_sleep, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_late, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_recurse, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_parity, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_through, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_outer, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_inner, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_filter, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_observed, rv_fn);
DEFINE_STATIC_CALL_NULL(rv_many, rv_many_fn);

static atomic_t hook_throughs, hook_observed;

static int hook_plain(int a, int b)
{
	redirect_enter(&redirects[HOOK_PLAIN]);
	return redirect_return(a + b + 1000);
}

static int hook_sleep(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_SLEEP]);
	ret = redirect_pass(&redirects[HOOK_SLEEP],
			    static_call(rv_sleep)(a, b));
	return redirect_return(ret + 1000);
}

/* Sleeps before it calls the original, which does not sleep */
static int hook_late(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_LATE]);
	msleep(a);
	ret = redirect_pass(&redirects[HOOK_LATE], static_call(rv_late)(a, b));
	return redirect_return(ret + 1000);
}

static int hook_recurse(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_RECURSE]);
	ret = redirect_pass(&redirects[HOOK_RECURSE],
			    static_call(rv_recurse)(a, b));
	return redirect_return(ret + 1000);
}

/* Calls the original in a way that is not wanted */
static int hook_parity(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_PARITY]);
	ret = redirect_pass(&redirects[HOOK_PARITY],
			    static_call(rv_parity)(a + 1, b));
	return redirect_return(ret + 1000);
}

static int hook_through(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_THROUGH]);
	ret = redirect_pass(&redirects[HOOK_THROUGH],
			    static_call(rv_through)(a, b));
	atomic_inc(&hook_throughs);
	return redirect_return(ret);
}

static int hook_outer(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_OUTER]);
	ret = redirect_pass(&redirects[HOOK_OUTER],
			    static_call(rv_outer)(a, b));
	return redirect_return(ret + 1000);
}

static int hook_inner(int a, int b)
{
	int ret;

	redirect_enter(&redirects[HOOK_INNER]);
	ret = redirect_pass(&redirects[HOOK_INNER],
			    static_call(rv_inner)(a, b));
	return redirect_return(ret + 1000);
}

static int hook_filter(int a, int b)
{
	redirect_enter(&redirects[HOOK_FILTER]);
	return redirect_return(a + 3 * b + 1000);
}

static int hook_many(int a, int b, int c, int d, int e, int f, int g, int h,
		     int i, int j)
{
	int ret;

	redirect_enter(&redirects[HOOK_MANY]);
	ret = redirect_pass(&redirects[HOOK_MANY],
			    static_call(rv_many)(a, b, c, d, e, f, g, h, i, j));
	return redirect_return(ret + 1000);
}

static notrace bool hook_odd(unsigned long a, unsigned long b)
{
	return a & 1;
}

NOKPROBE_SYMBOL(hook_odd);

/* Sees each call, wants none */
static notrace bool hook_observe(unsigned long a, unsigned long b)
{
	atomic_inc(&hook_observed);
	return false;
}

NOKPROBE_SYMBOL(hook_observe);

DEFINE_REDIRECT(rv_plain, hook_plain);
DEFINE_REDIRECT(rv_sleep, hook_sleep);
DEFINE_REDIRECT(rv_late, hook_late);
DEFINE_REDIRECT(rv_recurse, hook_recurse);
DEFINE_REDIRECT(rv_parity, hook_parity);
DEFINE_REDIRECT(rv_through, hook_through);
DEFINE_REDIRECT(rv_outer, hook_outer);
DEFINE_REDIRECT(rv_inner, hook_inner);
DEFINE_REDIRECT(rv_filter, hook_filter);
DEFINE_REDIRECT(rv_observed, hook_filter);
DEFINE_REDIRECT(rv_many, hook_many);

static struct redirect redirects[HOOK_NR] = {
	[HOOK_PLAIN] = REDIRECT(rv_plain, hook_plain, NULL),
	[HOOK_SLEEP] = REDIRECT(rv_sleep, hook_sleep, NULL),
	[HOOK_LATE] = REDIRECT(rv_late, hook_late, NULL),
	[HOOK_RECURSE] = REDIRECT(rv_recurse, hook_recurse, NULL),
	[HOOK_PARITY] = REDIRECT(rv_parity, hook_parity, hook_odd),
	[HOOK_THROUGH] = REDIRECT(rv_through, hook_through, NULL),
	[HOOK_OUTER] = REDIRECT(rv_outer, hook_outer, NULL),
	[HOOK_INNER] = REDIRECT(rv_inner, hook_inner, NULL),
	[HOOK_FILTER] = REDIRECT(rv_filter, hook_filter, hook_odd),
	[HOOK_OBSERVED] = REDIRECT(rv_observed, hook_filter, hook_observe),
	[HOOK_MANY] = REDIRECT(rv_many, hook_many, NULL),
	[HOOK_SELFTEST] = REDIRECT_SELFTEST,
};

static char *through = "rv_through";
module_param(through, charp, 0);
MODULE_PARM_DESC(through, "the function in the middle of the table");

static struct dentry *hook_dir;

static int hook_missed_get(void *data, u64 *val)
{
	*val = redirect_missed(redirects, HOOK_NR);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(hook_missed_fops, hook_missed_get, NULL, "%llu\n");

static int hook_selftest_get(void *data, u64 *val)
{
	*val = redirect_selftest();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(hook_selftest_fops, hook_selftest_get, NULL, "%llu\n");

static int __init hook_init(void)
{
	int err;

	redirects[HOOK_THROUGH].symbol = through;
	err = redirect_find(redirects, HOOK_NR);
	if (err)
		return err;

	hook_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_atomic_t("through", 0400, hook_dir, &hook_throughs);
	debugfs_create_atomic_t("observed", 0400, hook_dir, &hook_observed);
	debugfs_create_file("missed", 0400, hook_dir, NULL, &hook_missed_fops);
	debugfs_create_file("selftest", 0400, hook_dir, NULL,
			    &hook_selftest_fops);

	err = redirect_arm(redirects, HOOK_NR);
	if (err)
		debugfs_remove_recursive(hook_dir);
	return err;
}

static void __exit hook_exit(void)
{
	debugfs_remove_recursive(hook_dir);
	redirect_remove(redirects, HOOK_NR);
}

module_init(hook_init);
module_exit(hook_exit);

MODULE_DESCRIPTION("Hooks the functions of redirect_victim");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
