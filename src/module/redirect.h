/* SPDX-License-Identifier: GPL-2.0 */
/*
 * redirect - run a function of this module in place of a kernel function
 *
 * A hook on the entry of the function sends the caller to the replacement,
 * which runs in the caller's own context, as if it had been called itself: it
 * may sleep, take locks and call the original. The mechanism knows nothing of
 * what it redirects.
 *
 * For functions that are called in process context only.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/static_call.h>

/* Which of the two back ends is built, see there; Kbuild has it, too */
#if defined(CONFIG_X86_64) && defined(CONFIG_KPROBES_ON_FTRACE)
#define REDIRECT_FTRACE
#endif

/**
 * struct redirect - one kernel function and what is to run in its place
 * @symbol: name of the function
 * @replacement: runs in place of @symbol, with the same prototype, begins with
 *	redirect_enter() and ends with redirect_return(); NULL: it is only called
 * @wanted: asked for each call from outside, with its first two arguments,
 *	whether this call is redirected; NULL: each one is. Runs in the hook, so
 *	it must not sleep, and has to be notrace and NOKPROBE_SYMBOL
 *
 * Made by REDIRECT() or REDIRECT_CALL().
 */
struct redirect {
	const char *symbol;
	void *replacement;
	bool (*wanted)(unsigned long arg0, unsigned long arg1);
	/* private: */
	struct static_call_key *key;
	void *tramp;
	void *enter; /* of redirect_ftrace.c: where a call goes that is redirected, */
	void *pass; /* and one that is not */
	void *addr; /* where static_call() goes */
	atomic_long_t sent;
	atomic_long_t arrived;
#ifndef REDIRECT_FTRACE
	struct kprobe kp;
#endif
};

#ifdef REDIRECT_FTRACE
/*
 * What the hook makes of the instruction pointer another tracer may call by an
 * indirect call (a bpf trampoline that has to share the function does). With IBT
 * that needs an ENDBR, which there is neither past the entry of a function nor,
 * with FineIBT, at its beginning. Hence these: an ENDBR and a direct jump.
 */
#define __REDIRECT_STUB(stub, target)                \
	asm(".pushsection .text\n"                   \
	    ".balign 16\n"                           \
	    ".globl " stub "\n"                      \
	    ".type " stub ", @function\n" stub ":\n" \
	    "	endbr64\n"                             \
	    "	jmp " target "\n"                    \
	    ".size " stub ", . - " stub "\n"         \
	    ".popsection")

/**
 * DEFINE_REDIRECT() - what REDIRECT(@name, @to, ...) refers to, at file scope
 * @name: the kernel function, and the static call of it
 * @to: its replacement, not static
 */
#define DEFINE_REDIRECT(name, to)                          \
	extern const char name##__enter[], name##__pass[]; \
	__REDIRECT_STUB(#name "__enter", #to);             \
	__REDIRECT_STUB(#name "__pass", STATIC_CALL_TRAMP_STR(name))

#define __REDIRECT_ENTER(name) .enter = (void *)name##__enter
#define __REDIRECT_PASS(name) .pass = (void *)name##__pass
#else
#define DEFINE_REDIRECT(name, to) struct redirect
#define __REDIRECT_ENTER(name) .enter = NULL
#define __REDIRECT_PASS(name) .pass = NULL
#endif

#define __REDIRECT(sym, name, to, want)                                        \
	{                                                                      \
		.symbol = sym, .replacement = to, .wanted = want,              \
		.key = &STATIC_CALL_KEY(name),                                 \
		.tramp = STATIC_CALL_TRAMP_ADDR(name), __REDIRECT_ENTER(name), \
		__REDIRECT_PASS(name),                                         \
	}

/**
 * REDIRECT() - a table entry: @to runs in place of @name
 * @name: the kernel function; also what @to calls it by: static_call(name), which
 *	redirect_find() sets. Needs a DEFINE_STATIC_CALL_NULL() and a
 *	DEFINE_REDIRECT()
 * @to: the replacement
 * @want: see @wanted of struct redirect; NULL: each call
 */
#define REDIRECT(name, to, want) __REDIRECT(#name, name, to, want)

/* A table entry: @name is only called, by static_call(name) */
#define REDIRECT_CALL(name)                                     \
	{                                                       \
		.symbol = #name, .key = &STATIC_CALL_KEY(name), \
		.tramp = STATIC_CALL_TRAMP_ADDR(name),          \
	}

/* Whether anything of it is to be hooked */
static inline bool redirect_hooks(const struct redirect *r)
{
	return r->replacement;
}

int redirect_find(struct redirect *redirects, int nr);
int redirect_arm(struct redirect *redirects, int nr);
void redirect_remove(struct redirect *redirects, int nr);
unsigned long redirect_missed(struct redirect *redirects, int nr);

/* The back end: redirect_ftrace.c or redirect_kprobe.c */
int redirect_hook(struct redirect *redirects, int nr);
void redirect_unhook(struct redirect *redirects, int nr);
void *redirect_call_addr(const struct redirect *r, const struct kprobe *kp);
unsigned long redirect_skipped(const struct redirect *r);
extern bool redirect_live;

/*
 * A redirect of a function of our own, for the table of the module: tells
 * whether hooks have effect.
 */
bool redirect_selftest(void);
int redirect_selftest_target(bool *seen);
int redirect_selftest_replacement(bool *seen);
DECLARE_STATIC_CALL(redirect_selftest, redirect_selftest_target);
#ifdef REDIRECT_FTRACE
extern const char redirect_selftest__enter[], redirect_selftest__pass[];
#endif
#define REDIRECT_SELFTEST                                      \
	__REDIRECT(KBUILD_MODNAME ":redirect_selftest_target", \
		   redirect_selftest, redirect_selftest_replacement, NULL)

/**
 * redirect_send() - for the back end: is this call to be redirected?
 * @r: the function that is called
 * @arg0: its first argument
 * @arg1: its second
 *
 * Context: in the hook, must not sleep.
 * Return: true: yes, with a reference on the module, which redirect_return()
 * drops.
 */
static __always_inline bool
redirect_send(struct redirect *r, unsigned long arg0, unsigned long arg1)
{
	if (r->wanted && !r->wanted(arg0, arg1))
		return false;
	/* Called by this module only, which waits for it: no reference */
	if (r->replacement == redirect_selftest_replacement)
		return true;
	if (!READ_ONCE(redirect_live) || !try_module_get(THIS_MODULE))
		return false;

	atomic_long_inc(&r->sent);
	return true;
}

/**
 * redirect_pass() - call the original from its replacement
 * @r: the redirect
 * @call: the call, a direct one (static_call)
 *
 * Context: process context, in a replacement. Sleeps if the original does.
 * Return: what @call returned.
 */
#ifdef REDIRECT_FTRACE
/* It goes past the hook */
#define redirect_pass(r, call) ((void)(r), (call))
#else
/* A call of the original by its replacement, on the caller's stack */
struct redirect_pass {
	struct hlist_node node;
	struct task_struct *task;
	struct redirect *redirect;
};

void redirect_pass_begin(struct redirect_pass *pass, struct redirect *r);
void redirect_pass_end(struct redirect_pass *pass);

#define redirect_pass(r, call)                   \
	({                                       \
		struct redirect_pass __pass;     \
		typeof(call) __ret;              \
		redirect_pass_begin(&__pass, r); \
		__ret = (call);                  \
		redirect_pass_end(&__pass);      \
		__ret;                           \
	})
#endif

/**
 * redirect_enter() - the first thing that a replacement does
 * @r: the redirect
 *
 * The call has arrived; see redirect_lost().
 */
static inline void redirect_enter(struct redirect *r)
{
	atomic_long_inc(&r->arrived);
}

/**
 * redirect_return() - the last thing that a replacement does
 * @ret: what the replacement returns
 *
 * Drops the reference on this module that the hook took; see "Who may still be
 * inside" in redirect.c.
 *
 * Return: @ret.
 */
static inline int redirect_return(int ret)
{
	module_put(THIS_MODULE);
	return ret;
}

#endif
