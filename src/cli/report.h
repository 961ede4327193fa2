/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is said of a machine: a line, a table, JSON
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "gather.h"

void report_line(FILE *to, const struct machine *m);
void report_table(FILE *to, const struct machine *m, bool colour, int width);
int report_json(FILE *to, const struct machine *m);

#endif
