// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_hooks2 - redirect_hooks under another name, for two at a time
 */
#include "redirect.c"
#undef pr_fmt
#ifdef REDIRECT_FTRACE
#include "redirect_ftrace.c"
#else
#include "redirect_kprobe.c"
#endif
#undef pr_fmt
#include "hooks.c"
