// SPDX-License-Identifier: GPL-2.0
/*
 * inject - lets fail_function make register_kprobe() and register_ftrace_function()
 * fail
 *
 * It takes only functions that somebody has declared for that, and forgets
 * these when this module goes.
 */
#include <linux/error-injection.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>

ALLOW_ERROR_INJECTION(register_kprobe, ERRNO);
ALLOW_ERROR_INJECTION(register_ftrace_function, ERRNO);

MODULE_DESCRIPTION("Lets fail_function have what registers hooks");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
