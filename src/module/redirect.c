// SPDX-License-Identifier: GPL-2.0
/*
 * redirect - run a function of this module in place of a kernel function
 *
 * The hook on the entry of the function sets the instruction pointer to the
 * replacement. How a function is hooked, and how the replacement gets to the
 * original without being sent to itself, is the back end's: redirect_ftrace.c
 * or redirect_kprobe.c. Kbuild takes one.
 *
 * There are two since neither is good everywhere. A kprobe on ftrace can be
 * switched off by two files that any tracing tool writes to, and bpf trampolines
 * that are there when it is armed ignore what it does to the instruction
 * pointer: the kernel tells them only in register_ftrace_function(), which the
 * first kprobe of its kind calls, and no other. And ftrace cannot change the
 * instruction pointer on arm64, nor is it there in every kernel.
 *
 * Who may still be inside when the module goes
 *
 *   The hook takes a reference on the module before it sends a task into a
 *   replacement, and redirect_return() drops it: while a task is inside,
 *   asleep or not, rmmod says "in use". Once rmmod has begun,
 *   try_module_get() fails and calls go to the original. Between its
 *   module_put() and the end of its last function in this module a task may
 *   be preempted but does not sleep: synchronize_rcu_tasks() in
 *   redirect_remove() waits for it. So it does for tasks in the stubs of
 *   redirect.h. redirect_unhook() waits for tasks in the hook itself. An init
 *   that fails is not covered by references, the module is freed regardless;
 *   therefore nothing but the self-test is redirected before all is hooked
 *   (redirect_live).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "redirect.h"

/* Whether calls are redirected that have a replacement */
bool redirect_live;

/* The address of a function by its name; kp is left registered if there is no error */
static int redirect_find_one(struct redirect *r, struct kprobe *kp)
{
	int err;

	kp->symbol_name = r->symbol;
	kp->flags = KPROBE_FLAG_DISABLED;
	err = register_kprobe(kp);
	if (err == -ENOENT)
		pr_err("%s() not found: this version does not know this kernel, look for a newer one\n",
		       r->symbol);
	else if (err)
		pr_err("%s() cannot be probed (error %d)\n", r->symbol, err);
	if (err)
		return err;

	r->addr = redirect_call_addr(r, kp);
	if (!r->addr) {
		pr_err("%s() was compiled without the call of the function tracer, it cannot be hooked\n",
		       r->symbol);
		unregister_kprobe(kp);
		return -EOPNOTSUPP;
	}
	__static_call_update(r->key, r->tramp, r->addr);
	return 0;
}

/**
 * redirect_find() - find the functions
 * @redirects: the functions
 * @nr: how many
 *
 * Sets static_call() of each. Nothing is hooked yet. The address of a function
 * comes from a kprobe that is registered, never armed, and gone again when this
 * returns.
 *
 * Context: may sleep.
 * Return: 0; or, with the function named in the log, the errno of
 * register_kprobe() (ENOENT: no such function) or EOPNOTSUPP (it cannot be
 * hooked); ENOMEM.
 */
int redirect_find(struct redirect *redirects, int nr)
{
	struct kprobe *kp = kcalloc(nr, sizeof(*kp), GFP_KERNEL);
	struct kprobe **kps = kcalloc(nr, sizeof(*kps), GFP_KERNEL);
	int i, err = kp && kps ? 0 : -ENOMEM;

	for (i = 0; i < nr && !err; i++) {
		kps[i] = &kp[i];
		err = redirect_find_one(&redirects[i], &kp[i]);
	}
	/* All in one call, it waits; the last of them may not be there */
	if (kp && kps)
		unregister_kprobes(kps, err ? i - 1 : i);
	kfree(kps);
	kfree(kp);
	return err;
}

/**
 * redirect_arm() - begin to redirect
 * @redirects: what redirect_find() found, REDIRECT_SELFTEST among them
 * @nr: how many
 *
 * From the return of this function on, all are redirected; before it, none.
 *
 * Context: may sleep.
 * Return: 0, the errno of redirect_hook() or EOPNOTSUPP (hooks are switched
 * off), with a line in the log. Nothing is redirected then, nothing is left
 * hooked, and redirect_remove() is not to be called.
 */
int redirect_arm(struct redirect *redirects, int nr)
{
	int i, err;

	for (i = 0; i < nr; i++) {
		atomic_long_set(&redirects[i].sent, 0);
		atomic_long_set(&redirects[i].arrived, 0);
	}
	err = redirect_hook(redirects, nr);
	if (err)
		return err;
	if (!redirect_selftest()) {
		pr_err("hooks are off: set /sys/kernel/debug/kprobes/enabled to 1, or remove the tracer that undoes them, then load again\n");
		redirect_remove(redirects, nr);
		return -EOPNOTSUPP;
	}
	WRITE_ONCE(redirect_live, true);
	return 0;
}

/**
 * redirect_remove() - end all redirects, for the module's exit function
 * @redirects: what redirect_arm() has hooked
 * @nr: how many
 *
 * Context: may sleep, for some grace periods.
 */
void redirect_remove(struct redirect *redirects, int nr)
{
	WRITE_ONCE(redirect_live, false);
	redirect_unhook(redirects, nr);
	synchronize_rcu_tasks();
}

/* Calls that did not get to the hook or the replacement, or not yet */
static unsigned long redirect_outstanding(struct redirect *redirects, int nr)
{
	unsigned long missed = 0;

	while (nr--) {
		struct redirect *r = &redirects[nr];
		/* In this order, or an arrival could hide one that is lost */
		long arrived = atomic_long_read(&r->arrived);

		smp_rmb(); /* see above */
		missed += atomic_long_read(&r->sent) - arrived;
		missed += redirect_skipped(r);
	}
	return missed;
}

/**
 * redirect_missed() - how many calls did not get to the hook or the replacement
 * @redirects: the functions
 * @nr: how many
 *
 * A call that the hook has sent to a replacement gets there unless somebody
 * else takes the change of the instruction pointer back.
 *
 * Context: may sleep, for half a second if calls were lost.
 * Return: their number, since redirect_arm(); not less than that.
 */
unsigned long redirect_missed(struct redirect *redirects, int nr)
{
	unsigned long least = redirect_outstanding(redirects, nr);
	int i;

	for (i = 0; least && i < 25; i++) {
		msleep(20);
		least = min(least, redirect_outstanding(redirects, nr));
	}
	return least;
}

/* --- the self-test ------------------------------------------------------- */

DEFINE_STATIC_CALL_NULL(redirect_selftest, redirect_selftest_target);
DEFINE_REDIRECT(redirect_selftest, redirect_selftest_replacement);

noinline int redirect_selftest_target(bool *seen)
{
	/* The compiler must not know what is done here: nothing */
	asm volatile("" : : "r"(seen) : "memory");
	return 0;
}

int redirect_selftest_replacement(bool *seen)
{
	*seen = true;
	return 0;
}

/**
 * redirect_selftest() - whether hooks have effect now
 *
 * Return: true if a call of redirect_selftest_target() is redirected.
 */
bool redirect_selftest(void)
{
	bool seen = false;

	redirect_selftest_target(&seen);
	return READ_ONCE(seen);
}
