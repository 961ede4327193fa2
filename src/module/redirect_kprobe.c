// SPDX-License-Identifier: GPL-2.0
/*
 * redirect - the back end for where there is no ftrace: arm64, and x86-64 without
 * the function tracer
 *
 * The probe handler sets the instruction pointer to the replacement and
 * returns 1 ("Changing Execution Path" in Documentation/trace/kprobes.rst).
 * An optimised kprobe would ignore that; having a post_handler prevents the
 * optimisation, if it has one when it is registered.
 *
 * The replacement calls the original at its probed address, and that call has
 * to pass. It is told from a call from outside by the task, not by the return
 * address, which the function_graph tracer and kretprobes replace. The pass is
 * good for one call: the handler takes it off the list, so a recursion inside
 * the original is redirected like a call from outside.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/spinlock.h>

#include "redirect.h"

/* The most that one table has: pointers to all are once on the stack */
#define REDIRECT_MAX 16

static DEFINE_RAW_SPINLOCK(redirect_lock);
static HLIST_HEAD(redirect_passes);

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
	if (!redirect_send(r, regs_get_kernel_argument(regs, 0),
			   regs_get_kernel_argument(regs, 1)))
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

/* The pass is still there if the probe is silent: kprobes are off */
void redirect_pass_end(struct redirect_pass *pass)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&redirect_lock, flags);
	hlist_del_init(&pass->node);
	raw_spin_unlock_irqrestore(&redirect_lock, flags);
}

/**
 * redirect_call_addr() - where to call a function that a kprobe has found
 * @r: the function
 * @kp: the kprobe, registered
 *
 * Return: the address, for direct calls.
 */
void *redirect_call_addr(const struct redirect *r, const struct kprobe *kp)
{
	return kp->addr;
}

/* Calls that the hook did not see: kprobes count them */
unsigned long redirect_skipped(const struct redirect *r)
{
	return r->kp.nmissed;
}

/**
 * redirect_hook() - hook all functions, or none
 * @redirects: what redirect_find() found
 * @nr: how many
 *
 * Context: may sleep.
 * Return: 0; E2BIG for more than REDIRECT_MAX; or the errno of register_kprobe(),
 * with a line in the log.
 */
int redirect_hook(struct redirect *redirects, int nr)
{
	int i, err;

	if (nr > REDIRECT_MAX)
		return -E2BIG;
	for (i = 0; i < nr; i++) {
		struct redirect *r = &redirects[i];

		/* register_kprobe() wants the rest unset, also a second time */
		memset(&r->kp, 0, sizeof(r->kp));
		if (!redirect_hooks(r))
			continue;
		r->kp.symbol_name = r->symbol;
		r->kp.pre_handler = redirect_handler;
		r->kp.post_handler = redirect_post_handler;
		err = register_kprobe(&r->kp);
		if (err) {
			pr_err("%s() cannot be hooked (error %d)\n", r->symbol,
			       err);
			memset(&r->kp, 0, sizeof(r->kp));
			redirect_unhook(redirects, i);
			return err;
		}
	}
	return 0;
}

/**
 * redirect_unhook() - take all hooks away
 * @redirects: the functions
 * @nr: how many
 *
 * All in one call, which waits for the handlers once, not for each probe.
 *
 * Context: may sleep; waits until nobody is in a hook.
 */
void redirect_unhook(struct redirect *redirects, int nr)
{
	struct kprobe *kps[REDIRECT_MAX];
	int i, n = 0;

	for (i = 0; i < nr; i++)
		if (redirect_hooks(&redirects[i]))
			kps[n++] = &redirects[i].kp;
	unregister_kprobes(kps, n);
}
