/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel recovers a filesystem before e2fsck sees it
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "gather.h"

enum verdict run_recover(int nr, char **devices);

#endif
