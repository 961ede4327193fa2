// SPDX-License-Identifier: GPL-2.0
/*
 * redirect_hooks2 - redirect_hooks under another name, for two at a time
 */
#include "redirect.c"
#include "hooks.c"
