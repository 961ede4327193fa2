/* SPDX-License-Identifier: GPL-2.0 */
/*
 * redirect - run a function of this module in place of a kernel function
 *
 * A kprobe on the entry of the function sends the caller to the replacement,
 * which runs in the caller's own context, as if it had been called itself: it
 * may sleep, take locks and call the original. The mechanism knows nothing of
 * what it redirects.
 *
 * For functions that are called in process context only.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>

/**
 * struct redirect - one kernel function and what is to run in its place
 * @symbol: name of the function
 * @replacement: runs in place of @symbol, with the same prototype, and ends
 *	with redirect_return(); NULL: nothing runs in its place
 * @wanted: asked for each call from outside, with its first two arguments,
 *	whether this call is redirected; NULL: each one is. Runs in the probe
 *	handler, so it must not sleep, and has to be notrace and
 *	NOKPROBE_SYMBOL
 * @addr: where a call of the original goes, set by redirect_find(). Behind
 *	the ENDBR on kernels with IBT, so only for direct calls (static_call)
 *
 * With neither @replacement nor @wanted only @addr is of use: no probe is
 * armed.
 */
struct redirect {
	const char *symbol;
	void *replacement;
	bool (*wanted)(unsigned long arg0, unsigned long arg1);
	void *addr;
	/* private: */
	struct kprobe kp;
};

/* The most that one table has: pointers to all are once on the stack */
#define REDIRECT_MAX 16

/* A call of the original by its replacement, on the caller's stack */
struct redirect_pass {
	struct hlist_node node;
	struct task_struct *task;
	struct redirect *redirect;
};

int redirect_find(struct redirect *redirects, int nr);
int redirect_arm(struct redirect *redirects, int nr);
void redirect_remove(struct redirect *redirects, int nr);
unsigned long redirect_missed(struct redirect *redirects, int nr);

bool redirect_selftest(void);
bool redirect_selftest_wanted(unsigned long seen, unsigned long unused);
int redirect_selftest_replacement(bool *seen);
int redirect_selftest_target(bool *seen);

/*
 * A redirect of a function of our own, for the table of the module: tells
 * whether hooks have effect or are silently off, as with
 * kernel.ftrace_enabled=0. It has a replacement only to be hooked like those
 * that have.
 */
#define REDIRECT_SELFTEST                                             \
	{                                                             \
		.symbol = KBUILD_MODNAME ":redirect_selftest_target", \
		.replacement = redirect_selftest_replacement,         \
		.wanted = redirect_selftest_wanted,                   \
	}

void redirect_pass_begin(struct redirect_pass *pass, struct redirect *r);
void redirect_pass_end(struct redirect_pass *pass);

/**
 * redirect_pass() - call the original from its replacement
 * @r: the redirect
 * @call: the call, a direct one (static_call)
 *
 * Context: process context, in a replacement. Sleeps if the original does.
 * Return: what @call returned.
 */
#define redirect_pass(r, call)                   \
	({                                       \
		struct redirect_pass __pass;     \
		typeof(call) __ret;              \
		redirect_pass_begin(&__pass, r); \
		__ret = (call);                  \
		redirect_pass_end(&__pass);      \
		__ret;                           \
	})

/**
 * redirect_return() - the last thing that a replacement does
 * @ret: what the replacement returns
 *
 * Drops the reference on this module that the probe handler took; see "Who
 * may still be inside" in redirect.c.
 *
 * Return: @ret.
 */
static inline int redirect_return(int ret)
{
	module_put(THIS_MODULE);
	return ret;
}

#endif
