/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why the module does not protect, and what to do about it
 */
#ifndef REMEDY_H
#define REMEDY_H

#include <stdio.h>

#include "gather.h"

const char *state_text(const struct module *m);
const char *why_not_built(const struct kernel *k);
void remedy_build(FILE *to, const struct kernel *k);
void remedy_reload(FILE *to, const char *parameter);
void remedy_load(FILE *to, const struct kernel *k);
void remedy(FILE *to, const struct machine *m);

#endif
