// SPDX-License-Identifier: GPL-2.0
/*
 * What is built where the module cannot work, see Kbuild
 *
 * A module that does not compile would block the kernel upgrade of whoever has
 * it under DKMS; so it compiles everywhere, and says at load what is missing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>

static int __init unsupported_init(void)
{
	pr_err("not loaded: " FIX_UNSUPPORTED "\n");
	return -EOPNOTSUPP;
}
module_init(unsupported_init);

MODULE_DESCRIPTION("Says why ext4_fc_resize_fix does not work here");
MODULE_AUTHOR("The ext4_fc_resize_fix authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(FIX_VERSION);
