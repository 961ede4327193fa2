// SPDX-License-Identifier: GPL-2.0
/*
 * redirect - run a function of this module in place of a kernel function
 *
 * The probe handler sets the instruction pointer to the replacement and
 * returns 1 ("Changing Execution Path" in Documentation/trace/kprobes.rst).
 * An optimised kprobe would ignore that; having a post_handler prevents the
 * optimisation, and makes a kprobe that sits on ftrace claim the function
 * (FTRACE_OPS_FL_IPMODIFY), so that a livepatch of the same function and we
 * cannot both be there: whoever comes second gets EBUSY.
 *
 * The replacement calls the original at its probed address, and that call has
 * to pass. It is told from a call from outside by the task, not by the return
 * address, which the function_graph tracer and kretprobes replace. The pass is
 * good for one call: the handler takes it off the list, so a recursion inside
 * the original is redirected like a call from outside.
 *
 * Who may still be inside when the module goes
 *
 *   The handler takes a reference on the module before it sends a task into
 *   a replacement, and redirect_return() drops it: while a task is inside,
 *   asleep or not, rmmod says "in use". Once rmmod has begun,
 *   try_module_get() fails and calls go to the original. Between its
 *   module_put() and the end of its last function in this module a task may
 *   be preempted but does not sleep: synchronize_rcu_tasks() in
 *   redirect_remove() waits for it. Handlers themselves are waited for by
 *   unregister_kprobes(). An init that fails is not covered by references,
 *   the module is freed regardless; therefore nothing is redirected before
 *   all is armed (redirect_live).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "redirect.h"

static DEFINE_RAW_SPINLOCK(redirect_lock);
static HLIST_HEAD(redirect_passes);
static bool redirect_live;

/*
 * Whether this is the original being called by its replacement. A pass is
 * added by the task that is looking for it, so this task sees its own without
 * the lock; the lock is for the list.
 */
static notrace bool redirect_take_pass(struct redirect *r)
{
	struct redirect_pass *pass;
	unsigned long flags;
	bool found = false;

	if (hlist_empty(&redirect_passes))
		return false;

	raw_spin_lock_irqsave(&redirect_lock, flags);
	hlist_for_each_entry(pass, &redirect_passes, node) {
		if (pass->task == current && pass->redirect == r) {
			hlist_del_init(&pass->node);
			found = true;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&redirect_lock, flags);
	return found;
}
NOKPROBE_SYMBOL(redirect_take_pass);

static notrace int redirect_handler(struct kprobe *kp, struct pt_regs *regs)
{
	struct redirect *r = container_of(kp, struct redirect, kp);

	/* First: a pass must not outlive the call that it is for */
	if (redirect_take_pass(r))
		return 0;
	if (r->wanted && !r->wanted(regs_get_kernel_argument(regs, 0),
				    regs_get_kernel_argument(regs, 1)))
		return 0;
	if (!r->replacement || !READ_ONCE(redirect_live) ||
	    !try_module_get(THIS_MODULE))
		return 0;

	instruction_pointer_set(regs, (unsigned long)r->replacement);
	return 1;
}
NOKPROBE_SYMBOL(redirect_handler);

static notrace void redirect_post_handler(struct kprobe *kp,
					  struct pt_regs *regs,
					  unsigned long flags)
{
}
NOKPROBE_SYMBOL(redirect_post_handler);

void redirect_pass_begin(struct redirect_pass *pass, struct redirect *r)
{
	unsigned long flags;

	pass->task = current;
	pass->redirect = r;
	raw_spin_lock_irqsave(&redirect_lock, flags);
	hlist_add_head(&pass->node, &redirect_passes);
	raw_spin_unlock_irqrestore(&redirect_lock, flags);
}

/* The pass is still there if the probe is silent: ftrace or kprobes are off */
void redirect_pass_end(struct redirect_pass *pass)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&redirect_lock, flags);
	hlist_del_init(&pass->node);
	raw_spin_unlock_irqrestore(&redirect_lock, flags);
}

/* All in one call: it waits for the handlers once, not for each probe */
static void redirect_unregister(struct redirect *redirects, int nr)
{
	struct kprobe *kps[REDIRECT_MAX];
	int i;

	for (i = 0; i < nr; i++)
		kps[i] = &redirects[i].kp;
	unregister_kprobes(kps, nr);
}

/**
 * redirect_find() - find the functions and prepare their probes
 * @redirects: the functions
 * @nr: how many
 *
 * Sets @addr of each. Nothing is armed yet.
 *
 * Context: may sleep.
 * Return: 0, the errno of register_kprobe() (ENOENT: no such function) or EBUSY
 * (another probe is there) with nothing left registered and the function named
 * in the log; E2BIG for more than REDIRECT_MAX.
 */
int redirect_find(struct redirect *redirects, int nr)
{
	int i, err;

	if (nr > REDIRECT_MAX)
		return -E2BIG;
	for (i = 0; i < nr; i++) {
		struct redirect *r = &redirects[i];

		/* register_kprobe() wants them unset, also a second time */
		memset(&r->kp, 0, sizeof(r->kp));
		r->kp.symbol_name = r->symbol;
		r->kp.flags = KPROBE_FLAG_DISABLED;
		r->kp.pre_handler = redirect_handler;

		err = register_kprobe(&r->kp);
		if (err) {
			if (err == -ENOENT)
				pr_err("%s() not found: this version does not know this kernel, look for a newer one\n",
				       r->symbol);
			else
				pr_err("%s() cannot be probed (error %d)\n",
				       r->symbol, err);
			redirect_unregister(redirects, i);
			return err;
		}
		r->addr = r->kp.addr;
		if (!r->replacement)
			continue;

		/*
		 * Another probe is there, so ours is in its aggregate. If that
		 * is armed without IPMODIFY and got our post_handler, the
		 * kernel would disarm it with the wrong ftrace_ops, and leave
		 * a freed probe behind. Hence ours has none until here.
		 */
		if (!list_empty(&r->kp.list)) {
			pr_err("%s() has another probe already: remove it (tracing, perf, bpftrace), then load again\n",
			       r->symbol);
			redirect_unregister(redirects, i + 1);
			return -EBUSY;
		}
		r->kp.post_handler = redirect_post_handler;
	}
	return 0;
}

/**
 * redirect_arm() - begin to redirect
 * @redirects: what redirect_find() found, REDIRECT_SELFTEST among them
 * @nr: how many
 *
 * From the return of this function on, all are redirected; before it, none.
 *
 * Context: may sleep.
 * Return: 0, the errno of enable_kprobe() (EBUSY: the function is livepatched)
 * or EOPNOTSUPP (hooks are switched off), with a line in the log. Nothing is
 * redirected then, and redirect_remove() is to be called all the same.
 */
int redirect_arm(struct redirect *redirects, int nr)
{
	int i, err;

	for (i = 0; i < nr; i++) {
		struct redirect *r = &redirects[i];

		if (!r->replacement && !r->wanted)
			continue;
		err = enable_kprobe(&r->kp);
		if (err) {
			if (err == -EBUSY)
				pr_err("%s() is livepatched already: unload that livepatch, or do without this module\n",
				       r->symbol);
			else
				pr_err("%s() cannot be hooked (error %d)\n",
				       r->symbol, err);
			return err;
		}
	}
	if (!redirect_selftest()) {
		pr_err("hooks are off: set sysctl kernel.ftrace_enabled and /sys/kernel/debug/kprobes/enabled to 1, then load again\n");
		return -EOPNOTSUPP;
	}
	WRITE_ONCE(redirect_live, true);
	return 0;
}

/**
 * redirect_remove() - end all redirects, for the module's exit function
 * @redirects: what redirect_find() found
 * @nr: how many
 *
 * Context: may sleep, for some grace periods.
 */
void redirect_remove(struct redirect *redirects, int nr)
{
	WRITE_ONCE(redirect_live, false);
	redirect_unregister(redirects, nr);
	synchronize_rcu_tasks();
}

/**
 * redirect_missed() - how many calls the probes missed
 * @redirects: the functions
 * @nr: how many
 *
 * Return: the sum of the kprobes' own counters.
 */
unsigned long redirect_missed(struct redirect *redirects, int nr)
{
	unsigned long missed = 0;

	while (nr--)
		missed += redirects[nr].kp.nmissed;
	return missed;
}

/* Never runs in its place: redirect_selftest_wanted() does not want it */
int redirect_selftest_replacement(bool *seen)
{
	return redirect_return(0);
}

notrace bool redirect_selftest_wanted(unsigned long seen, unsigned long unused)
{
	*(bool *)seen = true;
	return false;
}
NOKPROBE_SYMBOL(redirect_selftest_wanted);

noinline int redirect_selftest_target(bool *seen)
{
	/* The compiler must not know what is done here: nothing */
	asm volatile("" : : "r"(seen) : "memory");
	return 0;
}

/**
 * redirect_selftest() - whether hooks have effect now
 *
 * Return: true if a call of redirect_selftest_target() gets to its probe.
 */
bool redirect_selftest(void)
{
	bool seen = false;

	redirect_selftest_target(&seen);
	return READ_ONCE(seen);
}
