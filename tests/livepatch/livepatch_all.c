// SPDX-License-Identifier: GPL-2.0
/*
 * ext4_livepatch_all - the same of all functions of ext4 that the module hooks
 *
 * For scripts/bench, to be loaded and unloaded. They are not to be called
 * meanwhile: no ext4 may be mounted.
 */
#define LIVEPATCH_ALL
#include "livepatch.c"
