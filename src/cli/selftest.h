/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "gather.h"

enum verdict run_selftest(void);

#endif
