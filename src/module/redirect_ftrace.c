// SPDX-License-Identifier: GPL-2.0
/*
 * redirect - the back end for x86-64: one ftrace_ops for all functions
 *
 * As livepatch does it, and so others treat it like a livepatch: whoever wants
 * to change the instruction pointer of the same function gets EBUSY
 * (FTRACE_OPS_FL_IPMODIFY), and while we are there ftrace cannot be switched off
 * (FTRACE_OPS_FL_PERMANENT). All functions are put into the filter first and
 * registered in one call, since only register_ftrace_function() asks the bpf
 * trampolines that are there already to share a function (since 6.0,
 * 00963a2e75a8 ("bpf: Support bpf_trampoline on functions with IPMODIFY (e.g.
 * livepatch)"); before, it fails with EBUSY if there is one).
 *
 * The replacement calls the original past its call of ftrace, where no hook
 * is: nobody has to tell that call from one from outside, and other tracers
 * see a call once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ftrace.h>

#include "redirect.h"
#include "compat.h"

/* The table, and its end */
static struct redirect *redirect_table, *redirect_end;

static notrace void redirect_ftrace(unsigned long ip, unsigned long parent_ip,
				    struct ftrace_ops *ops,
				    struct ftrace_regs *regs)
{
	void *addr = (void *)(ip + MCOUNT_INSN_SIZE);
	struct redirect *r = redirect_end;

	/* It is in the table: nothing else is in the filter */
	do
		r--;
	while (r->addr != addr);

	if (redirect_send(r, ftrace_regs_get_argument(regs, 0),
			  ftrace_regs_get_argument(regs, 1)))
		addr = r->enter;
	else
		addr = r->pass;
	ftrace_regs_set_instruction_pointer(regs, (unsigned long)addr);
}
NOKPROBE_SYMBOL(redirect_ftrace);

static struct ftrace_ops redirect_ops = {
	.func = redirect_ftrace,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT |
		 COMPAT_FTRACE_FLAGS,
};

/**
 * redirect_call_addr() - where to call a function that a kprobe has found
 * @r: the function
 * @kp: the kprobe, registered
 *
 * Return: the address, for direct calls; NULL: it cannot be hooked.
 */
void *redirect_call_addr(const struct redirect *r, const struct kprobe *kp)
{
	if (!redirect_hooks(r))
		return kp->addr;
	/* kprobes' word that it is where ftrace is called */
	if (!(kp->flags & KPROBE_FLAG_FTRACE))
		return NULL;
	return (void *)kp->addr + MCOUNT_INSN_SIZE;
}

/* Calls that the hook did not see: there are none */
unsigned long redirect_skipped(const struct redirect *r)
{
	return 0;
}

static int redirect_register(void)
{
	int tries, err;

	/* EAGAIN: a bpf trampoline is being changed just now */
	for (tries = 0; tries < 50; tries++) {
		err = register_ftrace_function(&redirect_ops);
		if (err != -EAGAIN)
			break;
		msleep(20);
	}
	return err;
}

/* The filter must not be emptied while registered: that means all functions */
static void redirect_unregister(void)
{
	unregister_ftrace_function(&redirect_ops);
	ftrace_set_filter(&redirect_ops, NULL, 0, 1);
}

static int redirect_filter(struct redirect *r)
{
	unsigned long ip = (unsigned long)r->addr - MCOUNT_INSN_SIZE;

	return ftrace_set_filter_ip(&redirect_ops, ip, 0, 0);
}

/* Is there something in the way of this one function? */
static int redirect_try(struct redirect *r)
{
	int err = redirect_filter(r) ?: redirect_register();

	if (err)
		ftrace_set_filter(&redirect_ops, NULL, 0, 1);
	else
		redirect_unregister();
	return err;
}

/*
 * Why it failed, in one line. Nobody else is on the self-test's function: if that
 * cannot be had, ftrace is off. Returns the errno for it.
 */
static int redirect_say_why(int err)
{
	struct redirect *r;

	for (r = redirect_table; r < redirect_end; r++) {
		if (r->replacement == redirect_selftest_replacement &&
		    redirect_try(r) == -EBUSY) {
			pr_err("hooks are off: set sysctl kernel.ftrace_enabled to 1, then load again\n");
			return -EOPNOTSUPP;
		}
	}
	for (r = redirect_table; r < redirect_end; r++) {
		if (redirect_hooks(r) && redirect_try(r) == -EBUSY) {
			pr_err("%s() is in use by a livepatch or a bpf program (fentry, fexit, fmod_ret): unload that, then load again\n",
			       r->symbol);
			return -EBUSY;
		}
	}
	pr_err("functions cannot be hooked (error %d)\n", err);
	return err;
}

/**
 * redirect_hook() - hook all functions, or none
 * @redirects: what redirect_find() found, REDIRECT_SELFTEST among them
 * @nr: how many
 *
 * Context: may sleep, for a second if a bpf trampoline is in the way for long.
 * Return: 0; EBUSY: a livepatch or a bpf program is there and does not share the
 * function; EOPNOTSUPP: ftrace is switched off; or another errno of ftrace, with
 * a line in the log.
 */
int redirect_hook(struct redirect *redirects, int nr)
{
	int i, err = 0;

	redirect_table = redirects;
	redirect_end = redirects + nr;
	for (i = 0; i < nr && !err; i++)
		if (redirect_hooks(&redirects[i]))
			err = redirect_filter(&redirects[i]);
	if (!err)
		err = redirect_register();
	if (!err)
		return 0;
	ftrace_set_filter(&redirect_ops, NULL, 0, 1);
	return redirect_say_why(err);
}

/**
 * redirect_unhook() - take all hooks away
 * @redirects: the functions
 * @nr: how many
 *
 * Context: may sleep; waits until nobody is in a hook.
 */
void redirect_unhook(struct redirect *redirects, int nr)
{
	redirect_unregister();
}
